package match

import (
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
)

// resultCache remembers what became of events. Most of a log is a few programs
// that do the same again and again: of what the rules look at, nineteen events
// in twenty hold the same values as one a little while before, and so the same
// rules match them and they yield the same combinations. Such an event is found
// by a digest of its values as they were scanned; no rule is tried on it, and its
// combinations, which are in the batch already, are counted up.
//
// That holds only of events that were read through a specialization, where the
// values scanned are all that is looked at. What becomes of others, or of one
// that a rule had to look at more closely, is not remembered.
type resultCache struct {
	layout *record.Layout        // what the events were scanned by
	sums   [][ways]record.Digest // of what is remembered: each has a few places
	table  []result              // in the places of sums
	next   int                   // the way that is replaced next, round-robin

	pending *result // the entry of the event at hand, nil if it is not to be stored

	// A log in which every event is different must not pay for all this: when
	// too few are found, the cache rests for a while.
	asked, found int
	rest         int // events to go until it is asked again
	pause        int // how long the last rest was, 0 if it has paid since
}

// result is what became of an event.
type result struct {
	stored bool   // it may be used
	more   bool   // but what became of the event depends on more than was scanned
	gen    uint64 // the generation of the batch in which the places hold, 0 for none
	rules  []ruleMatch
	parts  []part
	terms  []byte // of all parts, one after the other
}

// ruleMatch is a rule that matches an event.
type ruleMatch struct {
	rule  int32
	under uint64 // the set of exceptions that the event is under, 0 for none
}

// part is one combination that an event yields.
type part struct {
	ruleMatch
	place int32
	size  int32 // of its terms
	alone bool  // no other sighting is added to it
}

const (
	// ways is how many places there are for a digest, and resultSets how many
	// such sets of places, a power of two.
	ways       = 4
	resultSets = 256
	// maxParts is how many combinations an event whose result is stored may
	// yield, and maxPartTerms how many bytes their terms may be: what was
	// scanned is short, but a term may be a field that was asked for later, or
	// be in many combinations.
	maxParts     = 16
	maxPartTerms = 4 << 10
	// checkEvery is after how many events it is looked at whether the cache
	// pays. If it does not, it rests for as many, and each time that it still
	// does not for twice as many as before, up to maxRest.
	checkEvery = 1024
	maxRest    = 32 * checkEvery
)

// cacheable tells whether what becomes of an event can depend on nothing but its
// values and its record's time.
func (s *Rules) cacheable() bool { return !s.opts.EachMatch && s.timeFields == nil }

// lookup deals with an event that is like one before. It is false for any other,
// which then goes to Event; if its result is to be stored, pending is set.
func (w *Worker) lookup(ev *mapping.Event) bool {
	r := &w.results
	r.pending = nil
	if r.rest > 0 {
		r.rest--
		return false
	}
	if r.asked++; r.asked == checkEvery {
		if r.found*3 < r.asked {
			r.pause = min(max(2*r.pause, checkEvery), maxRest)
			r.rest = r.pause
		} else {
			r.pause = 0
		}
		r.asked, r.found = 0, 0
	}
	layout, but := ev.Scanned()
	if layout != r.layout {
		r.forget(layout)
	}
	sum, ok := ev.View.Digest(but)
	if !ok {
		return false
	}
	x := r.find(sum, w.batch.gen)
	if x != nil && x.more {
		// What is seldom looked at has to be read, and counts as well.
		if but, ok = w.reader.ReadMore(ev); !ok {
			return false
		}
		if sum, ok = ev.View.Digest(but); !ok {
			return false
		}
		x = r.find(sum.Other(), w.batch.gen)
	}
	if x == nil || !x.stored {
		return false
	}
	r.found++
	if !w.repeat(x, ev) {
		return false
	}
	w.counts.Cached++
	return true
}

