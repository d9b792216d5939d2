package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// TestReloadKeepsMemory: a rule whose words change keeps what it knows, one
// whose query or fields change starts anew and says so.
func TestReloadKeepsMemory(t *testing.T) {
	tests := []struct {
		name  string
		edit  func(r *rule.Rule)
		kept  bool
		notes int
	}{
		{"nothing", func(*rule.Rule) {}, true, 0},
		{"the name", func(r *rule.Rule) { r.Name = "Another" }, true, 0},
		{"severity, limits, learning", func(r *rule.Rule) { r.Severity, r.MaxSignals, r.MaxTerms = "high", 5, 50 }, true, 0},
		{"the window", func(r *rule.Rule) { r.Window *= 2 }, true, 0},
		{"exceptions", func(r *rule.Rule) { r.Exceptions = exceptionsOf(t, "user.name: x") }, true, 0},
		{"the fields", func(r *rule.Rule) { r.Terms = []string{"event.dataset"} }, false, 1},
		{"the query", func(r *rule.Rule) { r.Filter = exceptionsOf(t, "event.dataset: *")[0].Node }, false, 1},
	}
	for _, restart := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, restart %v", tt.name, restart), func(t *testing.T) {
				dir := t.TempDir()
				alerts := 0
				open := func() (*Engine, *seen.Store) {
					store, _, err := seen.Open(dir, seen.Options{})
					if err != nil {
						t.Fatal(err)
					}
					return New(Options{EventTime: true, TimeFields: []string{"@timestamp"}, Alert: func(*Alert) { alerts++ }}, store), store
				}
				e, store := open()
				if _, err := e.SetRules([]*rule.Rule{inlineRule(t, nil)}); err != nil {
					t.Fatal(err)
				}
				feed(t, e, [][]byte{hostLine(1, "a", "h"), hostLine(1, "b", "h")}, 0, 2)
				if restart {
					if err := store.Close(); err != nil {
						t.Fatal(err)
					}
					e, store = open()
				}
				defer store.Close()
				notes, err := e.SetRules([]*rule.Rule{inlineRule(t, tt.edit)})
				if err != nil || len(notes) != tt.notes {
					t.Errorf("%v, notes %q", err, notes)
				}
				alerts = 0
				feed(t, e, [][]byte{hostLine(2, "a", "h")}, 0, 1)
				if kept := alerts == 0; kept != tt.kept {
					t.Errorf("kept is %v, want %v", kept, tt.kept)
				}
			})
		}
	}
}

// TestReloadUnderLoad swaps rules while flushes run; with the race detector it
// also looks for races.
func TestReloadUnderLoad(t *testing.T) {
	var mu sync.Mutex
	alerts := make(map[string]int)
	e := New(Options{MaxAlerts: -1, Alert: func(a *Alert) {
		mu.Lock()
		defer mu.Unlock()
		alerts[string(a.Body[:0])+a.Rule]++
	}}, seen.OpenMemory(seen.Options{}))
	first, second := inlineRule(t, nil), inlineRule(t, func(r *rule.Rule) { r.Name, r.Window = "Other words", r.Window*2 })
	if _, err := e.SetRules([]*rule.Rule{first}); err != nil {
		t.Fatal(err)
	}
	var flushes sync.WaitGroup
	for w := range 3 {
		flushes.Go(func() {
			for i := range 100 {
				chunk := chunkOf(time.Now(), fmt.Sprintf("user %d %d", w, i), "everybody")
				if owed, err := e.Chunk("kube", chunk); owed != nil || err != nil {
					t.Error(owed, err)
				}
			}
		})
	}
	for i := range 50 {
		r := first
		if i%2 == 0 {
			r = second
		}
		if _, err := e.SetRules([]*rule.Rule{r}); err != nil {
			t.Error(err)
		}
		e.Tick()
	}
	flushes.Wait()
	if alerts["test"] != 301 || e.Known() != 301 {
		t.Errorf("%d alerts, %d known; want 301 of each", alerts["test"], e.Known())
	}
}

