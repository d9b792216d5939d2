package engine

import (
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/match"
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

// passMatches makes the records of a batch that raised no alert. The engine's
// lock is not held: it takes a while to encode documents.
func (e *Engine) passMatches(f *flush, b *match.Batch) {
	began := make([]bool, len(b.Combinations))
	for i := 0; i < len(b.Matches); {
		first := b.Matches[i]
		rule := b.Combinations[first.Combination].Rule
		var best alert.Finding
		chosen, alerted := -1, false
		for ; i < len(b.Matches) && b.Matches[i].Event == first.Event && b.Combinations[b.Matches[i].Combination].Rule == rule; i++ {
			m := b.Matches[i]
			d := &f.decisions[m.Combination]
			found := d.sighting(m.At, !began[m.Combination])
			alerted = alerted || d.alerted && !began[m.Combination]
			began[m.Combination] = true
			// An event with several combinations is as new as its newest.
			if chosen < 0 || found.Verdict < best.Verdict {
				best, chosen = found, int(m.Combination)
			}
		}
		if !alerted {
			e.opts.Alert(e.build.match(e.finding(f, b, chosen), first, &best))
		}
	}
}

// sighting returns the verdict on one sighting of a combination, the sightings
// being asked for in their order. first tells that it is the one that came first.
func (d *decision) sighting(ms int64, first bool) alert.Finding {
	f := alert.Finding{Verdict: alert.Known, Time: time.UnixMilli(ms)}
	if first {
		f.Verdict = d.verdict
	}
	if d.before.Count == 0 {
		d.before = seen.Sighting{First: ms, Last: ms}
	}
	f.FirstSeen, f.LastSeen = time.UnixMilli(min(d.before.First, ms)), time.UnixMilli(d.before.Last)
	if f.Verdict == alert.Expired {
		d.before = seen.Sighting{First: ms, Last: ms} // it is counted anew
	}
	d.before.First, d.before.Last = min(d.before.First, ms), max(d.before.Last, ms)
	d.before.Count++
	f.Count = d.before.Count
	return f
}
