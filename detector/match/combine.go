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

	alone     bool // see Combination.Alone
	truncated int
}

// lacks notes that the event lacks a term field, and tells whether it counts
// all the same.
func (m *matched) lacks() bool {
	switch m.c.Source.MissingFields {
	case rule.NullTerm:
		return true
	case rule.AlertMissing:
		m.alone = m.under == 0
		return m.under == 0
	}
	return false
}

// combine adds the combinations that a matching event yields for a rule to the
// batch: one, or every combination of the values of its term fields. One without
// terms stands for an event that matches a rule of type query.
func (w *Worker) combine(m matched) {
	v := m.ev.View
	w.terms = w.terms[:0]
	if m.c.Source.IsQuery() {
		if m.alone = m.under == 0; m.alone {
			w.results.addCombination(&m, nil, w.add(&m))
		}
		return
	}
	for k, f := range m.c.fields {
		cell := v.Head(f)
		if cell == 0 {
			if !m.lacks() {
				return
			}
			w.terms = seen.AppendNull(w.terms)
			continue
		}
		if v.Next(cell) != 0 || v.At(cell).Kind == record.Object {
			m.alone = false
			w.combineArrays(m)
			return
		}
		val := typed(*v.At(cell), m.c.types[k])
		w.terms = seen.AppendTerm(w.terms, &val)
	}
	terms := w.terms
	w.results.addCombination(&m, terms, w.add(&m))
}

// choices are the distinct values of one term field in an event, encoded as
// terms, one after the other. Each is encoded once, whatever it is combined with.
type choices struct {
	values []record.Value // no more than one event may yield
	over   int            // values that there are beside them
	terms  []byte
	ends   []int // of each term in terms
}

func (c *choices) term(i int) []byte {
	if i == 0 {
		return c.terms[:c.ends[0]]
	}
	return c.terms[c.ends[i-1]:c.ends[i]]
}

// fill finds the values of a field. Without one there is null, if the event
// counts all the same.
func (c *choices) fill(v *record.View, f record.Field, t record.Type, m *matched) bool {
	c.values, c.terms, c.ends, c.over = c.values[:0], c.terms[:0], c.ends[:0], 0
	for cell := v.Head(f); cell != 0; cell = v.Next(cell) {
		if val := *v.At(cell); val.Kind != record.Object && val.Kind != record.Null {
			if len(c.values) == limits.EventCombinations {
				c.over++
				continue
			}
			c.values = append(c.values, typed(val, t))
		}
	}
	c.values = distinct(c.values)
	if len(c.values) == 0 {
		if !m.lacks() {
			return false
		}
		c.terms, c.ends = seen.AppendNull(c.terms), append(c.ends, 1)
		return true
	}
	for i := range c.values {
		c.terms = seen.AppendTerm(c.terms, &c.values[i])
		c.ends = append(c.ends, len(c.terms))
	}
	return true
}

// most is how large a number of combinations has to be known.
const most = 1 << 40

// combineArrays adds every combination of the distinct values of the term
// fields, up to the bounds of an event. The values of the first field change
// first.
func (w *Worker) combineArrays(m matched) {
	for len(w.choices) < len(m.c.fields) {
		w.choices = append(w.choices, choices{})
	}
	all := w.choices[:len(m.c.fields)]
	total := 1
	for k, f := range m.c.fields {
		if !all[k].fill(m.ev.View, f, m.c.types[k], &m) {
			return
		}
		n := len(all[k].ends) + all[k].over
		total = min(total, most/n) * n
	}
	n := w.allowed(all, total)
	if total > n {
		m.truncated = total - n
		w.counts.Truncated += uint64(m.truncated)
	}
	w.combinations += n
	for i := range n {
		w.terms = w.terms[:0]
		for k, rest := 0, i; k < len(all); k++ {
			w.terms = append(w.terms, all[k].term(rest%len(all[k].ends))...)
			rest /= len(all[k].ends)
		}
		terms := w.terms
		w.results.addCombination(&m, terms, w.add(&m))
	}
}

// allowed returns how many of an event's combinations are looked at: one at
// least.
func (w *Worker) allowed(all []choices, total int) int {
	limit := limits.EventCombinations
	if w.combinations >= limits.FlushCombinations {
		limit = limits.FewCombinations
	}
	limit = min(limit, total)
	bytes := 0
	for i := range limit {
		for k, rest := 0, i; k < len(all); k++ {
			bytes += len(all[k].term(rest % len(all[k].ends)))
			rest /= len(all[k].ends)
		}
		if bytes > limits.EventTermBytes && i > 0 {
			return i
		}
	}
	return limit
}

// add adds the combination whose terms are in w.terms to the batch, and returns
// its place.
func (w *Worker) add(m *matched) (place int) {
	if m.under != 0 {
		w.terms = AppendExceptionSet(w.terms, m.under)
	}
	if w.batch.full() {
		w.flushEarly()
	}
	b, fresh := &w.batch, true
	if m.alone {
		place = b.append(m.rule, w.terms, m.ms)
		b.Combinations[place].Alone, b.Combinations[place].Stamp = true, m.ev.Time
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
