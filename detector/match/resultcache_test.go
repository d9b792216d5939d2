package match

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
)

// findings are all that a pass has for the decision, as text.
func findings(p *Worker) []string {
	var out []string
	for i := range p.batch.Combinations {
		t := p.batch.Combinations[i]
		terms, ref := p.batch.Terms(&t), p.batch.Event(t.Event)
		t.off, t.n, t.hash, t.Event = 0, 0, 0, 0
		out = append(out, fmt.Sprintf("%+v %x of record %d, item %d", t, terms, ref.Record, ref.Item))
	}
	counts := *p.Counts()
	counts.Cached = 0
	return append(out, fmt.Sprintf("%+v newest %d", counts, p.batch.Newest))
}

// TestRecall compares passes that recall what became of events with passes that
// try the rules on every one: streams in which few events come again and again,
// some of them mutations, at times that jump, cut into flushes anywhere. What
// both have for the decision is the same, to the last count.
func TestRecall(t *testing.T) {
	// Rules for which no event would be recalled.
	rules := slices.DeleteFunc(oddRules(t), func(r *rule.Rule) bool { return r.ID == "pattern" || r.ID == "override" })
	for _, odd := range []struct{ id, query, fields string }{
		{"now", "kubernetes.audit.verb: create and kubernetes.audit.stageTimestamp < now-10y", "user.name"},
		{"own time", "kubernetes.audit.verb: watch", "user.name"},
		{"any field", "kubernetes.audit.verb: patch and kubernetes.audit.requestUR*: *0", "user.name"},
		{"seldom", "kubernetes.audit.verb: \"delete\" and kubernetes.audit.requestURI: *0", "user.name"},
		{"missing", "kubernetes.audit.verb: (list or create)", "kubernetes.audit.objectRef.name, user.name"},
		{"null", "kubernetes.audit.verb: *", "kubernetes.audit.objectRef.name, kubernetes.audit.verb"},
		{"short", "kubernetes.audit.stage: *", "user.name"},
		{"groups", "user.name: *", "kubernetes.audit.user.groups, source.ip"},
	} {
		r, err := rule.Inline(rule.InlineConfig{RuleID: odd.id, RuleName: odd.id, Query: odd.query, NewTermsFields: odd.fields, HistoryWindow: "7d"})
		if err != nil {
			t.Fatal(err)
		}
		switch odd.id {
		case "own time":
			r.TimestampOverride = "kubernetes.audit.stageTimestamp"
		case "missing":
			r.MissingFields = rule.AlertMissing
		case "null":
			r.MissingFields = rule.NullTerm
		case "short":
			r.Window = time.Hour
		}
		rules = append(rules, r)
	}
	lines := gunzip(t, sharedFile(t, "k8s-audit/cluster-a.jsonl.gz"))
	hits := 0
	for seed := range uint64(8) {
		rules := slices.DeleteFunc(slices.Clone(rules), func(r *rule.Rule) bool { return r.ID == "own time" && seed < 4 })
		set := compiled(t, Options{}, rules...)
		if seed >= 4 {
			set.span = math.MaxInt64 // so that there are sightings outside of a window
		}
		one, all := set.NewWorker(nil), set.NewWorker(nil)
		recall := one.lookupFn
		one.lookupFn = func(ev *mapping.Event) bool {
			ok := recall(ev)
			if ok {
				hits++
			}
			return ok
		}
		all.lookupFn = nil
		var got, want []string
		one.decide = func(*Batch) { got = append(append(got, "flushed early"), findings(one)...) }
		all.decide = func(*Batch) { want = append(append(want, "flushed early"), findings(all)...) }

		r := rand.New(rand.NewPCG(2, seed))
		raw, ecs := repeated(t, r, lines)
		now := time.Now()
		at := now.Add(-30 * 24 * time.Hour)
		for n := 0; n < 6000; {
			events := raw
			if n/2000 == 1 {
				events = ecs
			}
			var chunk []byte
			for range r.IntN(600) {
				switch step := r.IntN(400); {
				case step == 0:
					at = at.Add([]time.Duration{-time.Hour, 20 * time.Minute, time.Hour + time.Second, 4 * 24 * time.Hour, -3 * 24 * time.Hour}[r.IntN(5)])
				case step == 1 && seed%4 == 0:
					at = now.Add(time.Hour) // to be clamped
				default:
					at = at.Add(time.Duration(r.IntN(100)) * time.Millisecond)
				}
				sec := uint32(at.Unix())
				chunk = append(chunk, 0x92, 0x92, 0xd7, 0, byte(sec>>24), byte(sec>>16), byte(sec>>8), byte(sec), 0, 0, 0, 0, 0x80)
				chunk = append(chunk, events[min(r.IntN(len(events)), r.IntN(len(events)))]...)
				n++
			}
			// For the rule that asks for it, it is now before an event or after.
			clock := now.Add(time.Duration(r.IntN(2)) * 40 * 365 * 24 * time.Hour)
			for _, p := range []*Worker{one, all} {
				p.Begin(clock)
				if err := p.reader.Chunk(chunk, p); err != nil {
					t.Fatal(err)
				}
				p.decide(p.Batch())
			}
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Fatalf("seed %d, after %d events: recalled\n%q\nand otherwise\n%q", seed, n, got[min(i, len(got)):], want[min(i, len(want)):])
				}
			}
			got, want = got[:0], want[:0]
		}
	}
	if hits < 8*6000/5 {
		t.Errorf("%d events were recalled: too few to mean anything", hits)
	}
}

