package detector

import (
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/seen"
)

// emit = matched passes along every record that a rule matches, with its
// verdict. An alert is such a record already; the others are made here.
//
// They go the same ways as alerts and are not alerts: they are in no outbox.
// There are as many of them as there are matching log records, so the outbox,
// which is written with each and holds ten thousand, would be a second log
// storage, and would push out the alerts that it is there to keep. What they
// enrich is on its way through Fluent Bit's own storage. A crash loses those
// that are under way, a dead way out those over its bound, which are counted.

// passMatches makes the records of a pass that raised no alert. The engine's
// lock is not held: it takes a while to encode documents.
func (e *Engine) passMatches(p *pass) {
	if e.opts.Alert == nil {
		return
	}
	began := make([]bool, len(p.fold.tuples))
	for i := 0; i < len(p.hits); {
		first := p.hits[i]
		rule := p.fold.tuples[first.place].rule
		var best alert.Finding
		chosen, alerted := -1, false
		for ; i < len(p.hits) && p.hits[i].ref == first.ref && p.fold.tuples[p.hits[i].place].rule == rule; i++ {
			h := p.hits[i]
			t := &p.fold.tuples[h.place]
			f := t.sight(h.ms, !began[h.place])
			alerted = alerted || t.alerted && !began[h.place]
			began[h.place] = true
			// An event with several tuples is as new as its newest.
			if chosen < 0 || f.Verdict < best.Verdict {
				best, chosen = f, int(h.place)
			}
		}
		if !alerted {
			e.passMatch(p, &p.fold.tuples[chosen], first, &best)
		}
	}
}

// sight returns the verdict on one sighting of a tuple, the sightings being
// asked for in their order. first tells that it is the one that came first.
func (t *tuple) sight(ms int64, first bool) alert.Finding {
	f := alert.Finding{Verdict: alert.Known, Time: time.UnixMilli(ms)}
	if first {
		f.Verdict = t.verdict
	}
	if t.before.Count == 0 {
		t.before = seen.Sighting{First: ms, Last: ms}
	}
	f.FirstSeen, f.LastSeen = time.UnixMilli(min(t.before.First, ms)), time.UnixMilli(t.before.Last)
	if f.Verdict == alert.Expired {
		t.before = seen.Sighting{First: ms, Last: ms} // it is counted anew
	}
	t.before.First, t.before.Last = min(t.before.First, ms), max(t.before.Last, ms)
	t.before.Count++
	f.Count = t.before.Count
	return f
}

func (e *Engine) passMatch(p *pass, t *tuple, h hit, f *alert.Finding) {
	c := p.set.rules[t.rule]
	f.Terms, _ = seen.DecodeTerms(p.fold.terms(t))
	f.Tag, f.Instance = p.tag, e.opts.Instance
	x := &finding{p: p, c: c, t: &tuple{ref: h.ref}}
	a := e.entry(c.liveRule, &c.info, p, &tuple{rule: t.rule, at: h.ms, off: t.off, n: t.n}, func() map[string]any {
		return e.sourced(alert.MatchedDocument(e.document(x), &c.info, f), p.refs[h.ref].Record)
	})
	a.Matched = true
	e.counts.Passed.Add(1)
	e.opts.Alert(a)
}
