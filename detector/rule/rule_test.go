package rule

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

const (
	sampleTOML = `[rule]
rule_id = "one"
name = "One rule"
description = "What it finds."
type = "new_terms"
language = "kuery"
severity = "high"
risk_score = 73
index = ["logs-*"]
tags = ["a"]
from = "now-9m"
interval = "10m"
max_signals = 50
timestamp_override = "event.ingested"
building_block_type = "default"
query = '''
event.category: authentication
  and  event.outcome:(success OR failure)
'''

[[rule.filters]]
[rule.filters.meta]
negate = true
[rule.filters.query.wildcard."file.path"]
case_insensitive = true
value = "c:\\\\windows\\\\*"

[rule.alert_suppression]
group_by = ["user.name"]
missing_fields_strategy = "doNotSuppress"
duration = { value = 5, unit = "h" }

[[rule.severity_mapping]]
field = "event.severity"
operator = "equals"
value = "3"
severity = "critical"

[[rule.risk_score_mapping]]
field = "event.risk_score"
operator = "equals"
value = ""

[[rule.threat]]
framework = "MITRE ATT&CK"
[rule.threat.tactic]
id = "TA0001"

[rule.newterms]
missing_fields = "null"
learn = "off"
max_terms = 10
max_alerts = 5

[rule.new_terms]
field = "new_terms_fields"
value = ["user.name", "source.ip"]
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-10d"
`
	sampleJSON = `{"id":"x","updated_at":"2026-01-01T00:00:00Z","rule_id":"one","name":"One rule","description":"What it finds.","type":"new_terms","language":"kuery","severity":"high","risk_score":73,"index":["logs-*"],"tags":["a"],"from":"now-9m","interval":"10m","max_signals":50,"timestamp_override":"event.ingested","building_block_type":"default","query":"event.category: authentication and event.outcome: (success or failure)","filters":[{"meta":{"negate":true},"query":{"wildcard":{"file.path":{"case_insensitive":true,"value":"c:\\\\windows\\\\*"}}}}],"alert_suppression":{"group_by":["user.name"],"missing_fields_strategy":"doNotSuppress","duration":{"value":5,"unit":"h"}},"severity_mapping":[{"field":"event.severity","operator":"equals","value":"3","severity":"critical"}],"risk_score_mapping":[{"field":"event.risk_score","operator":"equals","value":""}],"threat":[{"framework":"MITRE ATT&CK","tactic":{"id":"TA0001"}}],"newterms":{"missing_fields":"null","learn":"off","max_terms":10,"max_alerts":5},"new_terms_fields":["user.name","source.ip"],"history_window_start":"now-10d"}`
)

func parseOne(t *testing.T, name, text string) *Rule {
	t.Helper()
	set, err := Parse(name, []byte(text), Options{})
	if err != nil || len(set.Warnings) > 0 || len(set.Rules) != 1 {
		t.Fatalf("%s: %d rules, warnings %v, error %v", name, len(set.Rules), set.Warnings, err)
	}
	return set.Rules[0]
}

// TestForms reads one rule in the repository's form and in Kibana's: all but
// the place and the layout of the query must agree.
func TestForms(t *testing.T) {
	a, b := parseOne(t, "a.toml", sampleTOML), parseOne(t, "b.ndjson", sampleJSON)
	if a.Fingerprint() != b.Fingerprint() {
		t.Errorf("the fingerprints differ: %s and %s", a.Filter, b.Filter)
	}
	off := time.Duration(0)
	want := &Rule{
		ID: "one", Name: "One rule", Description: "What it finds.", Severity: "high", RiskScore: 73,
		Type: "new_terms", Language: "kuery", Enabled: true, Tags: []string{"a"}, Index: []string{"logs-*"},
		Threat: []any{map[string]any{"framework": "MITRE ATT&CK", "tactic": map[string]any{"id": "TA0001"}}},
		Terms:  []string{"user.name", "source.ip"}, Window: 10 * day, HistoryWindowStart: "now-10d",
		TimestampOverride: "event.ingested", MaxSignals: 50, Interval: 10 * time.Minute,
		From: "now-9m", Lookback: 9 * time.Minute,
		Suppression:      &Suppression{GroupBy: []string{"user.name"}, Duration: 5 * time.Hour, MissingFields: DoNotSuppressMissing},
		BuildingBlock:    "default",
		SeverityMapping:  []SeverityMapping{{"event.severity", "3", "critical"}},
		RiskScoreMapping: []RiskScoreMapping{{Field: "event.risk_score"}},
		MissingFields:    NullTerm, Learn: &off, MaxTerms: 10, MaxAlerts: 5,
	}
	for _, r := range []*Rule{a, b} {
		if r.Source.Line != 1 {
			t.Errorf("the source is %v", r.Source)
		}
		got := *r
		got.Source, got.Raw, got.Query, got.Filter = Position{}, nil, "", nil
		if !reflect.DeepEqual(&got, want) {
			t.Errorf("got  %+v\nwant %+v", &got, want)
		}
	}
	const filter = `event.category: authentication and event.outcome: (success or failure) and not wildcard(file.path, "c:\\\\windows\\\\*", case_insensitive)`
	if got := a.Filter.String(); got != filter {
		t.Errorf("the filter is %s, want %s", got, filter)
	}

	// What Kibana calls rule.parameters must agree too, as JSON.
	for _, key := range []string{"id", "updated_at", "newterms", "new_terms"} {
		if a.Raw[key] != nil || b.Raw[key] != nil {
			t.Errorf("%s is among the parameters", key)
		}
	}
	a.Raw["query"] = b.Raw["query"]
	ja, err := numbers.Marshal(a.Raw)
	if err != nil {
		t.Fatal(err)
	}
	jb, _ := numbers.Marshal(b.Raw)
	var va, vb any
	if err := numbers.Unmarshal(ja, &va); err != nil {
		t.Fatal(err)
	}
	if err := numbers.Unmarshal(jb, &vb); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(va, vb) {
		t.Errorf("the parameters differ:\n%s\n%s", ja, jb)
	}
}

