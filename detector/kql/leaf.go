package kql

import "fluent-bit-newterms/detector/record"

// leaf is one test of a record: that any value of a field satisfies a
// matcher. Leaves of the same meaning are one leaf.
type leaf struct {
	kind    leafKind
	field   record.Field
	literal record.Field // see target
	exact   string       // leafExact
	matcher matcher      // leafValue, and leafMulti for field
	keyword matcher      // leafMulti, for literal
	byType  *[record.Nested + 1]matcher
	within  *Predicate // leafNested

	slot  int32 // of the Memo, 0 if only one predicate uses the leaf
	users int
	cost  int // a guess, in nanoseconds
}

type leafKind uint8

const (
	leafExact  leafKind = iota // one exact value of a keyword, the most frequent by far
	leafValue                  // any matcher
	leafExists                 // field: *
	leafMulti                  // X.text, which may be a path or the field X
	leafTyped                  // a field-name pattern: each value has its type
	leafNested                 // the elements of a nested field
)

// matcher tests one value of a field.
type matcher interface {
	match(val *record.Value, m *Memo) bool
	// cost is a guess, in nanoseconds.
	cost() int
}

func (l *leaf) test(v *record.View, m *Memo) bool {
	switch l.kind {
	case leafExact:
		for i := v.Head(l.field); i != 0; i = v.Next(i) {
			val := v.At(i)
			if val.Kind == record.String {
				if val.Str == l.exact {
					return true
				}
			} else if s, ok := m.text(val); ok && s == l.exact {
				return true
			}
		}
		return false
	case leafValue:
		return anyValue(v, l.field, l.matcher, m)
	case leafExists:
		return exists(v, l.field)
	case leafMulti:
		if exists(v, l.literal) {
			return anyValue(v, l.literal, l.keyword, m)
		}
		return l.matcher != nil && anyValue(v, l.field, l.matcher, m)
	case leafTyped:
		for i := v.Head(l.field); i != 0; i = v.Next(i) {
			val := v.At(i)
			if mt := l.byType[val.Type]; mt != nil && mt.match(val, m) {
				return true
			}
		}
		return false
	default:
		return anyElement(v, l.field, l.within, m)
	}
}

func anyValue(v *record.View, f record.Field, mt matcher, m *Memo) bool {
	for i := v.Head(f); i != 0; i = v.Next(i) {
		if mt.match(v.At(i), m) {
			return true
		}
	}
	return false
}

// leaf returns the leaf that tests a condition, nil if nothing can satisfy
// it.
func (s scope) leaf(c condition) *leaf {
	if s.compiler == nil {
		return newLeaf(c, s)
	}
	key := c.key()
	l, ok := s.compiler.leaves[key]
	if !ok {
		l = newLeaf(c, s)
		s.compiler.leaves[key] = l
	}
	return l
}

func newLeaf(c condition, s scope) *leaf {
	t := c.target
	l := &leaf{field: t.field, literal: t.literal}
	if c.within != nil {
		return nestedLeaf(l, c.within)
	}
	isExists := c.operands[0].kind == opExists
	switch {
	case t.typed && isExists:
		l.kind, l.cost = leafExists, costOfPattern
	case t.typed:
		return typedLeaf(l, c.operands)
	case t.literal != 0 && isExists:
		l.kind, l.cost = leafMulti, 2*costOfExists
		l.matcher = existing{}
		l.keyword = existing{}
	case t.literal != 0:
		l.kind = leafMulti
		l.matcher = newMatcher(t.typ, c.operands)
		l.keyword = newKeyword(c.operands)
		l.cost = costOfExists + l.keyword.cost()
	case isExists && t.typ == record.Nested:
		return nil // the fields of its elements are hidden from the record
	case isExists:
		l.kind, l.cost = leafExists, costOfExists
	default:
		l.kind = leafValue
		l.matcher = newMatcher(t.typ, c.operands)
		if l.matcher == nil {
			return nil
		}
		l.cost = l.matcher.cost()
		if k, ok := l.matcher.(keyword); ok {
			if e, ok := k.test.(exact); ok {
				l.kind, l.exact = leafExact, string(e)
			}
		}
	}
	return l
}

// newMatcher returns the matcher of operands on a field of a type, nil if
// they never match there. None of them is opExists.
func newMatcher(typ record.Type, operands []operand) matcher {
	switch typ {
	case record.Caseless:
		return newCaseless(operands)
	case record.Text:
		return newAnalysed(operands)
	case record.IP:
		return newIP(operands)
	case record.Long, record.Double:
		return newNumber(typ, operands)
	case record.Boolean:
		return newBoolean(operands)
	case record.Date:
		return newDate(operands)
	case record.Dynamic:
		return newDynamic(operands)
	}
	return newKeyword(operands)
}
