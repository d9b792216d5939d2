package match

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/rule"
)

func TestIndexAllows(t *testing.T) {
	tests := []struct {
		name     string
		patterns []string
		ds       stream
		want     bool
	}{
		{"no patterns", nil, stream{"logs", "a.b", "default"}, true},
		{"no data stream", []string{"logs-a.b-*"}, stream{}, true},
		{"the stream itself", []string{"logs-a.b-*"}, stream{"logs", "a.b", "default"}, true},
		{"any namespace", []string{"logs-a.b-*"}, stream{"logs", "a.b", "prod"}, true},
		{"a pattern without the namespace", []string{"logs-endpoint.events.process*"}, stream{"logs", "endpoint.events.process", "x"}, true},
		{"a family of data sets", []string{"logs-endpoint.events.*"}, stream{"logs", "endpoint.events.file", "x"}, true},
		{"another data set", []string{"logs-a.b-*"}, stream{"logs", "a.c", "default"}, false},
		{"a longer name", []string{"logs-a.b-*"}, stream{"logs", "a.bc", "default"}, false},
		{"another type", []string{"logs-a.b-*"}, stream{"metrics", "a.b", "default"}, false},
		{"one of several", []string{"logs-x-*", "logs-a.b-*"}, stream{"logs", "a.b", "default"}, true},
		{"taken out again", []string{"logs-*", "-logs-a.b-*"}, stream{"logs", "a.b", "default"}, false},
		{"another cluster", []string{"east:logs-a.b-*"}, stream{"logs", "a.b", "default"}, true},
		{"event.dataset alone", []string{"logs-a.b-*"}, stream{"", "a.b", ""}, true},
		{"event.dataset of something else", []string{"logs-a.b-*"}, stream{"", "a.c", ""}, false},
		{"event.dataset, as Beats write it", []string{"filebeat-*", "logs-a.c-*"}, stream{"", "a.b", ""}, true},
		{"Beats, but a data stream", []string{"filebeat-*"}, stream{"logs", "a.b", "default"}, false},
		{"only alerts", []string{".alerts-security.*"}, stream{"logs", "a.b", "default"}, false},
		{"everything", []string{"*"}, stream{"traces", "a", "b"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := indexAllows(tt.patterns, tt.ds); got != tt.want {
				t.Errorf("indexAllows(%q, %v) = %v, want %v", tt.patterns, tt.ds, got, tt.want)
			}
		})
	}
}

