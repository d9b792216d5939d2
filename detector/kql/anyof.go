package kql

import "fluent-bit-newterms/detector/record"

// anyOf holds when any of its matchers does.
type anyOf []matcher

// newAnyOf returns the one of matchers, several as one, or nil.
func newAnyOf(matchers []matcher) matcher {
	switch len(matchers) {
	case 0:
		return nil
	case 1:
		return matchers[0]
	}
	return anyOf(matchers)
}

func (a anyOf) match(val *record.Value, m *Memo) bool {
	for _, mt := range a {
		if mt.match(val, m) {
			return true
		}
	}
	return false
}

func (a anyOf) cost() int {
	sum := 0
	for _, mt := range a {
		sum += mt.cost()
	}
	return sum
}
