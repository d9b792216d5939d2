package engine

import (
	"fmt"
	"testing"
	"time"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// TestBaseline makes a baseline that one of two rules matches nothing in, and
// wants both to alert at once when the state is opened again.
func TestBaseline(t *testing.T) {
	rules := make([]*rule.Rule, 2)
	for i, query := range []string{"kind: a", "kind: b"} {
		r, err := rule.Inline(rule.InlineConfig{
			Query: query, NewTermsFields: "user", HistoryWindow: "7d", RuleName: query,
		})
		if err != nil {
			t.Fatal(err)
		}
		r.ID = fmt.Sprint("rule ", i)
		rules[i] = r
	}
	dir := t.TempDir()
	run := func(o Options, lines ...string) (alerts int) {
		store, _, err := seen.Open(dir, seen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		o.EventTime = true
		o.Alert = func(*Alert) { alerts++ }
		e := New(o, store)
		if _, err := e.SetRules(rules); err != nil {
			t.Fatal(err)
		}
		b := e.NewBatch()
		for i, l := range lines {
			if err := b.Line([]byte(l), 0, i); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.End(""); err != nil {
			t.Fatal(err)
		}
		if o.LearnUntil != 0 {
			if err := e.EndLearning(); err != nil {
				t.Fatal(err)
			}
		}
		return alerts
	}
	at := func(kind, user string) string {
		return fmt.Sprintf(`{"@timestamp":"2026-01-01T00:00:00Z","kind":%q,"user":%q}`, kind, user)
	}
	if n := run(Options{LearnUntil: 1 << 50}, at("a", "x")); n != 0 {
		t.Errorf("%d alerts while learning", n)
	}
	if n := run(Options{Learn: 24 * time.Hour}, at("a", "x"), at("a", "y"), at("b", "x")); n != 2 {
		t.Errorf("%d alerts after the baseline, want 2", n)
	}
}

func TestJoinHistories(t *testing.T) {
	for _, c := range []struct{ name, a, b, want string }{
		{"none", "", "", ""},
		{"one", "[[1,2]]", "", "[[1,2]]"},
		{"both", "[[3]]", "[[1,2],[3]]", "[[1,2],[3]]"},
		{"damaged", "[[3", "[[4]]", "[[4]]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(JoinHistories([]byte(c.a), []byte(c.b))); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if got := string(JoinHistories([]byte(c.b), []byte(c.a))); got != c.want {
				t.Errorf("the other way round %s, want %s", got, c.want)
			}
		})
	}
}
