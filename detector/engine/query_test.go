package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// queryRule is a rule of type query for events of the dataset app. more is
// appended to its [rule].
func queryRule(t testing.TB, more string) *rule.Rule {
	t.Helper()
	set, err := rule.Parse("q.toml", []byte("[rule]\nrule_id = \"q\"\nname = \"Q\"\ntype = \"query\"\nseverity = \"low\"\nquery = \"event.dataset: app\"\n"+more), rule.Options{})
	if err != nil || len(set.Rules) != 1 {
		t.Fatal(set.Rules, err)
	}
	return set.Rules[0]
}

// queryRun is an engine with a rule of type query on a state, and what came of it.
type queryRun struct {
	*Engine
	alerts []map[string]any
}

func (q *queryRun) uuids() (list []string) {
	for _, a := range q.alerts {
		id, _ := a["kibana.alert.uuid"].(string)
		list = append(list, id)
	}
	return list
}

// startQueries runs rules on a store at a time that stands still.
func startQueries(t *testing.T, store *seen.Store, o Options, at time.Time, rules ...*rule.Rule) *queryRun {
	t.Helper()
	q := &queryRun{}
	o.Clock = func() time.Time { return at }
	o.Alert = func(a *Alert) { q.alerts = append(q.alerts, decoded(t, a.Body)) }
	q.Engine = newTestEngine(t, o, rules, store)
	return q
}

func (q *queryRun) take(t *testing.T, chunk []byte) {
	t.Helper()
	if owed, err := q.Chunk("tag", chunk); owed != nil || err != nil {
		t.Fatal(owed, err)
	}
}

// TestQueryRedelivery: a chunk that comes again gives alerts of the same uuids,
// also where the events' times are ahead of the clock; events that differ only in
// their time have different ones.
func TestQueryRedelivery(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Hour} {
		now := time.Unix(1_750_000_000, 0)
		chunk := chunkOf(now.Add(ahead), "a", "a", "b")
		dir := t.TempDir()
		var first []string
		for run := range 2 {
			store, _, err := seen.Open(dir, seen.Options{})
			if err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Duration(run) * time.Second)
			q := startQueries(t, store, Options{}, now, queryRule(t, ""))
			q.take(t, chunk)
			q.take(t, chunk)
			uuids := q.uuids()
			if len(uuids) != 6 || !slices.Equal(uuids[:3], uuids[3:]) || uuids[0] == uuids[1] || uuids[0] == "" {
				t.Fatalf("ahead %v: %q", ahead, uuids)
			}
			if run == 1 && !slices.Equal(uuids, first) {
				t.Errorf("ahead %v: %q after a restart, %q before", ahead, uuids, first)
			}
			first = uuids
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestQueryRemembersNothing: neither the seen-set nor the history of exceptions
// has anything of a rule of type query, it does not learn, and what it does not
// alert on is not counted as learned.
func TestQueryRemembersNothing(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	dir := t.TempDir()
	store, _, err := seen.Open(dir, seen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := queryRule(t, "")
	r.Exceptions = exceptionsOf(t, "user.name: probe")
	q := startQueries(t, store, Options{Learn: time.Hour}, now, r, inlineRule(t, func(r *rule.Rule) { r.Learn = new(time.Duration) }))
	for range 200 { // so many that the specialization and the result cache have a part in it
		q.take(t, chunkOf(now, "a", "probe"))
	}
	if err := q.EndLearning(); err != nil {
		t.Fatal(err)
	}
	byRule := map[any]int{}
	for _, a := range q.alerts {
		byRule[a["kibana.alert.rule.rule_id"]]++
	}
	if byRule["q"] != 100 || byRule["test"] != 2 || q.Known() != 2 || q.Counts().Learned.Load() != 0 {
		t.Errorf("alerts %v, %d known, %d learned; want 100 (max_signals) and 2, 2 known, none learned", byRule, q.Known(), q.Counts().Learned.Load())
	}
	if held := q.Counts().Held.Load(); held != 100 {
		t.Errorf("%d over the limit, want 100", held)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	snap, _, err := seen.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	for _, info := range snap.Rules() {
		if strings.HasPrefix(info.ID, "q") && (info.Tuples != 0 || IsHistory(info.ID) || info.Meta.BaselineDone != 0) {
			t.Errorf("the state holds %+v", info)
		}
	}
}

// TestQueryRestart: limits and suppression of a rule of type query go on after a
// restart inside their period.
func TestQueryRestart(t *testing.T) {
	const suppression = "[rule.alert_suppression]\ngroup_by = [\"user.name\"]\nduration = {value = 1, unit = \"h\"}\n"
	for more, want := range map[string]int{"max_signals = 3\n": 1, suppression: 0} {
		now := time.Unix(1_750_000_000, 0)
		dir := t.TempDir()
		for run := range 2 {
			store, _, err := seen.Open(dir, seen.Options{})
			if err != nil {
				t.Fatal(err)
			}
			q := startQueries(t, store, Options{}, now, queryRule(t, more))
			q.take(t, chunkOf(now.Add(time.Duration(run)*time.Second), "a", "b"))
			if n := len(q.alerts); run == 0 && n != 2 || run == 1 && n != want {
				t.Errorf("%q, run %d: %d alerts", more, run, n)
			}
			if run == 1 {
				q.alerts = nil
				if err := q.Finish(); err != nil {
					t.Fatal(err)
				}
				for _, a := range q.alerts {
					if kind := alert.Find(a, "newterms.summary"); kind != "limit" && kind != "suppressed" {
						t.Errorf("a summary of %v", kind)
					}
				}
				if len(q.alerts) == 0 {
					t.Errorf("%q: no summary", more)
				}
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestQueryMatched: emit = matched passes along what a rule of type query matches
// beyond its alerts, once each.
func TestQueryMatched(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	q := startQueries(t, seen.OpenMemory(seen.Options{}), Options{Matched: true}, now, queryRule(t, "max_signals = 1\n"))
	q.take(t, chunkOf(now, "a", "b", "c"))
	var kinds []string
	for _, a := range q.alerts {
		kind := "alert"
		if a["kibana.alert.uuid"] == nil {
			kind = "record"
		}
		verdict, _ := alert.Find(a, "newterms.verdict").(string)
		user, _ := alert.Find(a, "user.name").(string)
		kinds = append(kinds, kind+" "+verdict+" "+user)
	}
	if want := []string{"alert match a", "record match b", "record match c"}; !slices.Equal(kinds, want) {
		t.Errorf("%q, want %q", kinds, want)
	}
}

// TestQueryAlertPanics: where the alert cannot be built, each event still has its
// own, with a uuid of its own that is the same the next time.
func TestQueryAlertPanics(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	q := startQueries(t, seen.OpenMemory(seen.Options{}), Options{Source: func(int) map[string]any { panic("test") }}, now, queryRule(t, ""))
	q.take(t, chunkOf(now, "a", "b"))
	q.take(t, chunkOf(now, "a", "b"))
	if ids := q.uuids(); len(ids) != 4 || ids[0] == ids[1] || ids[0] == "" || !slices.Equal(ids[:2], ids[2:]) {
		t.Errorf("%q", ids)
	}
}
