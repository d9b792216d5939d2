package kql

import (
	"slices"

	"fluent-bit-newterms/detector/record"
)

// caseless matches the text of a value as a whole, in lower case on both
// sides:
//
//	process.name.caseless: "CMD.EXE"
type caseless struct{ test textTest }

func newCaseless(operands []operand) matcher {
	lower := slices.Clone(operands)
	for i := range lower {
		o := &lower[i]
		switch o.kind {
		case opGlob:
			o.folded = true
		case opWildcard:
			o.parts = lowerAll(o.parts)
		default:
			o.text = lowerCase(o.text)
		}
	}
	return caseless{newTextTest(lower)}
}

func (c caseless) match(val *record.Value, m *Memo) bool {
	s, ok := m.text(val)
	return ok && c.test.matchText(m.lowerCase(s), m)
}

func (c caseless) cost() int { return 10 + c.test.cost() }

func lowerAll(texts []string) []string {
	lower := make([]string, len(texts))
	for i, s := range texts {
		lower[i] = lowerCase(s)
	}
	return lower
}
