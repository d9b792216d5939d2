package engine

import (
	"runtime"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// newTestEngine returns an engine that counts by the events' own times, unless
// the options say otherwise with a Clock.
func newTestEngine(t testing.TB, o Options, rules []*rule.Rule, store *seen.Store) *Engine {
	t.Helper()
	if o.Clock == nil {
		o.EventTime = true
		o.TimeFields = []string{"kubernetes.audit.requestReceivedTimestamp", "@timestamp"}
	}
	e := New(o, store)
	if _, err := e.SetRules(rules); err != nil {
		t.Fatal(err)
	}
	return e
}

// feed runs lines through an engine, size at a time. first is the place of the
// first line.
func feed(t testing.TB, e *Engine, lines [][]byte, first, size int) {
	t.Helper()
	for from := 0; from < len(lines); from += size {
		b := e.NewBatch()
		for i := from; i < min(from+size, len(lines)); i++ {
			if err := b.Line(lines[i], 0, first+i); err != nil {
				t.Fatalf("line %d: %v", first+i+1, err)
			}
		}
		if err := b.End("test"); err != nil {
			t.Fatal(err)
		}
	}
}

// inlineRule is a rule on user.name for events of the dataset app.
func inlineRule(t testing.TB, edit func(r *rule.Rule)) *rule.Rule {
	t.Helper()
	r, err := rule.Inline(rule.InlineConfig{
		RuleID: "test", RuleName: "New user", Query: "event.dataset: app",
		NewTermsFields: "user.name", HistoryWindow: "7d",
	})
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	return r
}

// chunkOf makes a Fluent Bit chunk of events of the dataset app, one for each
// user, a second apart.
func chunkOf(at time.Time, users ...string) []byte {
	var b []byte
	for i, u := range users {
		t := at.Add(time.Duration(i) * time.Second)
		b = msgp.AppendArrayHeader(b, 2)
		b = msgp.AppendArrayHeader(b, 2)
		sec, nsec := uint32(t.Unix()), uint32(t.Nanosecond())
		b = append(b, 0xd7, 0, byte(sec>>24), byte(sec>>16), byte(sec>>8), byte(sec),
			byte(nsec>>24), byte(nsec>>16), byte(nsec>>8), byte(nsec))
		b = msgp.AppendMapHeader(b, 0)
		b = msgp.AppendMapHeader(b, 2)
		b = msgp.AppendString(b, "event")
		b = msgp.AppendMapHeader(b, 1)
		b = msgp.AppendString(msgp.AppendString(b, "dataset"), "app")
		b = msgp.AppendString(b, "user")
		b = msgp.AppendMapHeader(b, 1)
		b = msgp.AppendString(msgp.AppendString(b, "name"), u)
	}
	return b
}

func ruleOf(t *testing.T, query, fields string) *rule.Rule {
	r, err := rule.Inline(rule.InlineConfig{RuleID: query, RuleName: query, Query: query, NewTermsFields: fields, HistoryWindow: "7d"})
	if err != nil {
		t.Fatal(err)
	}
	return r
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

// heap returns the bytes that are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
