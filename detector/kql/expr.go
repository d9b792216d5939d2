package kql

import (
	"slices"
	"strings"
)

// expr is a query whose names are resolved and whose negations stand at the
// leaves: what Compile simplifies before it lays out the program.
type expr struct {
	op      exprOp
	kids    []*expr   // opAnd, opOr
	negated bool      // opLeaf
	cond    condition // opLeaf
	leaf    *leaf     // opLeaf, once simplified
}

type exprOp uint8

const (
	opTrue exprOp = iota
	opFalse
	opLeaf
	opAnd
	opOr
)

// dual is what not makes of and and or.
func (op exprOp) dual() exprOp {
	switch op {
	case opAnd:
		return opOr
	case opOr:
		return opAnd
	}
	return op
}

func constant(v bool) *expr {
	if v {
		return &expr{op: opTrue}
	}
	return &expr{op: opFalse}
}

// simplify flattens ands in ands and ors in ors, folds constants, makes one
// condition of several on the same field, drops doubles, and puts what is
// cheap first.
func (s scope) simplify(e *expr) *expr {
	switch e.op {
	case opLeaf:
		return s.simplifyLeaf(e)
	case opAnd, opOr:
	default:
		return e
	}
	neutral, absorbing := opTrue, opFalse
	if e.op == opOr {
		neutral, absorbing = opFalse, opTrue
	}
	var kids []*expr
	for _, kid := range fuseConditions(e.op, flatten(e.op, e.kids)) {
		kid = s.simplify(kid)
		switch kid.op {
		case neutral:
		case absorbing:
			return kid
		case e.op:
			kids = append(kids, kid.kids...)
		default:
			kids = append(kids, kid)
		}
	}
	kids = distinct(kids)
	switch len(kids) {
	case 0:
		return &expr{op: neutral}
	case 1:
		return kids[0]
	}
	slices.SortStableFunc(kids, func(a, b *expr) int { return a.rank(e.op) - b.rank(e.op) })
	return &expr{op: e.op, kids: kids}
}

func (s scope) simplifyLeaf(e *expr) *expr {
	if e.cond.within == nil {
		e.cond = e.cond.normal()
	} else if e.cond.within.op == opFalse {
		return constant(e.negated)
	}
	leaf := s.leaf(e.cond)
	if leaf == nil {
		return constant(e.negated)
	}
	return &expr{op: opLeaf, negated: e.negated, cond: e.cond, leaf: leaf}
}

// flatten pulls up the operands of an op within an op.
func flatten(op exprOp, kids []*expr) []*expr {
	var flat []*expr
	for _, kid := range kids {
		if kid.op == op {
			flat = append(flat, flatten(op, kid.kids)...)
		} else {
			flat = append(flat, kid)
		}
	}
	return flat
}

// fuseConditions makes one condition of a: x or a: y, and of not a: x and
// not a: y.
func fuseConditions(op exprOp, kids []*expr) []*expr {
	var fused []*expr
	at := make(map[target]int) // where in fused the condition on a target is
	for _, kid := range kids {
		if kid.op != opLeaf || kid.cond.within != nil || kid.negated != (op == opAnd) {
			fused = append(fused, kid)
			continue
		}
		if i, ok := at[kid.cond.target]; ok {
			fused[i].cond.operands = append(fused[i].cond.operands, kid.cond.operands...)
			continue
		}
		at[kid.cond.target] = len(fused)
		own := *kid
		own.cond.operands = slices.Clone(kid.cond.operands)
		fused = append(fused, &own)
	}
	return fused
}

// distinct drops all but the first of equal operands.
func distinct(kids []*expr) []*expr {
	seen := make(map[string]bool, len(kids))
	return slices.DeleteFunc(kids, func(e *expr) bool {
		key := e.key()
		double := seen[key]
		seen[key] = true
		return double
	})
}

// key returns a text that is the same for expressions of the same meaning,
// as far as simplify sees it.
func (e *expr) key() string {
	switch e.op {
	case opTrue:
		return "true"
	case opFalse:
		return "false"
	case opLeaf:
		if e.negated {
			return "!" + e.cond.key()
		}
		return e.cond.key()
	}
	keys := make([]string, len(e.kids))
	for i, kid := range e.kids {
		keys[i] = kid.key()
	}
	slices.Sort(keys)
	if e.op == opAnd {
		return "(" + strings.Join(keys, " & ") + ")"
	}
	return "(" + strings.Join(keys, " | ") + ")"
}

// rank orders the operands of an and or an or: what is cheap, and what is
// likely to settle the matter, comes first.
func (e *expr) rank(op exprOp) int {
	rank := e.cost()
	if op == opAnd && e.op == opLeaf && (e.negated || e.leaf.kind == leafExists) {
		rank += 10 // most records have the field, or not this value of it
	}
	return rank
}

// cost is a guess at how long e takes, in nanoseconds. A test that another
// predicate makes too is often made already.
func (e *expr) cost() int {
	switch e.op {
	case opLeaf:
		if e.leaf.users > 0 {
			return e.leaf.cost / 2
		}
		return e.leaf.cost
	case opAnd, opOr:
		sum := 0
		for _, kid := range e.kids {
			sum += kid.cost()
		}
		return sum
	}
	return 0
}
