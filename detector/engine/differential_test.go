package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

const testWindow = 7 * 24 * time.Hour

// occurrence is an event of the differential tests: a user at a time.
type occurrence struct {
	user int
	at   time.Duration // since epoch
}

var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func (o occurrence) line() []byte {
	return fmt.Appendf(nil, `{"@timestamp":%q,"event":{"dataset":"app"},"user":{"name":"u%d"}}`,
		epoch.Add(o.at).Format(time.RFC3339Nano), o.user)
}

// drawStream draws events whose times grow, each up to late behind.
func drawStream(t *rapid.T, late time.Duration) []occurrence {
	n := rapid.IntRange(1, 60).Draw(t, "events")
	var out []occurrence
	now := 30 * 24 * time.Hour
	for range n {
		// Steps around the window's length are the ones that matter.
		now += rapid.SampledFrom([]time.Duration{
			0, time.Millisecond, time.Hour, testWindow / 2, testWindow - time.Millisecond, testWindow, testWindow + time.Millisecond,
		}).Draw(t, "step")
		at := now
		if late > 0 {
			at -= time.Duration(rapid.Int64Range(0, late.Milliseconds()).Draw(t, "late")) * time.Millisecond
		}
		out = append(out, occurrence{rapid.IntRange(0, 3).Draw(t, "user"), at})
	}
	return out
}

// alertLines runs events through an engine and returns the places of those
// that alert.
func alertLines(t testing.TB, stream []occurrence, size int) []int {
	t.Helper()
	var got []int
	var lines [][]byte
	for _, o := range stream {
		lines = append(lines, o.line())
	}
	place := 0
	e := newTestEngine(t, Options{
		MaxAlerts: -1,
		Source:    func(i int) map[string]any { place = i; return nil },
		Alert:     func(*Alert) { got = append(got, place) },
	}, []*rule.Rule{inlineRule(t, nil)}, seen.OpenMemory(seen.Options{}))
	if size == 1 {
		feed(t, e, lines, 0, 1)
		return got
	}
	// Alerts of a batch are handed over at its end, when place is the last's.
	got = nil
	e.opts.Alert = nil
	e.opts.Source = func(i int) map[string]any { got = append(got, i); return nil }
	feed(t, e, lines, 0, size)
	return got
}

// TestBatchDefinition compares the engine with what Elastic's rule means over
// data at rest: an event alerts when no event with its terms lies in the
// window before it. Events come in the order of their times.
func TestBatchDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		stream := drawStream(r, 0)
		var want []int
		for i, o := range stream {
			known := slices.ContainsFunc(stream[:i], func(p occurrence) bool {
				return p.user == o.user && p.at >= o.at-testWindow
			})
			if !known {
				want = append(want, i)
			}
		}
		size := rapid.SampledFrom([]int{1, 3, 1000}).Draw(r, "batch")
		if got := alertLines(t, stream, size); !slices.Equal(got, want) {
			r.Fatalf("alerts at %v, want %v\n%v", got, want, stream)
		}
	})
}

// TestShuffledTimes does the same with events that come late, by up to a
// window: what has come counts, when it is later than the window's start, and
// an event later than all that came before is judged as if in order.
func TestShuffledTimes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		stream := drawStream(r, testWindow)
		var want []int
		alerted := make(map[int]bool)
		for i, o := range stream {
			known := slices.ContainsFunc(stream[:i], func(p occurrence) bool {
				return p.user == o.user && p.at >= o.at-testWindow
			})
			if !known {
				want = append(want, i)
				alerted[o.user] = true
			}
			if !alerted[o.user] {
				r.Fatalf("user %d is remembered and never alerted", o.user)
			}
		}
		size := rapid.SampledFrom([]int{1, 2, 7, 1000}).Draw(r, "batch")
		if got := alertLines(t, stream, size); !slices.Equal(got, want) {
			r.Fatalf("batches of %d: alerts at %v, want %v\n%v", size, got, want, stream)
		}
	})
}

// richRules use what could depend on how a stream is cut: limits, suppression,
// arrays, exceptions, missing fields, learning.
func richRules(t testing.TB) []*rule.Rule {
	t.Helper()
	exceptions := exceptionsOf(t, `user.name: "u1" and host.name: "h0"`)
	hour := time.Hour
	return []*rule.Rule{
		inlineRule(t, func(r *rule.Rule) { r.ID, r.MaxSignals = "limited", 1 }),
		inlineRule(t, func(r *rule.Rule) {
			r.ID, r.Terms = "suppressed", []string{"user.name", "host.name"}
			r.Suppression = &rule.Suppression{GroupBy: []string{"host.name"}, Duration: 2 * time.Hour}
		}),
		inlineRule(t, func(r *rule.Rule) { r.ID, r.Exceptions = "excepted", exceptions }),
		inlineRule(t, func(r *rule.Rule) {
			r.ID, r.Terms, r.MissingFields = "missing", []string{"user.name", "host.name"}, rule.AlertMissing
		}),
		inlineRule(t, func(r *rule.Rule) { r.ID, r.Learn = "learning", &hour }),
	}
}

