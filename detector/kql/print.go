package kql

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// How tightly a node binds, loosest first. A node inside one that binds as
// tightly or tighter is printed in parentheses, so that it is read back with
// the same shape.
const (
	bindOr = iota
	bindAnd
	bindNot
	bindLeaf
)

func binding(n Node) int {
	switch n.(type) {
	case Or:
		return bindOr
	case And:
		return bindAnd
	case Not:
		return bindNot
	}
	return bindLeaf
}

// String returns the query as canonical KQL.
func (n And) String() string { return string(appendNode(nil, n)) }

// String returns the query as canonical KQL.
func (n Or) String() string { return string(appendNode(nil, n)) }

// String returns the query as canonical KQL.
func (n Not) String() string { return string(appendNode(nil, n)) }

// String returns the query as canonical KQL.
func (n All) String() string { return string(appendNode(nil, n)) }

// String returns the query as canonical KQL.
func (n Nested) String() string { return string(appendNode(nil, n)) }

// String returns the query as canonical KQL.
func (n Match) String() string { return string(appendNode(nil, n)) }

// String returns the query as canonical KQL.
func (n Range) String() string { return string(appendNode(nil, n)) }

// String returns the query in a form of its own, as KQL has none for it:
// wildcard(field, "pattern").
func (n Glob) String() string { return string(appendNode(nil, n)) }

// String returns the query in a form of its own, as KQL has none for it:
// in_list(field, "name of the list").
func (n InList) String() string { return string(appendNode(nil, n)) }

// String returns the name as KQL writes it.
func (f FieldName) String() string { return string(appendField(nil, f)) }

// String returns the value as KQL writes it.
func (l Literal) String() string { return string(appendLiteral(nil, l)) }

func appendNode(dst []byte, n Node) []byte {
	switch n := n.(type) {
	case And, Or:
		if field, ok := sharedField(n); ok {
			dst = append(appendField(dst, field), ": ("...)
			return append(appendValues(dst, n), ')')
		}
		return appendTree(dst, n, false)
	case Not:
		return appendTree(dst, n, false)
	case All:
		return append(dst, "*: *"...)
	case Nested:
		dst = append(appendField(dst, Field(n.Path)), ": { "...)
		return append(appendNode(dst, n.Node), " }"...)
	case Match:
		if !n.Field.IsBare() {
			dst = append(appendField(dst, n.Field), ": "...)
		}
		return appendLiteral(dst, n.Value)
	case Range:
		dst = append(appendField(dst, n.Field), ' ')
		dst = append(append(dst, n.Op.String()...), ' ')
		return appendLiteral(dst, n.Value)
	case Glob:
		dst = appendField(append(dst, "wildcard("...), n.Field)
		dst = appendQuoted(append(dst, ", "...), n.Pattern)
		if n.CaseInsensitive {
			dst = append(dst, ", case_insensitive"...)
		}
		return append(dst, ')')
	case InList:
		dst = appendField(append(dst, "in_list("...), n.Field)
		name := ""
		if n.List != nil {
			name = n.List.Name
		}
		return append(appendQuoted(append(dst, ", "...), name), ')')
	}
	return dst
}

// appendValues prints a tree of matches on one field, whose name is printed
// already: the a or b of field: (a or b).
func appendValues(dst []byte, n Node) []byte {
	if m, ok := n.(Match); ok {
		return appendLiteral(dst, m.Value)
	}
	return appendTree(dst, n, true)
}

// appendTree prints an And, Or or Not, of values only or of whole conditions.
func appendTree(dst []byte, n Node, values bool) []byte {
	operand := func(operand Node) {
		child, binds := appendValues, binding(operand)
		if !values {
			child = appendNode
			if _, ok := sharedField(operand); ok && binds != bindNot {
				binds = bindLeaf // field: (a or b) has parentheses of its own
			}
		}
		if binds > binding(n) {
			dst = child(dst, operand)
			return
		}
		dst = append(dst, '(')
		dst = child(dst, operand)
		dst = append(dst, ')')
	}
	switch n := n.(type) {
	case And:
		for i, node := range n.Nodes {
			if i > 0 {
				dst = append(dst, " and "...)
			}
			operand(node)
		}
	case Or:
		for i, node := range n.Nodes {
			if i > 0 {
				dst = append(dst, " or "...)
			}
			operand(node)
		}
	case Not:
		dst = append(dst, "not "...)
		operand(n.Node)
	}
	return dst
}

// sharedField returns the field of all the matches in n, if n holds nothing
// but matches on one named field.
func sharedField(n Node) (field FieldName, ok bool) {
	ok = true
	var key string
	Walk(n, func(n Node) bool {
		switch n := n.(type) {
		case And, Or, Not:
		case Match:
			own := string(appendField(nil, n.Field))
			if key == "" {
				key, field = own, n.Field
			}
			ok = ok && own == key && !n.Field.IsBare()
		default:
			ok = false
		}
		return ok
	})
	return field, ok && key != ""
}

func appendField(dst []byte, f FieldName) []byte {
	if f.Parts == nil {
		return appendText(dst, f.Name)
	}
	return appendRuns(dst, f.Parts)
}

func appendLiteral(dst []byte, l Literal) []byte {
	switch {
	case l.Quoted:
		return appendQuoted(dst, l.Text)
	case l.Parts != nil:
		return appendRuns(dst, l.Parts)
	}
	return appendText(dst, l.Text)
}

// appendText prints a text without wildcards, unquoted where that reads back
// as the same text. White space at its ends would not.
func appendText(dst []byte, s string) []byte {
	if s == "" || trimSpace(s) != s {
		return appendQuoted(dst, s)
	}
	return appendRuns(dst, []string{s})
}

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		if r == '"' || r == '\\' {
			dst = append(dst, '\\')
		}
		dst = appendRune(dst, r, "")
	}
	return append(dst, '"')
}

// appendRuns prints an unquoted literal, escaped, with wildcards between its
// runs.
func appendRuns(dst []byte, runs []string) []byte {
	for i, run := range runs {
		if i > 0 {
			dst = append(dst, '*')
		}
		// A keyword is one where white space stands on its sides, or the
		// literal ends.
		edge := i == 0
		for k, r := range run {
			rest := run[k:]
			if n := keywordLen(rest); edge && n > 0 {
				after := rest[n:]
				if after == "" && i == len(runs)-1 || after != "" && startsWithSpace(after) {
					dst = append(dst, '\\')
				}
			}
			if strings.ContainsRune(specials, r) {
				dst = append(dst, '\\')
			}
			dst = appendRune(dst, r, rest[utf8.RuneLen(r):])
			edge = isSpace(r)
		}
	}
	return dst
}

// appendRune prints one character of a literal, and by its number if it
// cannot be seen. rest is what follows in the same run.
func appendRune(dst []byte, r rune, rest string) []byte {
	switch {
	case r == '\n' && hasFold(rest, "ot"):
		// \n and then ot would read as an escaped not.
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\t':
		return append(dst, `\t`...)
	case r == '\r':
		return append(dst, `\r`...)
	case unicode.IsPrint(r):
		return utf8.AppendRune(dst, r)
	}
	if r > 0xFFFF {
		high, low := utf16.EncodeRune(r)
		return appendHex(appendHex(dst, high), low)
	}
	return appendHex(dst, r)
}

func appendHex(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
