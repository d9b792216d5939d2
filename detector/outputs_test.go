package detector

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// TestRestartDelivers: alerts that did not leave leave at the next start, with
// the same uuid.
func TestRestartDelivers(t *testing.T) {
	dir := t.TempDir()
	rules := filepath.Join(dir, "a.toml")
	put(t, rules, ruleText("Rule", "event.dataset: app"))
	s := settings{"rules": rules, "learn": "off", "state_path": filepath.Join(dir, "state")}
	d, _ := openDetector(t, s.with("alert_forward", "tcp://127.0.0.1:1"))
	d.Flush("kube.audit", chunkOf(time.Now(), "a", "b"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "alerts")
	d, h := openDetector(t, s.with("alert_file", out))
	eventually(t, "both have left", func() bool { return len(linesOf(t, out)) == 2 })
	d.Flush("kube.audit", chunkOf(time.Now(), "a", "b"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if !h.logged("2 alerts to deliver") || len(linesOf(t, out)) != 2 {
		t.Errorf("log %q, alerts %q", h.lines, linesOf(t, out))
	}
	_, h = openDetector(t, s.with("alert_file", out))
	if !h.logged("0 alerts to deliver") {
		t.Errorf("log %q", h.lines)
	}
}

// TestInput: an alerts input takes the alerts of its rules and severities, and
// again until they are handed over.
func TestInput(t *testing.T) {
	reg := &Registry{}
	dir := t.TempDir()
	rules := filepath.Join(dir, "a.toml")
	put(t, rules, ruleText("Rule", "event.dataset: app"))
	in, err := OpenInput(reg, settings{"rules": "relo*", "min_severity": "low"}, newTestHost(), InputWhere{Tag: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	d, _ := openDetectorIn(t, reg, settings{"rules": rules, "learn": "off"})
	if b := in.Collect(); b != nil {
		t.Fatalf("%d bytes before there is an alert", len(b))
	}
	d.Flush("kube.audit", chunkOf(time.Now(), "a"))
	var records []byte
	eventually(t, "an alert", func() bool { records = in.Collect(); return records != nil })
	if again := in.Collect(); string(again) != string(records) {
		t.Error("not the same until it is handed over")
	}
	in.HandedOver()
	if b := in.Collect(); b != nil {
		t.Error("it comes again")
	}
	// The alert is a record that an engine can read.
	r, err := rule.Inline(rule.InlineConfig{Query: "kibana.alert.rule.rule_id: reloaded", NewTermsFields: "user.name", HistoryWindow: "7d"})
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(engine.Options{}, seen.OpenMemory(seen.Options{}))
	if _, err := e.SetRules([]*rule.Rule{r}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Chunk("alerts", records); err != nil || e.Counts().Matched.Load() != 1 {
		t.Errorf("%v, %d matches", err, e.Counts().Matched.Load())
	}
}

// TestInputsOfOthers: an input that could loop is refused, an input of no rule
// leaves alerts with nowhere to go, and one with a bad severity says so.
func TestInputRefused(t *testing.T) {
	reg := &Registry{}
	if _, err := OpenInput(reg, settings{"min_severity": "hgih"}, newTestHost(), InputWhere{}); err == nil || !strings.Contains(err.Error(), "property min_severity") {
		t.Errorf("a severity that is none: %v", err)
	}
	dir := t.TempDir()
	rules := filepath.Join(dir, "a.toml")
	put(t, rules, ruleText("Rule", "event.dataset: app"))
	s := settings{"rules": rules, "state_path": filepath.Join(dir, "state")}
	in, err := OpenInput(reg, settings{"rules": "other"}, newTestHost(), InputWhere{Tag: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(reg, s, newTestHost(), Where{Match: "kube.*"}); err == nil || !strings.Contains(err.Error(), `rule "Rule"`) || !strings.Contains(err.Error(), "nowhere to go") {
		t.Errorf("no input takes the rule: %v", err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if in, err = OpenInput(reg, settings{}, newTestHost(), InputWhere{Tag: "kube.alerts"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(reg, s, newTestHost(), Where{Match: "kube.*"}); err == nil || !strings.Contains(err.Error(), "alerts would raise alerts") {
		t.Errorf("a loop: %v", err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	openDetectorIn(t, reg, s.with("alert_stdout", "on"))
	if _, err := OpenInput(reg, settings{}, newTestHost(), InputWhere{Tag: "kube.x"}); err == nil || !strings.Contains(err.Error(), "narrower Match") {
		t.Errorf("a loop, the input last: %v", err)
	}
}

// TestLoopByTag: where the Match is not known, alerts that come back are passed
// over.
func TestLoopByTag(t *testing.T) {
	reg := &Registry{}
	in, err := OpenInput(reg, settings{}, newTestHost(), InputWhere{Tag: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	h := newTestHost()
	d, err := Open(reg, inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name",
		"state_path", filepath.Join(t.TempDir(), "s")), h, Where{Instance: "newterms.0"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.Flush("alerts", chunkOf(time.Now(), "a"))
	d.Flush("others", chunkOf(time.Now(), "a"))
	if n := d.engine.Counts().Records.Load(); n != 1 || !h.logged("its own alerts come back") {
		t.Errorf("%d records read, want 1; log %q", n, h.lines)
	}
}

// TestMetrics: the totals reach the host.
func TestMetrics(t *testing.T) {
	out := filepath.Join(t.TempDir(), "alerts")
	d, h := openDetector(t, inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off", "alert_file", out))
	d.Flush("kube.audit", chunkOf(time.Now(), "a", "b", "a"))
	d.Flush("kube.audit", []byte{0xc1})
	d.metrics.update()
	d.metrics.update()
	for name, want := range map[string]float64{"records_total": 3, "events_total": 3, "matches_total": 3, "alerts_total": 2,
		"malformed_chunks_total": 1, "known_tuples": 2, "rules": 1} {
		if got := h.value(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}
