package detector

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const exceptionOf = `[[exception]]
query = "user.name: known"
`

// TestInlineExceptions: exceptions hold for rules that are written as
// properties, alone and beside rules in files.
func TestInlineExceptions(t *testing.T) {
	dir := t.TempDir()
	file, rules := filepath.Join(dir, "except.toml"), filepath.Join(dir, "a.toml")
	put(t, file, exceptionOf+"rule = \"New *\"\n")
	put(t, rules, ruleText("Other", "event.dataset: other"))
	inline := inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off", "exceptions", file)
	for _, s := range []settings{inline, inline.with("rules", rules)} {
		out := filepath.Join(t.TempDir(), "alerts")
		d, h := openDetector(t, s.with("alert_file", out, "state_path", ""))
		d.Flush("kube.audit", chunkOf(time.Now(), "known", "other"))
		eventually(t, "the other's alert", func() bool { return len(linesOf(t, out)) > 0 })
		if n := d.engine.Counts().Excepted.Load(); n != 1 || len(linesOf(t, out)) != 1 {
			t.Errorf("%d matches taken out, alerts %q", n, linesOf(t, out))
		}
		if h.logged("this exception is for none") {
			t.Errorf("log %q", h.lines)
		}
	}
	_, err := Open(&Registry{}, inline.with("exceptions", filepath.Join(dir, "gone.toml"), "alert_stdout", "on", "state_path", t.TempDir()), newTestHost(), Where{})
	if err == nil || !strings.Contains(err.Error(), "property exceptions") || !strings.Contains(err.Error(), "gone.toml") {
		t.Errorf("exceptions that are not there: %v", err)
	}
}

// TestLoadedNotes: what does not run although it is configured is in the log.
func TestLoadedNotes(t *testing.T) {
	dir := t.TempDir()
	rules, file := filepath.Join(dir, "rules"), filepath.Join(dir, "except.toml")
	if err := os.Mkdir(rules, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(rules, "a.toml"), ruleText("Other", "event.dataset: other"))
	put(t, filepath.Join(rules, "b.toml"), strings.NewReplacer("[rule]\n", "[rule]\nenabled = false\n", "\"reloaded\"", "\"sleeper\"").Replace(ruleText("Sleeper", "event.dataset: app")))
	put(t, file, exceptionOf+"name = \"old\"\nexpires = \"2020-01-01\"\n")
	s := settings{"rules": rules, "alert_stdout": "on"}
	_, h := openDetector(t, s.with("exceptions", file, "state_path", ""))
	if !h.logged("1 rule disabled", "Sleeper") || !h.logged("except.toml", "old", "expired at 2020-01-01T00:00:00Z") {
		t.Errorf("log %q", h.lines)
	}
}

// TestInsecure: protection that is switched off is said at the start, and what
// is wrong with a file of TLS is blamed on its own property.
func TestInsecure(t *testing.T) {
	s := inlineSettings.with("alert_stdout", "on", "alert_forward", "tls://127.0.0.1:1")
	_, h := openDetector(t, s.with("state_path", ""))
	if h.logged("tls_verify") || h.logged("skip_verify") {
		t.Errorf("log %q", h.lines)
	}
	_, h = openDetector(t, s.with("state_path", "", "alert_forward_tls_verify", "off", "state_store", "rediss://127.0.0.1:1?skip_verify=on&timeout=10ms"))
	if !h.logged("alert_forward_tls_verify is off") || !h.logged("skip_verify is on in state_store") {
		t.Errorf("log %q", h.lines)
	}
	bad := filepath.Join(t.TempDir(), "bad.pem")
	put(t, bad, "no PEM")
	for property, s := range map[string]settings{
		"alert_forward_tls_ca_file":  s.with("alert_forward_tls_ca_file", bad),
		"alert_forward_tls_crt_file": s.with("alert_forward_tls_crt_file", bad+".gone", "alert_forward_tls_key_file", bad),
		"alert_forward_tls_key_file": s.with("alert_forward_tls_crt_file", bad, "alert_forward_tls_key_file", bad+".gone"),
		"state_store: parameter ca":  s.with("state_store", "rediss://127.0.0.1:1?ca="+bad),
	} {
		_, err := Open(&Registry{}, s.with("state_path", t.TempDir()), newTestHost(), Where{})
		if err == nil || !strings.Contains(err.Error(), "property "+property) {
			t.Errorf("%s: %v", property, err)
		}
	}
}

