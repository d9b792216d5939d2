package detector

import (
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
)

// recall remembers what became of events. Most of a log is a few programs that
// do the same again and again: of what the rules look at, nineteen events in
// twenty hold the same values as one a little while before, and so the same
// rules match them and they yield the same tuples. Such an event is known by
// its values as they were scanned; no rule is tried on it, and its tuples,
// which are in the fold already, are counted up.
//
// That holds only of events that were read through a lens, where the values
// scanned are all that is looked at. What becomes of others, or of one that a
// rule had to look at more closely, is not remembered.
type recall struct {
	layout *record.Layout        // what the events were scanned by
	sums   [][ways]record.Digest // of what is remembered: each has a few places
	table  []memory              // in the places of sums
	turn   int                   // the way that is replaced next

	making *memory // of the event at hand, if it is to be remembered

	// A log in which every event is different must not pay for all this: when
	// too few are recalled, it is left alone for a while.
	asked, found int
	rest         int // events to go until it is tried again
	pause        int // how long the last rest was, 0 if it has paid since
}

// memory is what became of an event.
type memory struct {
	known bool   // it may be used
	more  bool   // but what became of the event depends on more than was scanned
	fold  uint64 // the generation of the fold in which the places hold, 0 for none
	rules []matching
	parts []part
	terms []byte // of all parts, one after the other
}

// matching is a rule that matches an event.
type matching struct {
	rule  int32
	under uint64 // the set of exceptions that the event is under, 0 for none
}

// part is one tuple that an event yields.
type part struct {
	matching
	place   int32
	size    int32 // of its terms
	missing bool  // nothing is folded into it
}

const (
	// ways is how many places there are for a digest, and memorySets how many
	// such sets of places, a power of two.
	ways       = 4
	memorySets = 256
	// maxParts is how many tuples an event that is remembered may yield, and
	// maxTerms how many bytes their terms may be: what was scanned is short, but
	// a term may be a field that was asked for later, or be in many tuples.
	maxParts = 16
	maxTerms = 4 << 10
	// recallCheck is after how many events it is looked at whether recalling
	// pays. If it does not, it is left alone for as many, and each time that it
	// still does not for twice as many as before, up to recallRest.
	recallCheck = 1024
	recallRest  = 32 * recallCheck
)

// recalls tells whether what becomes of an event can depend on nothing but its
// values and its record's time.
func (s *ruleset) recalls() bool {
	return !s.matched && s.timeFields == nil
}

// recall deals with an event that is like one before. It is false for any
// other, which then goes to Event; if that is to be remembered, making is set.
func (p *pass) recall(ev *mapping.Event) bool {
	r := &p.recalled
	r.making = nil
	if r.rest > 0 {
		r.rest--
		return false
	}
	if r.asked++; r.asked == recallCheck {
		if r.found*3 < r.asked {
			r.pause = min(max(2*r.pause, recallCheck), recallRest)
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
	m := r.memory(sum, p.fold.gen)
	if m != nil && m.more {
		// What is seldom looked at has to be read, and counts as well.
		if but, ok = p.reader.ReadMore(ev); !ok {
			return false
		}
		if sum, ok = ev.View.Digest(but); !ok {
			return false
		}
		m = r.memory(sum.Other(), p.fold.gen)
	}
	if m == nil || !m.known {
		return false
	}
	r.found++
	return p.repeat(m, ev)
}

// memory returns what became of events with the digest sum. If there is nothing,
// it is nil, and making what the event at hand is to be remembered in.
func (r *recall) memory(sum record.Digest, gen uint64) *memory {
	set := sum.Part(memorySets)
	for way := range ways {
		if r.sums[set][way] == sum {
			return &r.table[set*ways+way]
		}
	}
	r.turn = (r.turn + 1) % ways
	r.sums[set][r.turn] = sum
	m := &r.table[set*ways+r.turn]
	m.known, m.more = false, false
	m.rules, m.parts, m.terms = m.rules[:0], m.parts[:0], m.terms[:0]
	m.fold = gen
	r.making = m
	return nil
}

// forget lets go of all memories, for events that are scanned by l, nil for none.
func (r *recall) forget(l *record.Layout) {
	r.layout = l
	if l != nil && r.table == nil {
		r.sums, r.table = make([][ways]record.Digest, memorySets), make([]memory, memorySets*ways)
	}
	clear(r.sums)
}

// memorise keeps what became of the event at hand, which all rules have been
// tried on.
func (p *pass) memorise(ev *mapping.Event) {
	// What a rule has looked at beside the values scanned, or the time, can be
	// another in the next event.
	more, anything := ev.Beyond()
	if m := p.recalled.making; m != nil && !anything && !p.memo.Dated {
		m.known, m.more = true, more
	}
	p.recalled.making = nil
}

// noteMatch notes that a rule matches the event at hand.
func (r *recall) noteMatch(t *tupleOf) {
	if r.making != nil {
		r.making.rules = append(r.making.rules, matching{t.rule, t.under})
	}
}

// noteTuple notes a tuple of the event at hand, whose set of exceptions is not
// among its terms.
func (r *recall) noteTuple(t *tupleOf, terms []byte, place int) {
	m := r.making
	if m == nil {
		return
	}
	if t.truncated > 0 || len(m.parts) == maxParts || len(m.terms)+len(terms) > maxTerms {
		r.making = nil
		return
	}
	m.parts = append(m.parts, part{matching{t.rule, t.under}, int32(place), int32(len(terms)), t.missing})
	if t.missing {
		m.fold = 0
	}
	m.terms = append(m.terms, terms...)
}

// repeat does for an event what was done for the one that m was made of. It is
// false, and has done nothing, if more is to be decided than was then.
func (p *pass) repeat(m *memory, ev *mapping.Event) bool {
	if len(m.rules) == 0 {
		return true
	}
	ms := ev.Time / 1e6
	from, to := min(p.from, ms), max(p.to, ms)
	if len(p.fold.tuples) == 0 {
		from, to = ms, ms
	}
	if ms > p.now+skew.Milliseconds() || to-from > p.set.span {
		return false
	}
	if m.fold != p.fold.gen {
		return p.refold(m, ev, ms, from, to)
	}
	for i := range m.parts {
		x := &m.parts[i]
		if w := p.set.rules[x.rule].window; w > 0 && ms-p.fold.tuples[x.place].last > w {
			return false
		}
	}
	for i := range m.parts {
		p.fold.tuples[m.parts[i].place].again(ms)
	}
	p.rematch(m, ms, from, to)
	return true
}

// rematch counts the matches of an event at the time ms.
func (p *pass) rematch(m *memory, ms, from, to int64) {
	for _, x := range m.rules {
		p.countMatch(x)
	}
	p.newest = max(p.newest, ms)
	p.from, p.to = from, to
}

// refold is repeat where the fold has been emptied since: the terms are known,
// their places are found anew.
func (p *pass) refold(m *memory, ev *mapping.Event, ms, from, to int64) bool {
	if len(p.fold.tuples) >= spillTuples {
		return false
	}
	p.rematch(m, ms, from, to)
	p.refOf = -1
	gen, at := p.fold.gen, int32(0)
	for i := range m.parts {
		x := &m.parts[i]
		p.terms = append(p.terms[:0], m.terms[at:at+x.size]...)
		at += x.size
		x.place = int32(p.add(&tupleOf{rule: x.rule, c: p.set.rules[x.rule], ev: ev, ms: ms, under: x.under, missing: x.missing}))
	}
	if m.fold != 0 {
		m.fold = gen
	}
	return true
}
