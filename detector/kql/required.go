package kql

import (
	"slices"

	"fluent-bit-newterms/detector/record"
)

// Required is a condition that every record which a predicate matches
// fulfils: Field, a keyword field, holds a value whose text
// (record.Value.AppendText) is one of Literals, which are sorted.
type Required struct {
	Field    record.Field
	Literals []string
}

// requiredBy returns what e requires: of an and all that its operands do, of
// an or what all its operands do, (a: x and …) or (a: y and …) being a: x or
// a: y at least.
func requiredBy(e *expr) []Required {
	switch e.op {
	case opLeaf:
		if r, ok := e.requirement(); ok {
			return []Required{r}
		}
	case opAnd:
		var all []Required
		for _, kid := range e.kids {
			all = append(all, requiredBy(kid)...)
		}
		return all
	case opOr:
		common := requiredBy(e.kids[0])
		for _, kid := range e.kids[1:] {
			common = commonRequirements(common, requiredBy(kid))
		}
		return common
	}
	return nil
}

func (e *expr) requirement() (Required, bool) {
	t := e.cond.target
	if e.negated || e.cond.within != nil || t.typed || t.literal != 0 || t.typ != record.Keyword {
		return Required{}, false
	}
	r := Required{Field: t.field}
	for _, o := range e.cond.operands {
		if !o.exact() {
			return Required{}, false
		}
		r.Literals = append(r.Literals, o.text)
	}
	slices.Sort(r.Literals)
	return r, true
}

func commonRequirements(a, b []Required) []Required {
	var common []Required
	for _, x := range a {
		for _, y := range b {
			if x.Field == y.Field {
				literals := slices.Concat(x.Literals, y.Literals)
				slices.Sort(literals)
				common = append(common, Required{x.Field, slices.Compact(literals)})
				break
			}
		}
	}
	return common
}