// TestCombinations: the combinations of one document are all looked at, and what
// is over the bound is counted and told.
func TestCombinations(t *testing.T) {
	tests := []struct{ a, b, want, truncated int }{
		{99, 101, 99 * 101, 0},
		{400, 400, limits.EventCombinations, 150_000},
	}
	for _, tt := range tests {
		list := func(prefix string, n int) string {
			parts := make([]string, n)
			for i := range parts {
				parts[i] = fmt.Sprintf(`"%s%d"`, prefix, i)
			}
			return "[" + strings.Join(parts, ",") + "]"
		}
		line := fmt.Sprintf(`{"@timestamp":"2026-03-01T00:00:00Z","event":{"dataset":"app"},"user":{"name":%s},"host":{"name":%s}}`,
			list("u", tt.a), list("h", tt.b))
		var last []byte
		e := newTestEngine(t, Options{MaxAlerts: 1, MaxTerms: 200_000, Alert: func(a *Alert) {
			if last == nil {
				last = a.Body
			}
		}}, []*rule.Rule{inlineRule(t, func(r *rule.Rule) { r.Terms = []string{"user.name", "host.name"} })}, seen.OpenMemory(seen.Options{}))
		feed(t, e, [][]byte{[]byte(line)}, 0, 1)
		if e.Known() != tt.want || e.Counts().Truncated.Load() != uint64(tt.truncated) {
			t.Errorf("%d known, %d truncated; want %d and %d", e.Known(), e.Counts().Truncated.Load(), tt.want, tt.truncated)
		}
		told := alert.Find(decoded(t, last), "newterms.combinations_not_looked_at")
		if (tt.truncated > 0) != (told != nil) || told != nil && fmt.Sprint(told) != fmt.Sprint(tt.truncated) {
			t.Errorf("the alert tells of %v, want %d", told, tt.truncated)
		}
	}
}

// TestSpill: a flush with more tuples than are gathered at once gives the same
// alerts, and a chunk made of arrays is cut short.
func TestSpill(t *testing.T) {
	var lines [][]byte
	parts := make([]string, 90)
	for i := range 60 {
		for k := range parts {
			parts[k] = fmt.Sprintf(`"x%d"`, i*len(parts)+k)
		}
		list := strings.Join(parts, ",")
		lines = append(lines, fmt.Appendf(nil, `{"@timestamp":"2026-03-01T00:00:00Z","event":{"dataset":"app"},"user":{"name":[%s]},"host":{"name":[%s]}}`, list, list))
	}
	alerts := 0
	e := newTestEngine(t, Options{MaxAlerts: -1, MaxTerms: 3_000_000, Learn: time.Hour, Alert: func(*Alert) { alerts++ }},
		[]*rule.Rule{inlineRule(t, func(r *rule.Rule) { r.Terms = []string{"user.name", "host.name"} })}, seen.OpenMemory(seen.Options{}))
	start := time.Now()
	feed(t, e, lines, 0, len(lines))
	// Some events reach the bound of a flush; the others have a few each.
	full := (limits.FlushCombinations + 8099) / 8100
	want := full*8100 + (60-full)*limits.FewCombinations
	if e.Known() != want {
		t.Errorf("%d tuples known, want %d", e.Known(), want)
	}
	if truncated := e.Counts().Truncated.Load(); truncated != uint64(60*8100-want) {
		t.Errorf("%d truncated, want %d", truncated, 60*8100-want)
	}
	t.Logf("%d tuples in %v", e.Known(), time.Since(start))
}

// TestFutureTimes: a time ahead of the clock is clamped, a little is let be.
func TestFutureTimes(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	var times []string
	e := newTestEngine(t, Options{Clock: func() time.Time { return now }, Alert: func(a *Alert) {
		times = append(times, fmt.Sprint(decoded(t, a.Body)["kibana.alert.original_time"]))
	}}, []*rule.Rule{inlineRule(t, nil)}, seen.OpenMemory(seen.Options{}))
	for i, at := range []time.Duration{-time.Hour, 4 * time.Minute, 6 * time.Minute, 1000 * time.Hour} {
		if owed, err := e.Chunk("kube", chunkOf(now.Add(at), fmt.Sprint("u", i))); owed != nil || err != nil {
			t.Fatal(owed, err)
		}
	}
	want := []string{alert.Timestamp(now.Add(-time.Hour)), alert.Timestamp(now.Add(4 * time.Minute)), alert.Timestamp(now), alert.Timestamp(now)}
	if fmt.Sprint(times) != fmt.Sprint(want) {
		t.Errorf("times %v, want %v", times, want)
	}
	if n := e.Counts().Clamped.Load(); n != 2 {
		t.Errorf("%d clamped, want 2", n)
	}
}

