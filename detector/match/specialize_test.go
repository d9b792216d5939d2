package match

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
)

// wideAll is a handler that knows no lens: it tries every rule that the data
// stream lets through on every event, which is read in full.
type wideAll struct{ p *Worker }

func (h wideAll) Event(ev *mapping.Event) {
	p := h.p
	p.memo.Reset()
	p.eventNumber = -1
	for _, c := range p.streams.of(ev.View).all {
		p.try(&c, ev)
	}
}

// yield is what a pass found in one record: rules and terms, in order.
func yield(p *Worker) []string {
	var out []string
	for i := range p.batch.Combinations {
		t := &p.batch.Combinations[i]
		out = append(out, fmt.Sprintf("%d %x under %d", t.Rule, p.batch.Terms(t), t.Under))
	}
	slices.Sort(out)
	return out
}

// mutated returns a version of an event: as it is, with names missing, values
// of other types, names beside it that rules look at, or in a wrapping.
func mutated(r *rand.Rand, line []byte) map[string]any {
	var m map[string]any
	if err := json.Unmarshal(line, &m); err != nil {
		panic(err)
	}
	odd := []any{"", nil, []any{}, map[string]any{}, 7, true, []any{"a", "b", "a"}, map[string]any{"b": ""}, "forbid", "secrets", "system:anonymous"}
	for range r.IntN(4) {
		at := m
		for depth := 0; ; depth++ {
			keys := make([]string, 0, len(at))
			for k := range at {
				keys = append(keys, k)
			}
			if len(keys) == 0 {
				break
			}
			slices.Sort(keys)
			k := keys[r.IntN(len(keys))]
			if inner, ok := at[k].(map[string]any); ok && r.IntN(3) > 0 {
				at = inner
				continue
			}
			switch r.IntN(3) {
			case 0:
				delete(at, k)
			case 1:
				at[k] = odd[r.IntN(len(odd))]
			case 2:
				at[k+".x"] = at[k]
			}
			break
		}
	}
	switch r.IntN(12) {
	case 0:
		m["data_stream"] = map[string]any{"namespace": odd[r.IntN(len(odd))]}
	case 1:
		m["data_stream.namespace"] = "prod"
	case 2:
		m["host"] = map[string]any{"os": map[string]any{"type": "windows"}}
	case 3:
		m = map[string]any{"log": m, "stream": "stdout"}
	case 4:
		text, _ := json.Marshal(m)
		m = map[string]any{"message": string(text)}
	case 5:
		m = map[string]any{"kind": "EventList", "items": []any{m, m}}
	case 6:
		m = map[string]any{"kubernetes": map[string]any{"audit": m}}
	case 7, 8, 9:
		m = map[string]any{
			"kubernetes": map[string]any{"audit": m}, "event": map[string]any{"kind": "event", "dataset": "kubernetes.audit_logs", "action": m["verb"]},
			"user_agent":  map[string]any{"original": m["userAgent"]},
			"data_stream": map[string]any{"dataset": []string{"kubernetes.audit_logs", "other"}[r.IntN(2)], "type": "logs", "namespace": "default"},
		}
	}
	return m
}

// oddRules are the shared rules, and others for what those do not do.
func oddRules(t *testing.T) []*rule.Rule {
	rules := append([]*rule.Rule{}, sharedRules(t)...)
	exceptions := exceptionsOf(t, `user.name: "system:apiserver" and verb: watch`, `source.ip: "127.0.0.1"`)
	odd := func(id, query, fields string, edit func(r *rule.Rule)) {
		r, err := rule.Inline(rule.InlineConfig{RuleID: id, RuleName: id, Query: query, NewTermsFields: fields, HistoryWindow: "7d"})
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			edit(r)
		}
		rules = append(rules, r)
	}
	odd("excepted", "kubernetes.audit.stage: ResponseComplete", "user.name", func(r *rule.Rule) { r.Exceptions = exceptions })
	odd("lists", "user.name: *", "related.user, related.ip", nil)
	odd("maps", "kubernetes.audit.objectRef: * and not kubernetes.audit.responseObject: *", "event.outcome", nil)
	odd("pattern", "kubernetes.audit.obj*.resource: pods", "orchestrator.namespace", nil)
	odd("stream", "data_stream.namespace: default and host.os.type: linux", "kubernetes.audit.verb", nil)
	odd("override", "event.kind: event", "user.name", func(r *rule.Rule) {
		r.TimestampOverride, r.TimestampFallbackDisabled = "kubernetes.audit.stageTimestamp", true
	})
	return rules
}

// TestLens compares a pass that reads through its lens, with predicates of
// which the known half was taken away, with one that reads every event in full
// and tries every rule: on real events, and on mutations of them that the lens
// does not fit, in runs that make it, use it and put it away.
func TestLens(t *testing.T) {
	rules := oddRules(t)
	for _, logKey := range []string{"", "log"} {
		for _, odds := range []int{0, 20, 60} { // one event in so many is mutated
			t.Run(fmt.Sprintf("log_key %q, mutations %d", logKey, odds), func(t *testing.T) {
				set := compiled(t, Options{Mapping: mapping.Options{LogKey: logKey}}, rules...)
				set.span = math.MaxInt64 // times differ by rule here
				lens, wide := set.NewWorker(nil), set.NewWorker(nil)
				decide := func(*Batch) { t.Fatal("flushed early") }
				lens.decide, wide.decide = decide, decide
				r := rand.New(rand.NewPCG(1, uint64(odds)))
				lines := gunzip(t, sharedFile(t, "k8s-audit/cluster-a.jsonl.gz"))
				focused, found := 0, 0
				for k := range 4_000 {
					line := lines[k*7]
					if k/700%3 == 1 && odds > 0 || odds > 0 && r.IntN(odds) == 0 {
						line, _ = json.Marshal(mutated(r, line))
					}
					var chunk []byte
					if k%5 > 0 {
						val, _ := record.JSON.Decode(line)
						chunk, _ = msgp.AppendIntf([]byte{0x92, 0x92, 0xd7, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0x80}, val)
					}
					run := func(p *Worker, h mapping.Handler) []string {
						p.Begin(time.Now())
						var err error
						if chunk == nil {
							err = p.reader.Line(line, 1e18, 0, h)
						} else {
							err = p.reader.Chunk(chunk, h)
						}
						if err != nil {
							t.Fatal(err)
						}
						return yield(p)
					}
					if lens.specializer.now != nil {
						focused++
					}
					got, want := run(lens, lens), run(wide, wideAll{wide})
					if !slices.Equal(got, want) {
						t.Fatalf("event %d: through the lens %q, in full %q, for %s", k, got, want, line)
					}
					found += len(got)
				}
				if focused < 400 || found < 3000 {
					t.Errorf("%d events met a lens, %d tuples: too few to mean anything", focused, found)
				}
				if got, want := lens.reader.Stats(), wide.reader.Stats(); got != want {
					t.Errorf("stats are %+v, want %+v", got, want)
				}
			})
		}
	}
}
