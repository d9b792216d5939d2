package rule

import (
	"slices"
	"strconv"
	"strings"

	"fluent-bit-newterms/detector/kql"
)

// canonical writes what a query asks for in a form of its own, for
// Fingerprint. The form must never change, or every rule on disk would learn
// anew: it is apart from how queries print, which may become nicer. The order
// and repetition of what is and-ed or or-ed is not in it.
//
//	a: b and (c: "d" or e >= 1)  →  and(match("a"|"b")or(match("c"|quoted"d")range("e">="1")))
func canonical(n kql.Node) string {
	switch n := n.(type) {
	case kql.All:
		return "all()"
	case kql.And:
		return unordered("and", n)
	case kql.Or:
		return unordered("or", n)
	case kql.Not:
		return "not(" + canonical(n.Node) + ")"
	case kql.Nested:
		return "nested(" + strconv.Quote(n.Path) + canonical(n.Node) + ")"
	case kql.Match:
		return "match(" + canonicalField(n.Field) + "|" + canonicalLiteral(n.Value) + ")"
	case kql.Range:
		// 5 and "5" are one bound.
		return "range(" + canonicalField(n.Field) + canonicalOp(n.Op) + strconv.Quote(n.Value.Text) + ")"
	case kql.Glob:
		return "glob(" + canonicalField(n.Field) + "|" + strconv.Quote(n.Pattern) + strconv.FormatBool(n.CaseInsensitive) + ")"
	case kql.InList:
		return "list(" + canonicalField(n.Field) + "|" + strconv.Quote(n.List.Name) + ")"
	}
	return n.String() // no such node; a host must not fall over one
}

// unordered writes an and or an or: its parts once each, sorted, those of an
// and within an and among them.
func unordered(name string, n kql.Node) string {
	var parts []string
	var gather func(n kql.Node)
	gather = func(n kql.Node) {
		and, isAnd := n.(kql.And)
		or, isOr := n.(kql.Or)
		switch {
		case isAnd && name == "and":
			for _, child := range and.Nodes {
				gather(child)
			}
		case isOr && name == "or":
			for _, child := range or.Nodes {
				gather(child)
			}
		default:
			parts = append(parts, canonical(n))
		}
	}
	gather(n)
	slices.Sort(parts)
	if parts = slices.Compact(parts); len(parts) == 1 {
		return parts[0]
	}
	return name + "(" + strings.Join(parts, "") + ")"
}

func canonicalField(f kql.FieldName) string {
	if f.IsPattern() {
		return canonicalParts(f.Parts)
	}
	return strconv.Quote(f.Name)
}

func canonicalLiteral(l kql.Literal) string {
	switch {
	case l.IsWildcard():
		return canonicalParts(l.Parts)
	case l.Quoted:
		return "quoted" + strconv.Quote(l.Text)
	}
	return strconv.Quote(l.Text)
}

func canonicalParts(parts []string) string {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = strconv.Quote(p)
	}
	return strings.Join(quoted, "*")
}

func canonicalOp(op kql.Op) string {
	return [...]string{kql.Lt: "<", kql.Lte: "<=", kql.Gt: ">", kql.Gte: ">="}[op]
}