// TestBrokenChunk: what comes before the break counts.
func TestBrokenChunk(t *testing.T) {
	alerts := 0
	e := newTestEngine(t, Options{Clock: time.Now, Alert: func(*Alert) { alerts++ }}, []*rule.Rule{inlineRule(t, nil)}, seen.OpenMemory(seen.Options{}))
	chunk := chunkOf(time.Now(), "a", "b", "c")
	_, err := e.Chunk("kube", chunk[:len(chunk)-3])
	var broken *record.ChunkError
	if !errors.As(err, &broken) || broken.Record != 2 {
		t.Errorf("error %v", err)
	}
	if alerts != 2 || e.Counts().Malformed.Load() != 1 {
		t.Errorf("%d alerts, %d malformed chunks; want 2 and 1", alerts, e.Counts().Malformed.Load())
	}
}

// TestUnreadableDocument: an event that cannot be shown still alerts.
func TestUnreadableDocument(t *testing.T) {
	var body map[string]any
	e := newTestEngine(t, Options{Clock: time.Now, Alert: func(a *Alert) { body = decoded(t, a.Body) }},
		[]*rule.Rule{inlineRule(t, nil)}, seen.OpenMemory(seen.Options{}))
	b := e.NewBatch()
	line := []byte(`{"event":{"dataset":"app"},"user":{"name":"a"}}`)
	if err := b.Line(line, time.Now().UnixNano(), 0); err != nil {
		t.Fatal(err)
	}
	copy(line, "}}}}}}}}") // which nobody may do
	if err := b.End("kube"); err != nil {
		t.Fatal(err)
	}
	if body == nil || fmt.Sprint(body["kibana.alert.new_terms"]) != "[a]" || !strings.Contains(fmt.Sprint(body["error.message"]), "decode") {
		t.Errorf("alert %v", body)
	}
}

// TestPanicInDecision: a bug on the way from a tuple to its alert costs neither
// the alert nor the lock.
func TestPanicInDecision(t *testing.T) {
	var bodies []map[string]any
	e := newTestEngine(t, Options{Clock: time.Now, Alert: func(a *Alert) { bodies = append(bodies, decoded(t, a.Body)) },
		Source: func(int) map[string]any { panic("in the document") }},
		[]*rule.Rule{inlineRule(t, nil)}, seen.OpenMemory(seen.Options{}))
	flush := func(user string) {
		if owed, err := e.Chunk("kube", chunkOf(time.Now(), user)); owed != nil || err != nil {
			t.Fatal(owed, err)
		}
	}
	flush("a")
	memory := e.states["test"].memory
	e.states["test"].memory = nil
	flush("b")
	e.states["test"].memory = memory
	if len(bodies) != 2 {
		t.Fatalf("%d alerts, want 2", len(bodies))
	}
	for i, want := range []string{"[a] in the document", "[b] nil pointer"} {
		terms, why, _ := strings.Cut(want, " ")
		b := bodies[i]
		if fmt.Sprint(b["kibana.alert.new_terms"]) != terms || b["kibana.alert.uuid"] == nil || !strings.Contains(fmt.Sprint(b["error.message"]), why) {
			t.Errorf("alert %d is %v, want %s", i+1, b, want)
		}
	}
}

