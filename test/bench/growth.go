package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// series is a cost that grows, or does not, with something.
type series struct {
	name   string
	points []point
}

// point is one measurement: nanoseconds a record at x.
type point struct{ x, y float64 }

// ruleCounts are the numbers of rules whose cost is measured.
var ruleCounts = []int{1, 10, 144, 1000}

// many returns n rules: the seed, the other Kubernetes rules, the rest of the
// shared ones, and then rules on Kubernetes events of other resources, as an
// organisation that writes its own would have them.
func many(n int) ([]*rule.Rule, error) {
	nine, err := rulesNine.load()
	if err != nil {
		return nil, err
	}
	all, err := rulesAll.load()
	if err != nil {
		return nil, err
	}
	var rules []*rule.Rule
	have := make(map[string]bool)
	for _, r := range append(nine, all...) {
		if !have[r.ID] {
			have[r.ID] = true
			rules = append(rules, r)
		}
	}
	for i := len(rules); i < n; i++ {
		r, err := rule.Inline(rule.InlineConfig{
			RuleID: fmt.Sprint("own-", i), RuleName: fmt.Sprint("Own ", i),
			Query: fmt.Sprintf(`event.dataset: "kubernetes.audit_logs" and kubernetes.audit.objectRef.resource: "resource%d" and kubernetes.audit.verb: (create or update or patch)
				and not user.name: system\:node\:*`, i),
			NewTermsFields: "user.name, user_agent.original", HistoryWindow: "7d",
		})
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules[:n], nil
}

// perRecord is what a record costs, all tuples known.
func perRecord(rules []*rule.Rule, chunks [][]byte, records int, limit time.Duration) (ns float64, err error) {
	run, check, err := known(rules, mapping.Options{}, chunks)
	if err != nil {
		return 0, err
	}
	best := race(limit, len(chunks), run)
	return float64(best[0]) / float64(records), check()
}

// byRules measures a record's cost against the number of rules.
func (b *bench) byRules(limit time.Duration) (raw, ecs series, err error) {
	raw.name, ecs.name = "raw audit events", "ECS documents"
	for _, n := range ruleCounts {
		rules, err := many(n)
		if err != nil {
			return raw, ecs, err
		}
		for _, s := range []struct {
			to     *series
			chunks [][]byte
		}{{&raw, b.log.chunks}, {&ecs, b.log.ecs}} {
			ns, err := perRecord(rules, s.chunks, len(b.log.lines), limit)
			if err != nil {
				return raw, ecs, err
			}
			s.to.points = append(s.to.points, point{float64(n), ns})
		}
	}
	return raw, ecs, nil
}

// growth tells whether a record's cost grows less than the number of rules, at
// every step.
func (b *bench) growth() (result, error) {
	raw, _, err := b.byRules(raceFor / 3)
	if err != nil {
		return result{}, err
	}
	var costs []string
	r := result{reached: true}
	worst := 0.0
	for i, p := range raw.points {
		costs = append(costs, fmt.Sprintf("%.0f", p.y))
		if i > 0 {
			q := raw.points[i-1]
			worst = max(worst, (p.y/q.y)/(p.x/q.x))
		}
	}
	r.reached = worst < 1
	r.value = fmt.Sprintf("%.2f", worst)
	r.note = "worst step; ns a record at 1, 10, 144 and 1,000 rules: " + strings.Join(costs, ", ")
	return r, nil
}

// byTuples measures a record's cost against the number of tuples that the rule
// knows, all of which the records have in turn.
func (b *bench) byTuples() (s series, err error) {
	s.name = "known tuples"
	rules, err := rulesSeed.load()
	if err != nil {
		return s, err
	}
	for _, n := range []int{100, 1000, 10_000, 100_000, 1_000_000} {
		// The tuples only teach: a million alerts would take minutes.
		e := engine.New(engine.Options{MaxTerms: n, LearnUntil: math.MaxInt64}, seen.OpenMemory(seen.Options{}))
		if _, err := e.SetRules(rules); err != nil {
			return s, err
		}
		for from := 0; from < n; from += 50_000 {
			if err := feed(e, tuples(from, min(50_000, n-from))); err != nil {
				return s, err
			}
		}
		if e.Known() != n {
			return s, fmt.Errorf("%d tuples known, want %d", e.Known(), n)
		}
		// Ten chunks of 5,000 records, spread over what is known.
		var chunks [][]byte
		for i := range 10 {
			if n <= 5000 {
				chunks = append(chunks, repeat(tuples(0, n), 5000/n))
			} else {
				chunks = append(chunks, tuples(i*(n-5000)/9, 5000)[0])
			}
		}
		best := race(time.Second, len(chunks), func(i int) { _, _ = e.Chunk("audit", chunks[i]) })
		s.points = append(s.points, point{float64(n), float64(best[0]) / float64(10*5000)})
	}
	return s, nil
}

func repeat(chunks [][]byte, n int) (out []byte) {
	for range n {
		for _, c := range chunks {
			out = append(out, c...)
		}
	}
	return out
}

// bySize measures a record's cost against its size, beside what msgp.Skip
// takes: audit events that carry an object of so many entries.
func (b *bench) bySize() (ours, skip series, err error) {
	ours.name, skip.name = "newterms, seed rule", "msgp.Skip"
	rules, err := rulesSeed.load()
	if err != nil {
		return ours, skip, err
	}
	for _, entries := range []int{0, 8, 32, 128, 512} {
		chunks, records, bytes := sized(b.log, entries)
		run, check, err := known(rules, mapping.Options{}, chunks)
		if err != nil {
			return ours, skip, err
		}
		best := race(time.Second, len(chunks), run, func(i int) { skipAll(chunks[i]) })
		if err := check(); err != nil {
			return ours, skip, err
		}
		x := float64(bytes) / float64(records)
		ours.points = append(ours.points, point{x, float64(best[0]) / float64(records)})
		skip.points = append(skip.points, point{x, float64(best[1]) / float64(records)})
	}
	return ours, skip, nil
}

// sized returns chunks of events with a requestObject of so many labels.
func sized(l *log, entries int) (chunks [][]byte, records, bytes int) {
	object := msgp.AppendMapHeader(msgp.AppendString(nil, "requestObject"), 1)
	object = msgp.AppendMapHeader(msgp.AppendString(object, "spec"), uint32(entries))
	for i := range entries {
		object = msgp.AppendString(msgp.AppendString(object, fmt.Sprintf("name-%d", i)), "some value of a label")
	}
	var c chunker
	for i := 0; i < len(l.lines) && bytes < 8<<20; i += 7 {
		body, err := appendJSON(nil, l.lines[i])
		if err != nil {
			panic(err) // it was read before
		}
		n, rest, err := msgp.ReadMapHeaderBytes(body)
		if err != nil {
			panic(err)
		}
		out := append(msgp.AppendMapHeader(nil, n+1), object...)
		out = append(out, rest...)
		c.add(uint32(i), out)
		records++
		bytes += len(out)
	}
	return c.chunks, records, bytes
}
