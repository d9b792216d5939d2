package fluentbit

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// Alert is what the tests look at in an alert.
type Alert struct {
	RuleID   string `json:"kibana.alert.rule.rule_id"`
	Severity string `json:"kibana.alert.severity"`
	Terms    []any  `json:"kibana.alert.new_terms"`
	UUID     string `json:"kibana.alert.uuid"`
	Newterms struct {
		Tag, Instance string
		Line          int
	}
}

func (a Alert) String() string {
	terms, _ := json.Marshal(a.Terms)
	return a.RuleID + " " + string(terms)
}

// Alerts reads alerts, one per line. A line that is still being written is not
// read.
func Alerts(t *testing.T, path string) []Alert {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return ParseAlerts(t, data[:bytes.LastIndexByte(data, '\n')+1])
}

func ParseAlerts(t *testing.T, data []byte) []Alert {
	t.Helper()
	var out []Alert
	for _, line := range bytes.Split(data, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var a Alert
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatalf("not an alert: %v: %.200s", err, line)
		}
		out = append(out, a)
	}
	return out
}

// Names returns the alerts as sorted text.
func Names(list []Alert) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.String()
	}
	slices.Sort(out)
	return out
}

// Same wants two lists of alerts to be equal.
func Same(t *testing.T, got, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("missing: %s", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("too many: %s", g)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d alerts, want %d", len(got), len(want))
	}
}

// Replayed returns the alerts that the command finds in the audit log.
func Replayed(t *testing.T, rules, file string) []string {
	t.Helper()
	out, err := exec.Command(Command, "replay", "--rules", rules, file).Output()
	if err != nil {
		t.Fatalf("replay: %v", err)
	}
	return Names(ParseAlerts(t, out))
}
