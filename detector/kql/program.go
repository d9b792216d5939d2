package kql

import (
	"slices"

	"fluent-bit-newterms/detector/record"
)

// Predicate is a compiled query. It is safe for concurrent use, each
// goroutine with a Memo of its own.
type Predicate struct {
	// steps is the query as a program of tests with two ways to go on, so
	// that and, or and not cost nothing: a and (b or not c) is
	//
	//	0: a ? 1 : reject
	//	1: b ? accept : 2
	//	2: c ? reject : accept
	steps    []step
	entry    int32
	required []Required
}

type step struct {
	leaf    *leaf
	yes, no int32 // the next step, accept or reject
}

const (
	accept int32 = -1
	reject int32 = -2
)

// Match reports whether the record in v matches. It allocates nothing.
//
// A test that several predicates of one Compiler share is made once between
// two calls of m.Reset, so m must be reset for each record, and serve the
// predicates of one Compiler only.
func (p *Predicate) Match(v *record.View, m *Memo) bool {
	i := p.entry
	for i >= 0 {
		s := &p.steps[i]
		var ok bool
		if slot := s.leaf.slot; slot == 0 {
			ok = s.leaf.test(v, m)
		} else if result, known := m.get(slot); known {
			ok = result
		} else {
			ok = s.leaf.test(v, m)
			m.set(slot, ok)
		}
		if ok {
			i = s.yes
		} else {
			i = s.no
		}
	}
	return i == accept
}

// Required returns conditions that every record which matches fulfils, so
// that an engine can find by a record's values the predicates that are worth
// running. There may be none.
func (p *Predicate) Required() []Required { return p.required }

// predicate lays out the program of a simplified expression.
func (s scope) predicate(e *expr) *Predicate {
	p := &Predicate{required: requiredBy(e)}
	p.entry = p.emit(e, accept, reject)
	// Steps were laid out from the last to the first.
	slices.Reverse(p.steps)
	turn := func(i int32) int32 {
		if i < 0 {
			return i
		}
		return int32(len(p.steps)) - 1 - i
	}
	p.entry = turn(p.entry)
	for i := range p.steps {
		st := &p.steps[i]
		st.yes, st.no = turn(st.yes), turn(st.no)
		if s.compiler != nil {
			s.compiler.use(st.leaf)
		}
	}
	return p
}

// use counts a use of a leaf, which is memorised from the second on.
func (c *Compiler) use(l *leaf) {
	l.users++
	if l.users == 2 {
		c.slots++
		l.slot = c.slots
	}
}

// emit lays out e, which goes on at yes or no, and returns where it begins.
func (p *Predicate) emit(e *expr, yes, no int32) int32 {
	switch e.op {
	case opTrue:
		return yes
	case opFalse:
		return no
	case opLeaf:
		if e.negated {
			yes, no = no, yes
		}
		p.steps = append(p.steps, step{leaf: e.leaf, yes: yes, no: no})
		return int32(len(p.steps) - 1)
	}
	next := yes
	if e.op == opOr {
		next = no
	}
	for _, kid := range slices.Backward(e.kids) {
		if e.op == opAnd {
			next = p.emit(kid, next, no)
		} else {
			next = p.emit(kid, yes, next)
		}
	}
	return next
}
