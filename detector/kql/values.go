package kql

import (
	"fmt"
	"strings"

	"fluent-bit-newterms/detector/record"
)

// ParseTyped is Parse, and refuses a value that the type of its field cannot
// hold, as Elasticsearch does: source.ip: foo. typeOf returns the type of a
// field.
func ParseTyped(query string, typeOf func(path string) record.Type) (Node, error) {
	p := &parser{src: query}
	n, err := p.parse()
	if err != nil {
		return nil, err
	}
	if bad, ok := (checker{typeOf: typeOf}).first(n); ok {
		return nil, p.errorAt(p.leaves[bad.leaf], "", bad.hint).because(bad.msg)
	}
	return n, nil
}

// CheckValues is what ParseTyped checks, for a tree that was not parsed. The
// error says nothing of the place.
func CheckValues(n Node, typeOf func(path string) record.Type) error {
	if bad, ok := (checker{typeOf: typeOf}).first(n); ok {
		return fmt.Errorf("%s; %s", bad.msg, bad.hint)
	}
	return nil
}

// badValue is a value that its field cannot hold. leaf counts the conditions
// before it in the tree.
type badValue struct {
	leaf      int
	msg, hint string
}

type checker struct {
	typeOf func(path string) record.Type
	prefix string // of the nested field that the tree lies in, with a dot
}

// first returns the first value of n that its field cannot hold.
func (c checker) first(n Node) (bad badValue, found bool) {
	leaf := 0
	check := func(c checker, f FieldName, text string, what valueForm) {
		if !found && !f.IsBare() && !f.IsPattern() {
			bad.msg, bad.hint = c.value(f.Name, text, what)
			bad.leaf, found = leaf, bad.msg != ""
		}
		leaf++
	}
	var within func(c checker, n Node)
	within = func(c checker, n Node) {
		Walk(n, func(n Node) bool {
			switch n := n.(type) {
			case Match:
				form := exactForm
				if n.Value.IsExists() {
					form = anyForm
				} else if n.Value.IsWildcard() {
					form = patternForm
				}
				check(c, n.Field, n.Value.Text, form)
			case Range:
				check(c, n.Field, n.Value.Text, boundForm)
			case Glob:
				check(c, n.Field, n.Pattern, patternForm)
			case InList:
				leaf++
			case Nested:
				within(checker{c.typeOf, c.prefix + n.Path + "."}, n.Node)
				return false
			}
			return true
		})
	}
	within(c, n)
	return bad, found
}

// valueForm is how a condition compares with a value.
type valueForm uint8

const (
	anyForm     valueForm = iota // field: *
	exactForm                    // field: value
	patternForm                  // field: val*
	boundForm                    // field < value
)

// value says why a field cannot hold a value, and what to write; "" if it can.
func (c checker) value(field, text string, form valueForm) (msg, hint string) {
	if form == anyForm {
		return "", ""
	}
	path := c.prefix + field
	kind, example := "", ""
	ok := form != patternForm
	switch c.typeOf(path) {
	case record.IP:
		kind, example = "address", `an address, or a block such as 10.0.0.0/8`
		if form == boundForm {
			_, isAddress := parseAddress(text)
			ok, example = isAddress, "an address such as 10.0.0.1"
		} else if ok {
			_, ok = parseBlock(text)
		}
	case record.Long, record.Double:
		kind, example = "number", "a number"
		if ok {
			_, ok = parseNumber(text)
		}
	case record.Boolean:
		kind, example = "boolean", "true or false"
		if ok {
			_, ok = parseBool(text)
		}
	case record.Date:
		kind, example = "date", `a date such as "2026-01-31T12:00:00Z", milliseconds since 1970, or date math such as now-1d/d`
		if ok {
			_, isDate := parseDate(text)
			_, isMath := parseDateMath(text)
			ok = isDate || isMath
		}
	default:
		return "", ""
	}
	switch {
	case ok:
		return "", ""
	case form == patternForm && strings.ContainsAny(text, "*?"):
		return fmt.Sprintf("%s is of type %s, which takes no wildcards", path, kind), "write " + example
	}
	return fmt.Sprintf("%s is of type %s, which %q is not", path, kind, shorten(text)), "write " + example
}

// shorten keeps a value that a message quotes to a length that a line holds.
func shorten(s string) string {
	if runes := []rune(s); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return s
}
