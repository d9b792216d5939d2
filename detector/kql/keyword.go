package kql

import "fluent-bit-newterms/detector/record"

// textTest tests the text of a value. It is one of exact, set, wildcards,
// globs, textRange, listed, anyText and anyOfTests.
type textTest interface {
	matchText(s string, m *Memo) bool
	cost() int
}

// keyword matches the text of a value as a whole, letter case included:
//
//	event.action: create
//
// Numbers and booleans are compared by their text. An unquoted null, which
// Elasticsearch refuses to search for, is the text null.
type keyword struct{ test textTest }

func (k keyword) match(val *record.Value, m *Memo) bool {
	s, ok := m.text(val)
	return ok && k.test.matchText(s, m)
}

func (k keyword) cost() int { return k.test.cost() }

func newKeyword(operands []operand) matcher {
	return keyword{newTextTest(operands)}
}

// newTextTest returns the test that whole texts satisfy any of the operands.
func newTextTest(operands []operand) textTest {
	var texts []string
	var patterns wildcards
	var tests []textTest
	for _, o := range operands {
		switch o.kind {
		case opWord, opPhrase:
			texts = append(texts, o.text)
		case opWildcard:
			patterns = append(patterns, newWildcard(o.parts))
		case opRange:
			tests = append(tests, textRange{o.op, o.text})
		case opGlob:
			tests = append(tests, globTest{compileGlob(o.text).fold(o.folded), o.folded})
		case opList:
			tests = append(tests, listed{o.list})
		}
	}
	if len(patterns) > 0 {
		tests = append([]textTest{patterns}, tests...)
	}
	switch len(texts) {
	case 0:
	case 1:
		tests = append([]textTest{exact(texts[0])}, tests...)
	default:
		tests = append([]textTest{newSet(texts)}, tests...)
	}
	if len(tests) == 1 {
		return tests[0]
	}
	return anyOfTests(tests)
}

// anyOfTests holds when any of its tests does.
type anyOfTests []textTest

func (a anyOfTests) matchText(s string, m *Memo) bool {
	for _, t := range a {
		if t.matchText(s, m) {
			return true
		}
	}
	return false
}

func (a anyOfTests) cost() int {
	sum := 0
	for _, t := range a {
		sum += t.cost()
	}
	return sum
}
