package match

import (
	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// matched is an event that matches a rule, and yields combinations.
type matched struct {
	rule  int32
	c     *Rule
	ev    *mapping.Event
	ms    int64
	under uint64 // the set of exceptions that it is under, 0 for none

	missing   bool // a term field is missing, and the rule alerts on that
	truncated int
}

// lacks notes that the event lacks a term field, and tells whether it counts
// all the same.
func (m *matched) lacks() bool {
	switch m.c.Source.MissingFields {
	case rule.NullTerm:
		return true
	case rule.AlertMissing:
		m.missing = m.under == 0
		return m.under == 0
	}
	return false
}

// combine adds the combinations that a matching event yields for a rule to the
// batch: one, or every combination of the values of its term fields.
func (w *Worker) combine(m matched) {
	v := m.ev.View
	w.terms = w.terms[:0]
	for _, f := range m.c.fields {
		cell := v.Head(f)
		if cell == 0 {
			if !m.lacks() {
				return
			}
			w.terms = seen.AppendNull(w.terms)
			continue
		}
		if v.Next(cell) != 0 || v.At(cell).Kind == record.Object {
			m.missing = false
			w.combineArrays(m)
			return
		}
		w.terms = seen.AppendTerm(w.terms, v.At(cell))
	}
	terms := w.terms
	w.results.addCombination(&m, terms, w.add(&m))
}

// combineArrays adds every combination of the distinct values of the term
// fields.
func (w *Worker) combineArrays(m matched) {
	v := m.ev.View
	for len(w.values) < len(m.c.fields) {
		w.values = append(w.values, nil)
	}
	total := 1
	for k, f := range m.c.fields {
		vals := w.values[k][:0]
		for cell := v.Head(f); cell != 0; cell = v.Next(cell) {
			if val := *v.At(cell); val.Kind != record.Object && val.Kind != record.Null {
				vals = append(vals, val)
			}
		}
		vals = distinct(vals)
		if len(vals) == 0 {
			if !m.lacks() {
				return
			}
			vals = append(vals, record.Value{Kind: record.Null})
		}
		w.values[k] = vals
		if total > 1<<40/len(vals) {
			total = 1 << 40 // enough to know that it is too much
		} else {
			total *= len(vals)
		}
	}
	limit := limits.CombinationsPerEvent
	if w.combinations >= limits.FlushCombinations {
		limit = limits.FewCombinations
	}
	if total > limit {
		m.truncated = total - limit
		w.counts.Truncated += uint64(m.truncated)
		total = limit
	}
	w.combinations += total
	for n := range total {
		w.terms = w.terms[:0]
		rest := n
		for k := range m.c.fields {
			vals := w.values[k]
			val := &vals[rest%len(vals)]
			rest /= len(vals)
			if val.Kind == record.Null {
				w.terms = seen.AppendNull(w.terms)
			} else {
				w.terms = seen.AppendTerm(w.terms, val)
			}
		}
		terms := w.terms
		w.results.addCombination(&m, terms, w.add(&m))
	}
}

// add adds the combination whose terms are in w.terms to the batch, and returns
// its place.
func (w *Worker) add(m *matched) (place int) {
	if m.under != 0 {
		w.terms = AppendExceptionSet(w.terms, m.under)
	}
	b, fresh := &w.batch, true
	if m.missing {
		place = b.append(m.rule, w.terms, m.ms)
		b.Combinations[place].Missing = true
	} else {
		place, fresh = b.add(m.rule, w.terms, m.ms, m.c.Window)
	}
	each := w.rules.opts.EachMatch && m.under == 0
	if !fresh && !each {
		return place
	}
	if w.eventNumber < 0 {
		w.eventNumber = int32(len(b.events))
		b.events = append(b.events, m.ev.Ref())
	}
	if fresh {
		c := &b.Combinations[place]
		c.Event, c.Under, c.Truncated, c.Newest = w.eventNumber, m.under, m.truncated, b.Newest
	}
	if each {
		b.Matches = append(b.Matches, Match{w.eventNumber, int32(place), m.ms})
	}
	return place
}

// AppendExceptionSet adds a set of exceptions to terms, as a combination seen
// under it has them.
func AppendExceptionSet(terms []byte, key uint64) []byte {
	val := record.UintValue(key)
	return seen.AppendTerm(terms, &val)
}

// distinct drops repeated values, in place.
func distinct(vals []record.Value) []record.Value {
	if len(vals) <= 16 {
		out := vals[:0]
	next:
		for _, val := range vals {
			for _, have := range out {
				if have == val {
					continue next
				}
			}
			out = append(out, val)
		}
		return out
	}
	have := make(map[record.Value]struct{}, len(vals))
	out := vals[:0]
	for _, val := range vals {
		if _, ok := have[val]; !ok {
			have[val] = struct{}{}
			out = append(out, val)
		}
	}
	return out
}
