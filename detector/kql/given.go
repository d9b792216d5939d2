package kql

import (
	"slices"

	"fluent-bit-newterms/detector/record"
)

// Given returns what is left of the predicate for records in which some
// fields hold one string each that is known beforehand: value returns it. For
// such records, and for no others, the two give the same answer.
//
//	event.dataset: a and verb: create      given event.dataset = a
//	verb: create
func (p *Predicate) Given(value func(record.Field) (string, bool)) *Predicate {
	settled := make([]int32, len(p.steps)) // where a step whose answer is known goes on
	var memo Memo
	for i := range p.steps {
		settled[i] = int32(i)
		s := &p.steps[i]
		if text, ok := value(s.leaf.field); ok {
			val := record.StringValue(text)
			if result, ok := s.leaf.given(&val, &memo); ok && result {
				settled[i] = s.yes
			} else if ok {
				settled[i] = s.no
			}
		}
	}
	// A step only goes on to later ones, so that the last are known first.
	follow := func(i int32) int32 {
		if i < 0 {
			return i
		}
		return settled[i]
	}
	for i := len(settled) - 1; i >= 0; i-- {
		if settled[i] != int32(i) {
			settled[i] = follow(settled[i])
		}
	}
	reached := make([]bool, len(p.steps))
	reach := func(i int32) {
		if i = follow(i); i >= 0 {
			reached[i] = true
		}
	}
	reach(p.entry)
	at := make([]int32, len(p.steps))
	given := &Predicate{}
	for i := range p.steps {
		if reached[i] {
			at[i] = int32(len(given.steps))
			given.steps = append(given.steps, p.steps[i])
			reach(p.steps[i].yes)
			reach(p.steps[i].no)
		}
	}
	place := func(i int32) int32 {
		if i = follow(i); i < 0 {
			return i
		}
		return at[i]
	}
	given.entry = place(p.entry)
	for i := range given.steps {
		s := &given.steps[i]
		s.yes, s.no = place(s.yes), place(s.no)
	}
	for _, r := range p.required {
		if _, ok := value(r.Field); !ok {
			given.required = append(given.required, r)
		}
	}
	return given
}

// given makes the test on the only value of the field. ok is false if the
// test looks at more than that.
func (l *leaf) given(val *record.Value, m *Memo) (result, ok bool) {
	switch l.kind {
	case leafExact:
		return val.Str == l.exact, true
	case leafExists:
		return true, true
	case leafValue:
		return l.matcher.match(val, m), true
	}
	return false, false
}

// Never tells that the predicate is known to match nothing.
func (p *Predicate) Never() bool { return p.entry == reject }

// Fields returns the fields that the predicate looks at, in order, each once.
// What it looks at in the elements of a nested field is not among them.
func (p *Predicate) Fields() []record.Field {
	var fields []record.Field
	for i := range p.steps {
		l := p.steps[i].leaf
		fields = append(fields, l.field)
		if l.kind == leafMulti {
			fields = append(fields, l.literal)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}