// TestIdle: no event for a time is one warning, and its end is said.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHost()
		i := newIdle(h, 15*time.Minute)
		look := func(events uint64, d time.Duration, lines int) {
			t.Helper()
			for range int(d / time.Minute) {
				time.Sleep(time.Minute)
				i.look(events)
			}
			if len(h.lines) != lines {
				t.Errorf("log %q, want %d lines", h.lines, lines)
			}
		}
		look(0, 14*time.Minute, 0)
		look(0, time.Hour, 1)
		look(1, time.Minute, 2)
		look(1, 14*time.Minute, 2)
		if at := time.UnixMilli(int64(i.last() * 1000)); time.Since(at) != 14*time.Minute {
			t.Errorf("the last event is said to be of %s ago", time.Since(at))
		}
		look(1, time.Minute, 3)
		off := newIdle(h, 0)
		time.Sleep(24 * time.Hour)
		if off.look(0); len(h.lines) != 3 {
			t.Errorf("log %q", h.lines)
		}
	})
}

// TestUnfed: an input whose rules fit no rule is said, once.
func TestUnfed(t *testing.T) {
	reg := &Registry{}
	for tag, rules := range map[string]string{"a.x": "new *", "a.y": "nothing like it"} {
		in, err := OpenInput(reg, settings{"rules": rules}, newTestHost(), InputWhere{Tag: tag})
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
	}
	d, h := openDetectorIn(t, reg, inlineSettings.with("alert_stdout", "on", "state_path", ""))
	d.joined = d.joined.Add(-unfedAfter)
	d.logUnfed()
	d.logUnfed()
	n := slices.IndexFunc(h.lines, func(line string) bool { return strings.Contains(line, `"a.y" gets nothing`) })
	if n < 0 || h.logged(`"a.x" gets nothing`) || strings.Count(strings.Join(h.lines, "\n"), "gets nothing") != 1 {
		t.Errorf("log %q", h.lines)
	}
}

// TestPropertiesAreDocumented holds the properties and the tables of
// conf/README.md together.
func TestPropertiesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../conf/README.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(string(text), -1)
	documented := make(map[string]bool)
	for _, row := range tables {
		for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[1], -1) {
			documented[name[1]] = true
		}
	}
	for _, name := range slices.Concat(Properties(), InputProperties()) {
		if !documented[name] {
			t.Errorf("conf/README.md has no row for %s", name)
		}
	}
	own := regexp.MustCompile(`^(alert_|state_|max_|new_terms|history_|rule_name|risk_)`)
	for name := range documented {
		if own.MatchString(name) && !slices.Contains(Properties(), name) {
			t.Errorf("conf/README.md documents %s, which is no property", name)
		}
	}
}

// TestDeadRules: a rule that cannot fire on what the mapping gives is in the log,
// with what to do; rules that can are not.
func TestDeadRules(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.toml"), ruleText("Cloud", "event.dataset: aws.cloudtrail"))
	s := settings{"rules": dir, "alert_stdout": "on", "state_path": ""}
	if _, h := openDetector(t, s.with("mapping", "kubernetes_audit")); !h.logged("1 rule cannot fire", "no loaded mapping gives events of aws.cloudtrail", "Add aws_cloudtrail to mapping", "Cloud") {
		t.Errorf("log %q", h.lines)
	}
	for _, mapping := range []string{"auto", "ecs", "aws_cloudtrail"} {
		if _, h := openDetector(t, s.with("mapping", mapping)); h.logged("cannot fire") {
			t.Errorf("%s: log %q", mapping, h.lines)
		}
	}
}