func exceptionsOf(t testing.TB, queries ...string) []rule.Exception {
	t.Helper()
	var list []rule.Exception
	for _, q := range queries {
		r, err := rule.Inline(rule.InlineConfig{Query: q, NewTermsFields: "x", HistoryWindow: "1d"})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rule.Exception{Name: q, Node: r.Filter})
	}
	return list
}

// drawLines draws events for richRules, in the order of their times or not.
func drawLines(r *rapid.T, ordered bool) [][]byte {
	var lines [][]byte
	now := time.Duration(0)
	for range rapid.IntRange(1, 40).Draw(r, "events") {
		// Steps that no refresh grain can blur, or none at all.
		now += rapid.SampledFrom([]time.Duration{0, 2 * time.Minute, 6 * time.Hour, 3 * 24 * time.Hour}).Draw(r, "step")
		at := now + 30*24*time.Hour
		if !ordered {
			at -= rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(r, "late")
		}
		var hosts []string
		for range rapid.IntRange(0, 3).Draw(r, "hosts") {
			hosts = append(hosts, fmt.Sprintf(`"h%d"`, rapid.IntRange(0, 2).Draw(r, "host")))
		}
		lines = append(lines, fmt.Appendf(nil, `{"@timestamp":%q,"event":{"dataset":"app"},"user":{"name":"u%d"},"host":{"name":[%s]}}`,
			epoch.Add(at).Format(time.RFC3339Nano), rapid.IntRange(0, 2).Draw(r, "user"), strings.Join(hosts, ",")))
	}
	return lines
}

// outcome is what leaves an engine, by rule: alerts and summaries as text.
type outcome map[string][]string

// add takes what a record is, less what it says about the tuples that the rule
// knows: expired ones are among them until they are tidied away.
func (o outcome) add(a *Alert) {
	doc := make(map[string]any)
	if err := json.Unmarshal(a.Body, &doc); err != nil {
		panic(err)
	}
	own, _ := doc["newterms"].(map[string]any)
	kept := []any{own["summary"], own["count"], own["terms"], own["start"], own["end"]}
	if own["summary"] == nil {
		kept = []any{own["novel_fields"]}
	}
	for _, key := range []string{"@timestamp", "uuid", "new_terms", "original_time", "rule.rule_id",
		"suppression.terms", "suppression.docs_count", "suppression.start", "suppression.end"} {
		if key != "@timestamp" {
			key = "kibana.alert." + key
		}
		kept = append(kept, doc[key])
	}
	text, err := json.Marshal(kept)
	if err != nil {
		panic(err)
	}
	o[a.Rule] = append(o[a.Rule], string(text))
}

func (o outcome) diff(other outcome) string {
	for _, id := range []string{"limited", "suppressed", "excepted", "missing", "learning"} {
		for i := range max(len(o[id]), len(other[id])) {
			a, b := "nothing", "nothing"
			if i < len(o[id]) {
				a = o[id][i]
			}
			if i < len(other[id]) {
				b = other[id][i]
			}
			if a != b {
				return fmt.Sprintf("rule %s, record %d:\n%s\n%s", id, i+1, a, b)
			}
		}
	}
	return ""
}

// TestAnyBatches: however a stream is cut into flushes, the same records leave.
func TestAnyBatches(t *testing.T) {
	rules := richRules(t)
	rapid.Check(t, func(r *rapid.T) {
		lines := drawLines(r, false)
		run := func(size int) outcome {
			out := make(outcome)
			e := newTestEngine(t, Options{Alert: out.add}, rules, seen.OpenMemory(seen.Options{}))
			feed(t, e, lines, 0, size)
			if err := e.Finish(); err != nil {
				t.Fatal(err)
			}
			return out
		}
		want := run(1)
		size := rapid.IntRange(2, len(lines)+1).Draw(r, "batch")
		if d := want.diff(run(size)); d != "" {
			r.Fatalf("one by one, and %d by %d: %s", size, size, d)
		}
	})
}

// TestRestartAnywhere: a restart between any two flushes changes nothing.
func TestRestartAnywhere(t *testing.T) {
	rules := richRules(t)
	rapid.Check(t, func(r *rapid.T) {
		lines := drawLines(r, true)
		cut := rapid.IntRange(0, len(lines)-1).Draw(r, "cut")
		whole, parts := make(outcome), make(outcome)
		e := newTestEngine(t, Options{Alert: whole.add}, rules, seen.OpenMemory(seen.Options{}))
		feed(t, e, lines, 0, 5)
		if err := e.Finish(); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		part := func(lines [][]byte, first int, finish bool) {
			store, _, err := seen.Open(dir, seen.Options{})
			if err != nil {
				t.Fatal(err)
			}
			e := newTestEngine(t, Options{Alert: parts.add}, rules, store)
			feed(t, e, lines, first, 5)
			if finish {
				if err := e.Finish(); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.FlushLastSeen(); err != nil {
				t.Fatal(err)
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
		part(lines[:cut], 0, false)
		part(lines[cut:], cut, true)
		if d := whole.diff(parts); d != "" {
			r.Fatalf("whole, and cut at %d: %s", cut, d)
		}
	})
}
