package detector

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/mapping"
)

var inlineSettings = settings{"query": "a: b", "new_terms_fields": "x", "history_window": "7d"}

// with returns settings with some changed.
func (s settings) with(pairs ...string) settings {
	out := settings{}
	for k, v := range s {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// TestMisspelt: each property refuses what is no value of it, with its name and
// what is allowed.
func TestMisspelt(t *testing.T) {
	tests := []struct {
		property, value string
		says            []string
	}{
		{"rules", ",", []string{"names nothing", "files, folders or globs"}},
		{"exceptions", " , ", []string{"names nothing", "exceptions"}},
		{"mapping", "kubernetes", []string{`"kubernetes"`, "use auto, ecs, kubernetes_audit"}},
		{"max_terms", "many", []string{`"many"`, "from 1 to 100000000"}},
		{"max_terms", "0", []string{`"0"`, "from 1"}},
		{"learn", "never", []string{`"never"`, `"off"`}},
		{"learn", "-1h", []string{"negative"}},
		{"max_alerts", "1.5", []string{`"1.5"`, "from 1 to 1000000"}},
		{"interval", "500ms", []string{`"500ms"`, "at least 1s"}},
		{"interval", "soon", []string{`"soon"`, "10d"}},
		{"emit", "everything", []string{`"everything"`, "alerts", "matched"}},
		{"alert_tag", "a.{rule}", []string{`"{rule}"`, "{rule_id}", "{severity}", "{tag}"}},
		{"alert_tag", "a.{tag", []string{`"{tag"`}},
		{"alert_stdout", "maybe", []string{`"maybe"`, "on or off"}},
		{"alert_forward", "localhost", []string{`"localhost"`, "tcp://"}},
	}
	for _, tt := range tests {
		t.Run(tt.property+" "+tt.value, func(t *testing.T) {
			_, err := ParseConfig(inlineSettings.with(tt.property, tt.value))
			if err == nil {
				t.Fatal("taken")
			}
			for _, text := range append(tt.says, "property "+tt.property) {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not say %q", err, text)
				}
			}
		})
	}
}

func TestMissing(t *testing.T) {
	tests := []struct {
		name string
		s    settings
		says string
	}{
		{"nothing", settings{}, "no rule: set rules"},
		{"a severity without a rule", settings{"rules": "/x", "severity": "low"}, "property severity belongs to a rule written as"},
		{"a window without a rule", settings{"rules": "/x", "history_window": "1d"}, "property history_window belongs"},
		{"a name without a rule", settings{"rule_name": "n"}, "property rule_name belongs"},
		{"a score without a rule", settings{"risk_score": "5"}, "property risk_score belongs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseConfig(tt.s); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	c, err := ParseConfig(inlineSettings)
	if err != nil {
		t.Fatal(err)
	}
	if c.StatePath != DefaultStatePath || c.MaxTerms != 100_000 || c.Learn != 24*time.Hour || c.MaxAlerts != 0 || c.Interval != 0 ||
		c.AlertTag != "alert.newterms" || c.Matched || c.Mapping.Mode != mapping.Auto || !c.HasInline() {
		t.Errorf("defaults %+v", c)
	}
	c, err = ParseConfig(inlineSettings.with("mapping", "ECS", "max_terms", "1_000", "learn", "OFF", "max_alerts", "7", "interval", " 1h ",
		"emit", "Matched", "alert_tag", "a.{severity}.{rule_id}", "alert_stdout", "Yes", "log_key", "log", "state_path", "/s", "exceptions", "a.toml, b"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Mapping.Mode != mapping.ECS || c.MaxTerms != 1000 || c.Learn != 0 || c.MaxAlerts != 7 || c.Interval != time.Hour || !c.Matched ||
		c.AlertTag != "a.{severity}.{rule_id}" || !c.AlertStdout || c.Mapping.LogKey != "log" || c.StatePath != "/s" || len(c.Exceptions) != 2 {
		t.Errorf("%+v", c)
	}
}

// TestProperties: the names are those that users know, each once.
func TestProperties(t *testing.T) {
	names := Properties()
	for _, want := range []string{"rules", "query", "new_terms_fields", "history_window", "rule_name", "severity", "risk_score", "mapping",
		"log_key", "state_path", "max_terms", "learn", "max_alerts", "interval", "exceptions", "emit", "alert_tag", "alert_forward",
		"alert_file", "alert_stdout"} {
		if !slices.Contains(names, want) {
			t.Errorf("no property %s", want)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(Properties()) {
		t.Error("a property is there twice")
	}
	if got := InputProperties(); !slices.Equal(got, []string{"rules", "min_severity"}) {
		t.Errorf("input properties %v", got)
	}
}

// TestRefused: what can only be found out when a detector opens is said with
// the property's name, and nothing stays open.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("[rule]\nname = 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ok := inlineSettings.with("alert_file", filepath.Join(dir, "alerts"), "state_path", filepath.Join(dir, "state"))
	tests := []struct {
		name  string
		s     settings
		where Where
		says  []string
	}{
		{"rules that are not there", ok.with("rules", filepath.Join(dir, "gone.toml")), Where{}, []string{"property rules", "gone.toml"}},
		{"a query that is none", ok.with("query", "a: (b"), Where{}, []string{"property query"}},
		{"a window that is none", ok.with("history_window", "long"), Where{}, []string{"property history_window"}},
		{"a severity that is none", ok.with("severity", "hihg"), Where{}, []string{"property severity", "low, medium, high"}},
		{"a score that is none", ok.with("risk_score", "101"), Where{}, []string{"property risk_score"}},
		{"fields that are none", ok.with("new_terms_fields", "a*"), Where{}, []string{"property new_terms_fields"}},
		{"a state that is a file", ok.with("state_path", file), Where{}, []string{"property state_path"}},
		{"an alert file without a folder", ok.with("alert_file", filepath.Join(dir, "no", "alerts")), Where{}, []string{"property alert_file", "make it first"}},
		{"alerts with nowhere to go", ok.with("alert_file", ""), Where{}, []string{"nowhere to go", "newterms_alerts", "alert_file"}},
		{"alerts that come back", ok.with("alert_tag", "kube.alert"), Where{Match: "kube.*"}, []string{"property alert_tag", "kube.*"}},
		{"alerts that come back by a template", ok.with("alert_tag", "{tag}.alert"), Where{Match: "kube.*"}, []string{"property alert_tag"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Open(&Registry{}, tt.s, newTestHost(), tt.where)
			if err == nil {
				_ = d.Close()
				t.Fatal("taken")
			}
			for _, text := range tt.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not say %q", err, text)
				}
			}
		})
	}
	// Nothing of it is still locked.
	reg := &Registry{}
	openDetectorIn(t, reg, ok)
	_, err := Open(reg, ok, newTestHost(), Where{Instance: "newterms.1"})
	if err == nil || !strings.Contains(err.Error(), "in use by output newterms.0") {
		t.Errorf("a state path taken twice: %v", err)
	}
}

func TestTags(t *testing.T) {
	for _, tt := range []struct {
		match, tag string
		want       bool
	}{
		{"kube.*", "kube.audit", true}, {"kube.*", "alert.x", false}, {"*", "alert.x", true}, {"kube.*", "{tag}.x", true},
		{"*.audit", "alert.{severity}", true}, {"kube.audit", "kube.audit", true}, {"kube.audit", "kube.audits", false},
		{"a*b*c", "a{tag}c", true}, {"alert.newterms", "alert.newterms", true}, {"", "x", false},
	} {
		if got := caughtBy(tt.match, tt.tag); got != tt.want {
			t.Errorf("caughtBy(%q, %q) = %v", tt.match, tt.tag, got)
		}
	}
	if got := alert.ExpandTag("a.{rule_id}.{severity}.{tag}", "id with *\n", "low", "kube.{severity}"); got != "a.id_with___.low.kube.{severity}" {
		t.Errorf("expanded to %q", got)
	}
	// Patterns made to be slow.
	start := time.Now()
	if globsMeet(strings.Repeat("*a", 200)+"*b", strings.Repeat("*a", 200)+"*c") {
		t.Error("what ends in b is said to end in c")
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("it takes %v to compare two patterns", d)
	}
}

func FuzzGlobsMeet(f *testing.F) {
	f.Add("a*b", "ab", "axb")
	f.Add("*.x", "y.*", "y.x")
	f.Fuzz(func(t *testing.T, a, b, text string) {
		if len(a)+len(b) > 60 {
			return
		}
		fits := func(glob string) bool {
			re, err := regexp.Compile("(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, ".*") + "$")
			return err == nil && re.MatchString(text)
		}
		if fits(a) && fits(b) && !globsMeet(a, b) {
			t.Errorf("%q fits %q and %q, which are said not to meet", text, a, b)
		}
	})
}