// TestMatched: every matching record is passed along once, with its verdict, in
// any batches.
func TestMatched(t *testing.T) {
	lines := [][]byte{hostLine(1, "a", "h"), hostLine(2, "a", "h"), hostLine(1.5, "a", "h"), hostLine(3, "b", "h"), hostLine(12, "a", "h"),
		[]byte(`{"@timestamp":"2026-03-14T00:00:00Z","event":{"dataset":"app"},"user":{"name":["a","b","c"]}}`),
		[]byte(`{"@timestamp":"2026-03-14T00:00:00Z","event":{"dataset":"app"},"user":{"name":["a","c"]}}`),
		[]byte(`{"@timestamp":"2026-03-14T00:00:00Z","event":{"dataset":"other"},"user":{"name":"a"}}`),
		[]byte(`{"@timestamp":"2026-03-14T00:00:00Z","event":{"dataset":"app"}}`)}
	want := []string{
		"1 new alert 2026-03-02T00:00 2026-03-02T00:00 1", "2 known record 2026-03-02T00:00 2026-03-02T00:00 2",
		"3 known record 2026-03-02T00:00 2026-03-03T00:00 3", "4 new alert 2026-03-04T00:00 2026-03-04T00:00 1",
		"5 expired alert 2026-03-02T00:00 2026-03-03T00:00 1",
		"6 expired alert 2026-03-04T00:00 2026-03-04T00:00 1", "6 new alert 2026-03-14T00:00 2026-03-14T00:00 1",
		"7 known record 2026-03-13T00:00 2026-03-14T00:00 3",
	}
	for _, size := range []int{1, 3, 100} {
		got := make(map[string]bool)
		n := 0
		e := newTestEngine(t, Options{Matched: true,
			Source: func(i int) map[string]any { return map[string]any{"line": i + 1} },
			Alert: func(a *Alert) {
				doc := decoded(t, a.Body)
				find := func(path string) string { return fmt.Sprint(alert.Find(doc, path)) }
				kind := "record"
				if find("event.kind") == "signal" {
					kind = "alert"
				}
				if (kind == "record") != a.Matched || a.Matched && (find("newterms.rule_id") != "test" || find("newterms.terms") == "<nil>" || a.ID != 0) {
					t.Errorf("%s: %s", kind, a.Body)
				}
				got[fmt.Sprintf("%s %s %s %.16s %.16s %s", find("newterms.line"), find("newterms.verdict"), kind,
					find("newterms.first_seen"), find("newterms.last_seen"), find("newterms.count"))] = true
				n++
			}}, []*rule.Rule{inlineRule(t, nil)}, seen.OpenMemory(seen.Options{}))
		feed(t, e, lines, 0, size)
		for _, w := range want {
			if !got[w] {
				t.Errorf("batches of %d: no record %q", size, w)
			}
			delete(got, w)
		}
		if len(got) > 0 || n != len(want) {
			t.Errorf("batches of %d: %d records, too many: %v", size, n, got)
		}
	}
}