// repeated returns events as records' bodies, raw ones and ECS documents, the
// ones that come most often first. Among them are some that differ from another
// in nothing but their stage, or what few rules ask for, and mutations. Of these there are few: a lens is
// put away when it does not fit.
func repeated(t *testing.T, r *rand.Rand, lines [][]byte) (raw, ecs [][]byte) {
	t.Helper()
	encode := func(m map[string]any) []byte {
		body, err := msgp.AppendIntf(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	for k := range 60 {
		line := lines[r.IntN(len(lines))]
		val, err := record.JSON.Decode(line)
		if err != nil {
			t.Fatal(err)
		}
		m := val.(map[string]any)
		raw = append(raw, encode(m))
		switch {
		case k%10 == 1:
			m["verb"] = "patch"
			if k > 50 {
				m["verb"] = "delete"
			}
			for _, uri := range []string{"/0", "/1"} {
				m["requestURI"] = uri
				raw = append(raw, encode(m))
			}
		case k%5 == 0:
			m["stage"], m["auditID"] = "ResponseStarted", "another"
			raw = append(raw, encode(m))
		case k > 56:
			raw = append(raw, encode(mutated(r, line)))
		}
		ecs = append(ecs, encode(map[string]any{
			"kubernetes": map[string]any{"audit": m}, "event": map[string]any{"kind": "event", "dataset": mapping.Dataset, "action": m["verb"]},
			"user_agent":  map[string]any{"original": m["userAgent"]},
			"data_stream": map[string]any{"dataset": mapping.Dataset, "type": "logs", "namespace": "default"},
		}))
	}
	return raw, ecs
}

// A log in which every event is different is soon read without looking for the
// like of it.
func TestRecallRests(t *testing.T) {
	user := inlineRule(t, nil)
	user.Filter = kql.All{}
	p := compiled(t, Options{}, user).NewWorker(nil)
	p.decide = func(*Batch) {}
	flush := func(users ...string) {
		p.Begin(time.Now())
		for i, u := range users {
			line := fmt.Appendf(nil, `{"auditID":"%d","stage":"ResponseComplete","user":{"username":%q}}`, i, u)
			if err := p.reader.Line(line, 1e18, i, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	var each, same []string
	for i := range 8 * checkEvery {
		each, same = append(each, fmt.Sprint("user ", i)), append(same, fmt.Sprint("user ", i%7))
	}
	flush(each...)
	if r := &p.results; r.pause < 4*checkEvery {
		t.Errorf("after %d different events it rests for %d, want at least %d", len(each), r.pause, 4*checkEvery)
	}
	flush(same...)
	flush(same...)
	if r := &p.results; r.pause != 0 || r.rest != 0 || r.found < r.asked/2 {
		t.Errorf("of events that repeat it recalls %d of %d, and rests for %d", r.found, r.asked, r.rest)
	}
}