// sharedRules loads every rule of the reference data.
func sharedRules(t testing.TB) []*rule.Rule {
	t.Helper()
	set, err := rule.Load([]string{sharedFile(t, "rules")}, rule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range set.Warnings {
		t.Errorf("warning: %v", w)
	}
	if len(set.Rules) != 144 {
		t.Fatalf("%d rules, want 144", len(set.Rules))
	}
	return set.Rules
}

// TestPublicIndexes checks that each public rule sees the documents of the
// integrations that it names, as they come with data_stream, with event.dataset
// alone, and with neither.
func TestPublicIndexes(t *testing.T) {
	streams := map[string]stream{ // what a pattern of the rules stands for
		"logs-kubernetes.audit_logs-*": {"logs", "kubernetes.audit_logs", "default"},
		"logs-aws.cloudtrail-*":        {"logs", "aws.cloudtrail", "prod"},
		"logs-aws.cloudtrail*":         {"logs", "aws.cloudtrail", "prod"},
		"logs-endpoint.events.*":       {"logs", "endpoint.events.network", "default"},
		"logs-system.security*":        {"logs", "system.security", "default"},
		"logs-okta*":                   {"logs", "okta.system", "default"},
		"logs-zeek.*":                  {"logs", "zeek.dns", "default"},
		"logs-gcp.audit-*":             {"logs", "gcp.audit", "default"},
		"logs-panw.panos*":             {"logs", "panw.panos", "default"},
	}
	met := make(map[string]bool)
	for _, r := range sharedRules(t) {
		for _, p := range r.Index {
			ds, ok := streams[p]
			if !ok {
				continue
			}
			met[p] = true
			if !indexAllows(r.Index, ds) {
				t.Errorf("%s: %q shuts out %v", r.Name, r.Index, ds)
			}
			if !indexAllows(r.Index, stream{dataset: ds.dataset}) {
				t.Errorf("%s: %q shuts out event.dataset %s", r.Name, r.Index, ds.dataset)
			}
		}
		if !indexAllows(r.Index, stream{}) {
			t.Errorf("%s: %q shuts out a document without a data stream", r.Name, r.Index)
		}
		if len(r.Index) > 0 && indexAllows(r.Index, stream{"logs", "nobody.has_this", "default"}) {
			t.Errorf("%s: %q lets through any data stream", r.Name, r.Index)
		}
	}
	if len(met) != len(streams) {
		t.Errorf("patterns met: %v, want all of %v", slices.Sorted(maps.Keys(met)), slices.Sorted(maps.Keys(streams)))
	}
}

// TestAllRules runs the documents of the reference verdicts through all 144
// rules in one instance. The index, which tries only the rules that a
// document's values can match, must find what trying every rule finds; and the
// rule that a verdict is on must match as it says.
func TestAllRules(t *testing.T) {
	var rules []*rule.Rule
	for _, r := range sharedRules(t) {
		c := *r
		c.MissingFields = rule.NullTerm // every match yields a tuple
		rules = append(rules, &c)
	}
	number := make(map[string]int32)
	for i, r := range rules {
		number[r.ID] = int32(i)
	}
	set := compiled(t, Options{TimeFields: []string{"@timestamp"}}, rules...)
	naive := &group{}
	for i := range rules {
		naive.always = append(naive.always, candidate{int32(i), set.list[i].pred})
	}
	decide := func(*Batch) { t.Fatal("flushed early") }
	indexed, plain := set.NewWorker(nil), set.NewWorker(nil)
	indexed.decide, plain.decide = decide, decide
	matches := func(p *Worker, line []byte, naive *group) []int32 {
		p.Begin(time.Now())
		p.streams.lastIs = nil
		if naive != nil {
			p.streams.groups = map[stream]*group{}
		}
		h := mapping.Handler(p)
		if naive != nil {
			h = tryAll{p, naive}
		}
		if err := p.reader.Line(line, 1e18, 0, h); err != nil {
			t.Fatal(err)
		}
		var out []int32
		for i := range p.batch.Combinations {
			out = append(out, p.batch.Combinations[i].Rule)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	tried, matched := 0, 0
	for _, line := range gunzip(t, sharedFile(t, "kql/verdicts.jsonl.gz")) {
		var v struct {
			RuleID string          `json:"rule_id"`
			Doc    json.RawMessage `json:"doc"`
			Match  bool            `json:"match"`
		}
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		got, want := matches(indexed, v.Doc, nil), matches(plain, v.Doc, naive)
		// A verdict is on the query alone: filters can only take away.
		if i, ok := number[v.RuleID]; ok && !(v.Match && rules[i].Raw["filters"] != nil) {
			tried++
			if slices.Contains(want, i) != v.Match {
				t.Errorf("%s: match is %v, want %v, for %s", rules[i].Name, !v.Match, v.Match, v.Doc)
			}
		}
		// The index also gates by data stream.
		if text := streamOf(v.Doc); text != (stream{}) {
			want = slices.DeleteFunc(want, func(i int32) bool { return !indexAllows(rules[i].Index, text) })
		}
		if !slices.Equal(got, want) {
			t.Errorf("the index finds rules %v, trying each finds %v, for %s", got, want, v.Doc)
		}
		matched += len(got)
	}
	if tried < 5000 || matched < 1000 {
		t.Errorf("%d verdicts tried, %d matches: too few to mean anything", tried, matched)
	}
}

// tryAll tries every rule on every event.
type tryAll struct {
	p *Worker
	g *group
}

func (h tryAll) Event(ev *mapping.Event) {
	h.p.memo.Reset()
	h.p.eventNumber = -1
	for i := range h.g.always {
		h.p.try(&h.g.always[i], ev)
	}
}

// streamOf reads the data stream of a document, naively.
func streamOf(doc []byte) (ds stream) {
	var m map[string]any
	if json.Unmarshal(doc, &m) != nil {
		return ds
	}
	text := func(path ...string) string {
		var val any = m
		for _, name := range path {
			o, _ := val.(map[string]any)
			val = o[name]
		}
		if list, ok := val.([]any); ok && len(list) > 0 {
			val = list[0]
		}
		s, _ := val.(string)
		return s
	}
	if ds.dataset = text("data_stream", "dataset"); ds.dataset != "" {
		ds.typ, ds.namespace = text("data_stream", "type"), text("data_stream", "namespace")
		if ds.typ == "" {
			ds.typ = "logs"
		}
		return ds
	}
	ds.dataset = text("event", "dataset")
	return ds
}

// TestIndexOfNumbers: a rule that is filed under a literal is found by a value
// of any type whose text is that literal, and is tried once an event.
func TestIndexOfNumbers(t *testing.T) {
	var rules []*rule.Rule
	for i := range 20 {
		r, err := rule.Inline(rule.InlineConfig{
			RuleID: fmt.Sprint(i), Query: fmt.Sprintf("code: (%d or %d)", i, i+1), NewTermsFields: "user", HistoryWindow: "1d",
		})
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, r)
	}
	w := compiled(t, Options{TimeFields: []string{"@timestamp"}}, rules...).NewWorker(nil)
	w.Begin(time.Now())
	for _, line := range [][]byte{
		[]byte(`{"@timestamp":"2026-03-01T00:00:00Z","code":7,"user":"a"}`),
		[]byte(`{"@timestamp":"2026-03-01T00:00:00Z","code":["7",8],"user":"b"}`),
	} {
		if err := w.Line(line, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.Counts().Matched; got != 2+3 {
		t.Errorf("%d matches, want 5: rules 6 and 7, then 6, 7 and 8", got)
	}
}