// TestLimitsOfRules: a rule's own table goes before the instance's properties,
// and those before what it says to Elastic.
func TestLimitsOfRules(t *testing.T) {
	hour := time.Hour
	tests := []struct {
		name string
		o    Options
		edit func(r *rule.Rule)
		want alertLimits
	}{
		{"the rule", Options{Learn: time.Minute}, nil, alertLimits{MaxAlerts: 100, Interval: 5 * time.Minute, Learn: time.Minute}},
		{"the instance", Options{MaxAlerts: 7, Interval: time.Hour}, nil, alertLimits{MaxAlerts: 7, Interval: time.Hour}},
		{"no limit", Options{MaxAlerts: -1}, nil, alertLimits{Interval: 5 * time.Minute}},
		{"our table", Options{MaxAlerts: 7, Learn: time.Minute}, func(r *rule.Rule) { r.MaxAlerts, r.Learn = 3, &hour },
			alertLimits{MaxAlerts: 3, Interval: 5 * time.Minute, Learn: time.Hour}},
		{"suppression", Options{}, func(r *rule.Rule) { r.Suppression = &rule.Suppression{Duration: time.Hour} },
			alertLimits{MaxAlerts: 100, Interval: 5 * time.Minute, Suppress: time.Hour}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := New(tt.o, seen.OpenMemory(seen.Options{})).limits(inlineRule(t, tt.edit)); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestBaselineEndsLearning: a rule with a baseline alerts at once.
func TestBaselineEndsLearning(t *testing.T) {
	store := seen.OpenMemory(seen.Options{})
	r := inlineRule(t, nil)
	state, err := store.Rule(r.ID, seen.RuleOptions{Fingerprint: r.Fingerprint()})
	if err != nil {
		t.Fatal(err)
	}
	var b seen.Batch
	state.Meta.BaselineDone = 1
	b.SetMeta(state.Num, state.Meta)
	store.Enqueue(&b)
	alerts := 0
	e := newTestEngine(t, Options{Learn: time.Hour, Alert: func(*Alert) { alerts++ }}, []*rule.Rule{r}, store)
	feed(t, e, [][]byte{hostLine(1, "a", "h")}, 0, 1)
	if alerts != 1 {
		t.Errorf("%d alerts, want 1", alerts)
	}
}

// FuzzChunk: no chunk ends in anything but an answer.
func FuzzChunk(f *testing.F) {
	f.Add(chunkOf(time.Unix(1e9, 0), "a", "b"))
	f.Add([]byte{0x92, 0x92, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x80})
	f.Add([]byte{})
	e := newTestEngine(f, Options{Clock: time.Now, Matched: true, Mapping: mapping.Options{LogKey: "log"}, Alert: func(a *Alert) {
		if len(a.Body) == 0 {
			panic("an alert without a body")
		}
	}}, []*rule.Rule{inlineRule(f, nil), inlineRule(f, func(r *rule.Rule) {
		r.ID, r.Filter, r.MissingFields = "all", exceptionsOf(f, "event: * or user: *")[0].Node, rule.AlertMissing
	})}, seen.OpenMemory(seen.Options{MaxOutbox: 10}))
	f.Fuzz(func(t *testing.T, chunk []byte) {
		if owed, _ := e.Chunk("kube", chunk); owed != nil {
			t.Error(owed)
		}
	})
}

// TestTick: the summary of an interval comes when the clock says so, without
// any more events.
func TestTick(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	var kinds []string
	e := newTestEngine(t, Options{Clock: func() time.Time { return now }, MaxAlerts: 1, Alert: func(a *Alert) {
		kinds = append(kinds, fmt.Sprint(alert.Find(decoded(t, a.Body), "newterms.summary")))
	}}, []*rule.Rule{inlineRule(t, nil)}, seen.OpenMemory(seen.Options{}))
	if owed, err := e.Chunk("kube", chunkOf(now, "a", "b", "c")); owed != nil || err != nil {
		t.Fatal(owed, err)
	}
	e.Tick()
	now = now.Add(5 * time.Minute)
	e.Tick()
	e.Tick()
	if got := fmt.Sprint(kinds); got != "[<nil> limit]" {
		t.Errorf("got %s, want an alert and one summary", got)
	}
	if c := e.Counts(); c.Held.Load() != 2 || c.Summaries.Load() != 1 {
		t.Errorf("%d held, %d summaries", c.Held.Load(), c.Summaries.Load())
	}
}

// TestFarewell: a rule that goes sums up what it still holds.
func TestFarewell(t *testing.T) {
	for name, rules := range map[string][]*rule.Rule{
		"removed": {inlineRule(t, func(r *rule.Rule) { r.ID = "other" })},
		"changed": {inlineRule(t, func(r *rule.Rule) { r.Terms = []string{"event.dataset"} })},
	} {
		t.Run(name, func(t *testing.T) {
			var counts []string
			e := newTestEngine(t, Options{MaxAlerts: 1, Alert: func(a *Alert) {
				counts = append(counts, fmt.Sprint(alert.Find(decoded(t, a.Body), "newterms.summary"), alert.Find(decoded(t, a.Body), "newterms.count")))
			}}, []*rule.Rule{inlineRule(t, nil)}, seen.OpenMemory(seen.Options{}))
			feed(t, e, [][]byte{hostLine(1, "a", "h"), hostLine(1, "b", "h"), hostLine(1, "c", "h")}, 0, 3)
			if _, err := e.SetRules(rules); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(counts); got != "[<nil>1 limit2]" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// A mapping that fits no event is not silent.
func TestUnmatched(t *testing.T) {
	excepted := ruleOf(t, "kubernetes.audit.verb: get", "user.name")
	excepted.Exceptions = exceptionsOf(t, "user.name: a")
	for _, c := range []struct {
		mode mapping.Mode
		rule *rule.Rule
		want int
	}{
		{mapping.ECS, ruleOf(t, "kubernetes.audit.verb: get", "user.name"), 1},
		{mapping.Auto, ruleOf(t, "kubernetes.audit.verb: get", "user.name"), 0},
		{mapping.Auto, excepted, 0},
	} {
		e := newTestEngine(t, Options{Clock: time.Now, Mapping: mapping.Options{Mode: c.mode}},
			[]*rule.Rule{c.rule}, seen.OpenMemory(seen.Options{}))
		b := e.NewBatch()
		if notes := e.Tick(); len(notes) > 0 {
			t.Fatalf("at the start: %q", notes)
		}
		for i := range unmatchedAfter {
			if err := b.Line([]byte(`{"auditID":"1","stage":"Panic","verb":"get","user":{"username":"a"}}`), 1e18, i); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.End(""); err != nil {
			t.Fatal(err)
		}
		notes := append(e.Tick(), e.Tick()...)
		if len(notes) != c.want || c.want == 1 && !strings.Contains(notes[0], "mapping (ecs)") {
			t.Errorf("mapping %s: %q", c.mode, notes)
		}
	}
}
