package kql

import "fluent-bit-newterms/detector/record"

// typedLeaf tests the values of every field whose name fits a pattern, or of
// every field there is, each as its own type wants it:
//
//	host.n*: web-1
//	nginx
func typedLeaf(l *leaf, operands []operand) *leaf {
	l.kind, l.cost = leafTyped, costOfPattern
	l.byType = new([record.Nested + 1]matcher)
	never := true
	for typ := range l.byType {
		l.byType[typ] = newMatcher(record.Type(typ), operands)
		never = never && l.byType[typ] == nil
	}
	if never {
		return nil
	}
	return l
}
