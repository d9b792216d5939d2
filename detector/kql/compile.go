package kql

import (
	"errors"
	"fmt"
	"strings"

	"fluent-bit-newterms/detector/record"
)

// Env resolves what a query names. Package mapping implements it.
type Env interface {
	// Field returns the field at path, and its type.
	Field(path string) (record.Field, record.Type)
	// Has reports whether the type table names this very path. If it does,
	// X.text is a field of its own, not the field X as analysed text.
	Has(path string) bool
	// Pattern returns a field that holds the values of every field whose
	// path fits f, the zero FieldName being every field there is. These
	// values come with Value.Type set.
	Pattern(f FieldName) record.Field
	// Nested returns the field whose elements (View.Elements) are those of
	// the array of objects at path, and an Env for names relative to path.
	Nested(path string) (record.Field, Env)
}

// Compiler turns queries into predicates, and lets them share the tests that
// they have in common. It is not safe for concurrent use; its predicates are,
// once the last of them is compiled.
type Compiler struct {
	env    Env
	leaves map[string]*leaf // by canonical meaning
	slots  int32            // of a Memo, handed out to leaves that are shared; slot 0 is none
}

// NewCompiler returns a Compiler of queries over the records that env knows.
func NewCompiler(env Env) *Compiler {
	return &Compiler{env: env, leaves: make(map[string]*leaf)}
}

// Compile turns a query into a predicate. A value that the type of its field
// cannot hold is not an error: the comparison is never true. An error means
// that the tree is malformed, as only one built by hand can be.
func (c *Compiler) Compile(n Node) (*Predicate, error) {
	s := scope{env: c.env, compiler: c}
	e, err := s.expr(n, false)
	if err != nil {
		return nil, err
	}
	return s.predicate(s.simplify(e)), nil
}

// scope is where names are resolved: the record, or the elements of a nested
// field.
type scope struct {
	env      Env
	compiler *Compiler // nil in a nested field, whose leaves are not shared
}

// target is what a condition looks at.
type target struct {
	field record.Field
	typ   record.Type
	// literal, if not 0, is a field that is looked at instead, as a keyword,
	// when the record holds it: X.text as a path, where field is X.
	literal record.Field
	// typed says that each value brings its own type: a field-name pattern.
	typed bool
}

// multiFields are fields of an index that hold the value of the field whose
// name they follow, indexed in another way. Documents do not show them.
var multiFields = []struct {
	suffix string
	typ    func(base record.Type) record.Type
}{
	{".caseless", func(record.Type) record.Type { return record.Caseless }},
	{".text", func(record.Type) record.Type { return record.Text }},
	{".keyword", func(base record.Type) record.Type {
		if base == record.Text {
			return record.Keyword
		}
		return base
	}},
}

func (s scope) target(f FieldName) target {
	if f.IsBare() || f.IsPattern() {
		return target{field: s.env.Pattern(f), typed: true}
	}
	field, typ := s.env.Field(f.Name)
	if !s.env.Has(f.Name) {
		for _, m := range multiFields {
			if base, ok := strings.CutSuffix(f.Name, m.suffix); ok && base != "" {
				baseField, baseType := s.env.Field(base)
				return target{field: baseField, typ: m.typ(baseType), literal: field}
			}
		}
	}
	return target{field: field, typ: typ}
}

// expr resolves a tree. Negations are pushed down to the conditions, so that
// not (a or b) is (not a) and (not b).
func (s scope) expr(n Node, negated bool) (*expr, error) {
	switch n := n.(type) {
	case nil:
		return nil, errors.New("the query holds a node that is nil")
	case And:
		return s.junction(opAnd, n.Nodes, negated)
	case Or:
		return s.junction(opOr, n.Nodes, negated)
	case Not:
		return s.expr(n.Node, !negated)
	case All:
		return constant(!negated), nil
	case Nested:
		return s.nested(n, negated)
	case Match:
		if n.Field.IsBare() && n.Value.IsExists() {
			return constant(!negated), nil
		}
		if f := n.Field; n.Value.IsExists() && len(f.Parts) == 2 && f.Parts[0] == "" && f.Parts[1] == "" {
			return constant(!negated), nil
		}
		return s.condition(n.Field, negated, operandsOf(n.Value)...), nil
	case Range:
		return s.condition(n.Field, negated, operand{kind: opRange, op: n.Op, text: n.Value.Text}), nil
	case Glob:
		return s.condition(n.Field, negated, globOperand(n)), nil
	case InList:
		if n.List == nil {
			return nil, fmt.Errorf("the list that %s is compared with is nil", n.Field)
		}
		return s.condition(n.Field, negated, operand{kind: opList, list: n.List}), nil
	}
	return nil, fmt.Errorf("a query cannot hold a %T", n)
}

func (s scope) junction(op exprOp, nodes []Node, negated bool) (*expr, error) {
	if len(nodes) == 0 {
		return nil, errors.New("the query holds an and or an or without operands")
	}
	if negated {
		op = op.dual()
	}
	e := &expr{op: op}
	for _, n := range nodes {
		kid, err := s.expr(n, negated)
		if err != nil {
			return nil, err
		}
		e.kids = append(e.kids, kid)
	}
	return e, nil
}

func (s scope) condition(f FieldName, negated bool, operands ...operand) *expr {
	return &expr{op: opLeaf, negated: negated, cond: condition{target: s.target(f), operands: operands}}
}