// TestFormsInline reads one rule in all three forms.
func TestFormsInline(t *testing.T) {
	const query = `a: "b c" and (d: e* or not f >= 3)`
	inTOML := parseOne(t, "a.toml", fmt.Sprintf("[rule]\nrule_id='r'\nname='n'\ntype='new_terms'\nquery='''\n%s\n'''\nnew_terms_fields=['x','y']\nhistory_window_start='now-7d'", query))
	inJSON := parseOne(t, "a.ndjson", fmt.Sprintf(`{"rule_id":"r","name":"n","type":"new_terms","query":%q,"new_terms_fields":["x","y"],"history_window_start":"now-7d"}`, query))
	inline, err := Inline(InlineConfig{Query: "\n  " + query, NewTermsFields: "x , y", HistoryWindow: "168h"})
	if err != nil {
		t.Fatal(err)
	}
	if inTOML.Fingerprint() != inJSON.Fingerprint() || inJSON.Fingerprint() != inline.Fingerprint() {
		t.Errorf("the fingerprints differ: %s %s %s", inTOML.Fingerprint(), inJSON.Fingerprint(), inline.Fingerprint())
	}
	if inline.Window != inTOML.Window || inline.HistoryWindowStart != "now-7d" {
		t.Errorf("the windows differ: %v and %v (%s)", inTOML.Window, inline.Window, inline.HistoryWindowStart)
	}
}

// TestFingerprint checks what the memory depends on, and what it does not.
func TestFingerprint(t *testing.T) {
	base := inlineRule(t, InlineConfig{})
	same := map[string]*Rule{
		"name, severity, score": inlineRule(t, InlineConfig{RuleName: "other", Severity: "high", RiskScore: "3"}),
		"window and interval":   inlineRule(t, InlineConfig{HistoryWindow: "5d", Interval: "1m"}),
		"layout":                inlineRule(t, InlineConfig{Query: "a :\n\tb"}),
		"repetition":            inlineRule(t, InlineConfig{Query: "a: b and a: b"}),
		"id":                    inlineRule(t, InlineConfig{RuleID: "mine"}),
	}
	for name, r := range same {
		if r.Fingerprint() != base.Fingerprint() {
			t.Errorf("%s changes the fingerprint", name)
		}
	}
	null := *base
	null.MissingFields = NullTerm
	other := map[string]*Rule{
		"query":               inlineRule(t, InlineConfig{Query: "a: c"}),
		"quotes":              inlineRule(t, InlineConfig{Query: `a: "b"`}),
		"a field more":        inlineRule(t, InlineConfig{NewTermsFields: "x,y,z"}),
		"the order of fields": inlineRule(t, InlineConfig{NewTermsFields: "y,x"}),
		"fields run together": inlineRule(t, InlineConfig{NewTermsFields: "xy"}),
		"missing fields":      &null,
	}
	for name, r := range other {
		if r.Fingerprint() == base.Fingerprint() {
			t.Errorf("%s leaves the fingerprint as it is", name)
		}
	}
	if base.ID == other["query"].ID || base.ID != same["name, severity, score"].ID {
		t.Error("the id of an inline rule must follow its query, and only that and its fields")
	}
}

