package kql

import (
	"fmt"

	"fluent-bit-newterms/detector/record"
)

// nested resolves a query on the elements of an array of objects, all of
// which one element must satisfy:
//
//	containers: { image: nginx* and securityContext.privileged: true }
func (s scope) nested(n Nested, negated bool) (*expr, error) {
	if n.Path == "" {
		return nil, fmt.Errorf("the nested query { %s } has no path", n.Node)
	}
	field, env := s.env.Nested(n.Path)
	inner := scope{env: env}
	e, err := inner.expr(n.Node, false)
	if err != nil {
		return nil, err
	}
	c := condition{target: target{field: field, typ: record.Nested}, within: inner.simplify(e)}
	return &expr{op: opLeaf, negated: negated, cond: c}, nil
}

func nestedLeaf(l *leaf, within *expr) *leaf {
	l.kind = leafNested
	l.within = scope{}.predicate(within)
	l.cost = 200 + within.cost()
	return l
}

// anyElement reports whether any element of a nested field matches. The
// predicate's leaves have no slots in the Memo, as its results differ from
// element to element.
func anyElement(v *record.View, f record.Field, p *Predicate, m *Memo) bool {
	if m.depth == len(m.searches) {
		s := &search{memo: m}
		s.fn = s.look
		m.searches = append(m.searches, s)
	}
	s := m.searches[m.depth]
	s.predicate, s.found = p, false
	m.depth++
	v.Elements(f, s.fn)
	m.depth--
	return s.found
}

// search looks for an element that a predicate matches. A Memo has one for each
// level of nested queries in nested queries.
type search struct {
	memo      *Memo
	fn        func(*record.View) bool // look, made only once
	predicate *Predicate
	found     bool
}

// look looks at one element, and tells whether to go on.
func (s *search) look(element *record.View) bool {
	s.found = s.predicate.Match(element, s.memo)
	return !s.found
}
