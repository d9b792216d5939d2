package engine

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

const shared = "../../../shared/data"

// expectation is one line of the reference data: an alert that must come.
type expectation struct {
	RuleID   string `json:"rule_id"`
	NewTerms []any  `json:"new_terms"`
	Line     int    `json:"line"`
}

func (e expectation) String() string {
	terms, _ := json.Marshal(e.NewTerms)
	return fmt.Sprintf("%d %s %s", e.Line, e.RuleID, terms)
}

// sharedFile returns a file of the reference data, and skips the test where
// there is none.
func sharedFile(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(shared, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("reference data is not here: %v", err)
	}
	return path
}

func gunzip(t testing.TB, path string) [][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
}

func expectations(t testing.TB, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e expectation
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		out = append(out, e.String())
	}
	slices.Sort(out)
	return out
}

// kubernetesRules are the seed rule and the public ones that the reference
// data was made with.
func kubernetesRules(t testing.TB) []*rule.Rule {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared, "rules", "*.toml"))
	if err != nil || len(files) == 0 {
		t.Skip("the public rules are not here")
	}
	spec := []string{"../../conf/rules"}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("logs-kubernetes.audit_logs-")) {
			spec = append(spec, f)
		}
	}
	set, err := rule.Load(spec, rule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Rules) != 9 {
		t.Fatalf("%d Kubernetes rules, want 9", len(set.Rules))
	}
	return set.Rules
}

// replayed runs lines through an engine that forgets nothing, and returns the
// alerts as expectations.
func replayed(t testing.TB, rules []*rule.Rule, lines [][]byte) []string {
	t.Helper()
	var out []string
	e := New(Options{
		EventTime:  true,
		TimeFields: []string{"kubernetes.audit.requestReceivedTimestamp", "@timestamp"},
		Source:     func(i int) map[string]any { return map[string]any{"line": i + 1} },
		Alert: func(a *Alert) {
			var doc struct {
				RuleID   string `json:"kibana.alert.rule.rule_id"`
				Terms    []any  `json:"kibana.alert.new_terms"`
				Newterms struct{ Line int }
			}
			if err := json.Unmarshal(a.Body, &doc); err != nil {
				t.Errorf("alert is not JSON: %v", err)
			}
			out = append(out, expectation{doc.RuleID, doc.Terms, doc.Newterms.Line}.String())
		},
		Skip: func(i int, err error) { t.Errorf("line %d passed over: %v", i+1, err) },
	}, seen.OpenMemory(seen.Options{}))
	if _, err := e.SetRules(rules); err != nil {
		t.Fatal(err)
	}
	for from := 0; from < len(lines); from += 500 {
		b := e.NewBatch()
		for i := from; i < min(from+500, len(lines)); i++ {
			_ = b.Line(lines[i], 0, i)
		}
		if err := b.End("test"); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Finish(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("missing alert: %s", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("alert too many: %s", g)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d alerts, want %d", len(got), len(want))
	}
}

// TestClusterA runs a real cluster's audit log through the nine Kubernetes
// rules, raw and in every wrapping, and wants exactly the reference's alerts.
func TestClusterA(t *testing.T) {
	rules := kubernetesRules(t)
	lines := gunzip(t, sharedFile(t, "k8s-audit/cluster-a.jsonl.gz"))
	want := expectations(t, sharedFile(t, "k8s-audit/cluster-a.expected.jsonl"))
	text := func(line []byte) string {
		s, _ := json.Marshal(string(line))
		return string(s)
	}
	wrappings := []struct {
		name string
		wrap func(line []byte) string
	}{
		{"raw", func(l []byte) string { return string(l) }},
		{"list", func(l []byte) string {
			return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[` + string(l) + `]}`
		}},
		{"text under log", func(l []byte) string { return `{"stream":"stdout","log":` + text(l) + `}` }},
		{"map under log", func(l []byte) string { return `{"stream":"stdout","log":` + string(l) + `}` }},
		{"AKS with text", func(l []byte) string {
			return `{"category":"kube-audit","operationName":"x","resourceId":"/y","time":"2026-01-01T00:00:00Z","properties":{"log":` + text(l) + `}}`
		}},
		{"AKS with a map", func(l []byte) string {
			return `{"category":"kube-audit","operationName":"x","resourceId":"/y","time":"2026-01-01T00:00:00Z","properties":{"log":` + string(l) + `}}`
		}},
		{"AKS export", func(l []byte) string {
			return `{"records":[{"category":"kube-audit","operationName":"x","resourceId":"/y","time":"2026-01-01T00:00:00Z","properties":{"log":` + text(l) + `}}]}`
		}},
		{"list as text", func(l []byte) string {
			return `{"message":` + text([]byte(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[`+string(l)+`]}`)) + `}`
		}},
		{"agent", func(l []byte) string { return `{"kubernetes":{"audit":` + string(l) + `}}` }},
	}
	for _, w := range wrappings {
		t.Run(w.name, func(t *testing.T) {
			wrapped := make([][]byte, len(lines))
			for i, l := range lines {
				wrapped[i] = []byte(w.wrap(l))
			}
			compare(t, replayed(t, rules, wrapped), want)
		})
	}
}

// TestWebhook runs the bodies that an API server posted to its audit webhook.
func TestWebhook(t *testing.T) {
	rules := kubernetesRules(t)
	lines := gunzip(t, sharedFile(t, "k8s-audit/webhook.jsonl.gz"))
	compare(t, replayed(t, rules, lines), expectations(t, sharedFile(t, "k8s-audit/webhook.expected.jsonl")))
}