// inlineRule makes an inline rule of which the test says only what matters.
func inlineRule(t *testing.T, c InlineConfig) *Rule {
	t.Helper()
	if c.Query == "" {
		c.Query = "a: b"
	}
	if c.NewTermsFields == "" {
		c.NewTermsFields = "x,y"
	}
	if c.HistoryWindow == "" {
		c.HistoryWindow = "10d"
	}
	r, err := Inline(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestShippedRules checks the rules that we ship ourselves.
func TestShippedRules(t *testing.T) {
	set, err := Load([]string{"../../conf/rules", "../../conf/rules/_pack"}, Options{})
	if err != nil || len(set.Warnings) > 0 || len(set.Skipped) > 0 {
		t.Fatalf("error %v, warnings %v, skipped %v", err, set.Warnings, set.Skipped)
	}
	if len(set.Rules) < 21 {
		t.Errorf("%d rules", len(set.Rules))
	}
	var seed *Rule
	for _, r := range set.Rules {
		if r.ID == "seed" {
			seed = r
		}
		if r.Description == "" || r.Note == "" || len(r.Threat) == 0 {
			t.Errorf("%s: a rule that we ship has a description, a note and a threat", r.Source)
		}
	}
	if seed == nil {
		t.Fatal("there is no rule seed")
	}
	const query = `host.os.type: "linux" and event.dataset: "kubernetes.audit_logs" and kubernetes.audit.stage: "ResponseComplete" and user_agent.original: *`
	terms := []string{"kubernetes.audit.annotations.authorization_k8s_io/decision", "kubernetes.audit.user.username", "user_agent.original"}
	if seed.Filter.String() != query || !reflect.DeepEqual(seed.Terms, terms) || seed.Window != 10*day ||
		seed.Severity != "low" || seed.RiskScore != 21 || seed.Interval != 5*time.Minute || seed.MaxSignals != 100 ||
		seed.Name != "Kubernetes Unusual Decision by User Agent" {
		t.Errorf("the rule seed is %+v", seed)
	}
	// Pinned: a memory on disk is good for as long as this stays the same.
	const fingerprint = "f2d63a49020f1dfb7628ec77833e58eb"
	if seed.Fingerprint() != fingerprint {
		t.Errorf("the fingerprint of seed is %s, want %s", seed.Fingerprint(), fingerprint)
	}
}

// TestFolders checks which files a folder, a list and a mounted ConfigMap hold.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	write := func(name, id string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("[rule]\nrule_id='%s'\nname='n'\ntype='new_terms'\nquery='a: b'\nnew_terms_fields=['x']\nhistory_window_start='now-7d'", id)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("plain/b.toml", "b")
	write("plain/a.toml", "a")
	write("plain/below/c.TOML", "c")
	write("plain/readme.md", "not a rule")
	write("mount/..2026/d.toml", "d")
	write("with,comma/e.toml", "e")
	write("chosen/f.toml", "f")
	write("chosen/f.test.toml", "a test, no rule")
	write("chosen/_pack/g.toml", "g")
	write("chosen/_pack/h/i.toml", "i")
	write("chosen/_draft.toml", "draft")
	for link, target := range map[string]string{"mount/..data": "..2026", "mount/d.toml": "..data/d.toml", "linked": "plain"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for name, c := range map[string]struct {
		spec []string
		want []string
	}{
		"a folder, in order":         {[]string{"plain"}, []string{"a", "b", "c"}},
		"a linked folder":            {[]string{"linked"}, []string{"a", "b", "c"}},
		"a mounted ConfigMap":        {[]string{"mount"}, []string{"d"}},
		"a list":                     {[]string{"plain/b.toml, mount/d.toml"}, []string{"b", "d"}},
		"a comma in the name":        {[]string{"with,comma"}, []string{"e"}},
		"a glob":                     {[]string{"plain/*"}, []string{"a", "b", "c"}},
		"the same files twice":       {[]string{"plain/a.toml", "plain", "./plain/../plain/*.toml"}, []string{"a", "b", "c"}},
		"not what has an underscore": {[]string{"chosen"}, []string{"f"}},
		"nor by a glob":              {[]string{"chosen/*"}, []string{"f"}},
		"unless it is named":         {[]string{"chosen,chosen/_pack"}, []string{"f", "g", "i"}},
		"or named by a glob":         {[]string{"chosen/_*"}, []string{"draft", "g", "i"}},
		"a list with empty places":   {[]string{" plain/a.toml,, "}, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Load(c.spec, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range set.Rules {
				got = append(got, r.ID)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if _, err := Load(nil, Options{}); err == nil {
		t.Error("no rules at all are no error")
	}
}
