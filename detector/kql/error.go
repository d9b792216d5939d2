package kql

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ParseError says where a query is not KQL, what was expected there, and
// where the mistake is a common one, how to put it right.
type ParseError struct {
	Line     int    // from 1
	Column   int    // from 1, in characters
	Offset   int    // from 0, in bytes
	Found    string // what stands there, such as "end of query"
	Expected string // what could have stood there, or empty
	Hint     string // how to put it right, or empty
}

// Error returns a sentence such as
//
//	line 2, column 14: expected ")", found end of query
func (e *ParseError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d, column %d: ", e.Line, e.Column)
	if e.Expected != "" {
		fmt.Fprintf(&b, "expected %s, found %s", e.Expected, e.Found)
	} else {
		b.WriteString(e.Found)
	}
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// errorAt returns the error at offset in the query.
func (p *parser) errorAt(offset int, expected, hint string) *ParseError {
	e := &ParseError{Offset: offset, Expected: expected, Found: found(p.src[offset:]), Hint: hint}
	before := p.src[:offset]
	e.Line = 1 + strings.Count(before, "\n")
	e.Column = 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return e
}

// found describes what a query goes on with: a keyword or a special
// character, or the first word.
func found(rest string) string {
	if rest == "" {
		return "end of query"
	}
	end := strings.IndexFunc(rest, func(r rune) bool {
		return isSpace(r) || strings.ContainsRune(specials, r)
	})
	if end < 0 {
		end = len(rest)
	}
	if end == 0 {
		_, end = utf8.DecodeRuneInString(rest)
	}
	const most = 30
	word := []rune(rest[:end])
	if len(word) > most {
		return fmt.Sprintf("%q…", string(word[:most]))
	}
	return fmt.Sprintf("%q", string(word))
}