// find returns what became of events with the digest sum. If there is nothing,
// it is nil, and pending the entry for the event at hand.
func (r *resultCache) find(sum record.Digest, gen uint64) *result {
	set := sum.Part(resultSets)
	for way := range ways {
		if r.sums[set][way] == sum {
			return &r.table[set*ways+way]
		}
	}
	r.next = (r.next + 1) % ways
	r.sums[set][r.next] = sum
	x := &r.table[set*ways+r.next]
	x.stored, x.more = false, false
	x.rules, x.parts, x.terms = x.rules[:0], x.parts[:0], x.terms[:0]
	x.gen = gen
	r.pending = x
	return nil
}

// forget lets go of all results, for events that are scanned by l, nil for none.
func (r *resultCache) forget(l *record.Layout) {
	r.layout = l
	if l != nil && r.table == nil {
		r.sums, r.table = make([][ways]record.Digest, resultSets), make([]result, resultSets*ways)
	}
	clear(r.sums)
}

// store keeps what became of the event at hand, which all rules have been tried
// on.
func (w *Worker) store(ev *mapping.Event) {
	// What a rule has looked at beside the values scanned, or the time, can be
	// another in the next event.
	more, anything := ev.Beyond()
	if x := w.results.pending; x != nil && !anything && !w.memo.Dated {
		x.stored, x.more = true, more
	}
	w.results.pending = nil
}

// addMatch adds to the pending entry that a rule matches the event at hand.
func (r *resultCache) addMatch(m *matched) {
	if r.pending != nil {
		r.pending.rules = append(r.pending.rules, ruleMatch{m.rule, m.under})
	}
}

// addCombination adds to the pending entry a combination of the event at hand,
// whose set of exceptions is not among its terms.
func (r *resultCache) addCombination(m *matched, terms []byte, place int) {
	x := r.pending
	if x == nil {
		return
	}
	if m.truncated > 0 || len(x.parts) == maxParts || len(x.terms)+len(terms) > maxPartTerms {
		r.pending = nil
		return
	}
	x.parts = append(x.parts, part{ruleMatch{m.rule, m.under}, int32(place), int32(len(terms)), m.alone})
	if m.alone {
		x.gen = 0
	}
	x.terms = append(x.terms, terms...)
}

// repeat does for an event what was done for the one that x is the result of. It
// is false, and has done nothing, if more is to be decided than was then.
func (w *Worker) repeat(x *result, ev *mapping.Event) bool {
	if len(x.rules) == 0 {
		return true
	}
	ms := ev.Time / 1e6
	from, to := min(w.from, ms), max(w.to, ms)
	if len(w.batch.Combinations) == 0 {
		from, to = ms, ms
	}
	if ms > w.now+Skew.Milliseconds() || to-from > w.rules.span {
		return false
	}
	if x.gen != w.batch.gen {
		return w.addAgain(x, ev, ms, from, to)
	}
	for i := range x.parts {
		p := &x.parts[i]
		if window := w.rules.list[p.rule].Window; window > 0 && ms-w.batch.Combinations[p.place].Last > window {
			return false
		}
	}
	for i := range x.parts {
		w.batch.Combinations[x.parts[i].place].seenAgain(ms)
	}
	w.countAgain(x, ms, from, to)
	return true
}

// countAgain counts the matches of an event at the time ms.
func (w *Worker) countAgain(x *result, ms, from, to int64) {
	for _, m := range x.rules {
		w.countMatch(m.rule, m.under)
	}
	w.batch.Newest = max(w.batch.Newest, ms)
	w.from, w.to = from, to
}

// addAgain is repeat where the batch has been emptied since: the terms are known,
// their places are found anew.
func (w *Worker) addAgain(x *result, ev *mapping.Event, ms, from, to int64) bool {
	w.countAgain(x, ms, from, to)
	w.eventNumber = -1
	gen, at := w.batch.gen, int32(0)
	for i := range x.parts {
		p := &x.parts[i]
		w.terms = append(w.terms[:0], x.terms[at:at+p.size]...)
		at += p.size
		p.place = int32(w.add(&matched{rule: p.rule, c: w.rules.list[p.rule], ev: ev, ms: ms, under: p.under, alone: p.alone}))
	}
	if x.gen != 0 {
		x.gen = gen
	}
	return true
}
