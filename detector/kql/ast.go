package kql

import (
	"fmt"
	"strings"
)

// Node is a query, or a part of one. Its String is canonical KQL, which
// Parse reads back as an equal tree; only Glob and InList, which KQL cannot
// express, print in a form of their own.
//
// Nodes are values: And, not *And. A tree is never changed once it is built.
type Node interface {
	fmt.Stringer
	node()
}

// And matches a record that all of its nodes match: a and b. It holds two
// nodes or more.
type And struct{ Nodes []Node }

// Or matches a record that any of its nodes matches: a or b. It holds two
// nodes or more.
type Or struct{ Nodes []Node }

// Not matches a record that its node does not match: not a. A record without
// the field that the node asks for is such a record.
type Not struct{ Node Node }

// All matches every record. It is what the empty query, and *: *, mean.
type All struct{}

// Nested matches a record with an element of the array of objects at Path
// which alone matches Node: path: { a and b }. Field names in Node are
// relative to Path.
type Nested struct {
	Path string
	Node Node
}

// Match matches a record with a value of Field that is equal to Value, in the
// sense of the field's type: field: value. The zero Field stands for a bare
// value, which is searched for in every field.
type Match struct {
	Field FieldName
	Value Literal
}

// Range matches a record with a value of Field on one side of Value:
// field >= value.
type Range struct {
	Field FieldName
	Op    Op
	Value Literal
}

// Glob is the query DSL's wildcard query, found in the filters and exceptions
// of rules: in Pattern, * stands for any run of characters, ? for any one
// character, and a backslash takes the meaning from what follows. KQL cannot
// express it.
type Glob struct {
	Field           FieldName
	Pattern         string
	CaseInsensitive bool
}

// InList matches a record with a value of Field that a value list holds, as
// the exceptions of rules ask for. KQL cannot express it.
type InList struct {
	Field FieldName
	List  *List
}

func (And) node()    {}
func (Or) node()     {}
func (Not) node()    {}
func (All) node()    {}
func (Nested) node() {}
func (Match) node()  {}
func (Range) node()  {}
func (Glob) node()   {}
func (InList) node() {}

// Op is the comparison of a Range.
type Op uint8

// The comparisons, value of the record first: Lt is field < value.
const (
	Lt Op = iota
	Lte
	Gt
	Gte
)

// String returns the comparison as KQL writes it.
func (o Op) String() string {
	switch o {
	case Lt:
		return "<"
	case Lte:
		return "<="
	case Gt:
		return ">"
	case Gte:
		return ">="
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// holds reports whether a comparison of the record's value with the query's,
// which gave cmp (negative, zero or positive), satisfies o.
func (o Op) holds(cmp int) bool {
	switch o {
	case Lt:
		return cmp < 0
	case Lte:
		return cmp <= 0
	case Gt:
		return cmp > 0
	case Gte:
		return cmp >= 0
	}
	return cmp == 0
}

// opEqual is the comparison of field: value, which no Range makes.
const opEqual = Gte + 1

// FieldName names a field, or with unescaped wildcards (host.n*) every field
// whose name fits.
type FieldName struct {
	// Name is the name with its escapes resolved. In a pattern, its
	// wildcards are still there.
	Name string
	// Parts holds what stands before, between and after the wildcards of a
	// pattern, and is nil for a plain name: host.n* is {"host.n", ""}.
	Parts []string
}

// Field returns the plain name of one field, in which * is not special.
func Field(name string) FieldName { return FieldName{Name: name} }

// IsPattern reports whether the name holds wildcards.
func (f FieldName) IsPattern() bool { return f.Parts != nil }

// IsBare reports whether f is the zero FieldName, which stands for every
// field in a query that names none.
func (f FieldName) IsBare() bool { return f.Name == "" && f.Parts == nil }

// Matches reports whether path fits the pattern, or is the plain name.
// The zero FieldName matches every path.
func (f FieldName) Matches(path string) bool {
	switch {
	case f.Parts != nil:
		return matchParts(f.Parts, path)
	case f.Name == "":
		return true
	default:
		return f.Name == path
	}
}

// Literal is a value that a query names.
type Literal struct {
	// Text is the value with its escapes resolved. In a wildcard, its
	// unescaped * are still there.
	Text string
	// Quoted tells "value" from value. On analysed text the first is a
	// phrase and the second any of its words; a quoted value holds no
	// wildcards.
	Quoted bool
	// Parts holds what stands before, between and after the wildcards, and
	// is nil for a value without: *S3 Browser* is {"", "S3 Browser", ""}.
	Parts []string
}

// Quoted returns the literal that is exactly text.
func Quoted(text string) Literal { return Literal{Text: text, Quoted: true} }

// IsWildcard reports whether the literal holds wildcards. A lone * does.
func (l Literal) IsWildcard() bool { return l.Parts != nil }

// IsExists reports whether the literal is a lone *, which asks only that the
// field exists.
func (l Literal) IsExists() bool {
	return len(l.Parts) == 2 && l.Parts[0] == "" && l.Parts[1] == ""
}

// Exists returns the query that the record has the field: field: *.
func Exists(field string) Node {
	return Match{Field: Field(field), Value: Literal{Text: "*", Parts: []string{"", ""}}}
}

// Walk calls visit for n and the nodes below it, parents first. Below a node
// for which visit returns false it does not go.
func Walk(n Node, visit func(Node) bool) {
	if n == nil || !visit(n) {
		return
	}
	switch n := n.(type) {
	case And:
		for _, child := range n.Nodes {
			Walk(child, visit)
		}
	case Or:
		for _, child := range n.Nodes {
			Walk(child, visit)
		}
	case Not:
		Walk(n.Node, visit)
	case Nested:
		Walk(n.Node, visit)
	}
}

// Fields returns every field that the query names, once each, in the order of
// the query. Fields within a nested query are returned with their full names,
// after the name of the nested field itself. A bare value shows as the zero
// FieldName.
func Fields(n Node) []FieldName {
	var fields []FieldName
	seen := make(map[string]bool)
	add := func(f FieldName) {
		key := string(appendField(nil, f))
		if !seen[key] {
			seen[key] = true
			fields = append(fields, f)
		}
	}
	var within func(n Node, path string)
	within = func(n Node, path string) {
		Walk(n, func(n Node) bool {
			switch n := n.(type) {
			case Match:
				add(n.Field.under(path))
			case Range:
				add(n.Field.under(path))
			case Glob:
				add(n.Field.under(path))
			case InList:
				add(n.Field.under(path))
			case Nested:
				full := Field(n.Path).under(path)
				add(full)
				within(n.Node, full.Name)
				return false
			}
			return true
		})
	}
	within(n, "")
	return fields
}

// under returns the full name of f, which is relative to path.
func (f FieldName) under(path string) FieldName {
	switch {
	case path == "":
		return f
	case f.IsBare():
		return FieldName{Name: path + ".*", Parts: []string{path + ".", ""}}
	case f.Parts == nil:
		return FieldName{Name: path + "." + f.Name}
	}
	parts := append([]string(nil), f.Parts...)
	parts[0] = path + "." + parts[0]
	return FieldName{Name: strings.Join(parts, "*"), Parts: parts}
}
