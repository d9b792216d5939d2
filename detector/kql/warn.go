package kql

import (
	"fmt"
	"strings"
)

// Warnings returns a sentence on each part of a query that is correct KQL but
// hardly what its author means, such as a = b, which searches every field for
// the text "a = b".
func Warnings(n Node) []string {
	var all []string
	Walk(n, func(n Node) bool {
		if m, ok := n.(Match); ok && !m.Value.Quoted {
			if why := m.doubt(); why != "" {
				all = append(all, fmt.Sprintf("%s: %s", m, why))
			}
		}
		return true
	})
	return all
}

// doubt says what is odd about an unquoted value, or nothing.
func (m Match) doubt() string {
	text := m.Value.Text
	switch {
	case strings.Contains(text, "&&"):
		return "&& is part of the value; write and to join two conditions"
	case strings.Contains(text, "||"):
		return "|| is part of the value; write or to join two conditions"
	case m.Field.IsBare() && strings.Contains(text, "="):
		return "this text is searched for in every field; write field: value to look at one, KQL has no ="
	case !m.Field.IsBare() && len(text) > 2 && text[0] == '/' && text[len(text)-1] == '/' && strings.ContainsAny(text, `.[|?+^$`):
		return "KQL has no regular expressions, the value is compared as it stands; use wildcards"
	case endsWithKeyword(text) && strings.ContainsFunc(text, isSpace), startsWithJoin(text):
		return "the keyword is part of the value; put what it joins after it, or the value in quotes"
	}
	return ""
}

func startsWithJoin(s string) bool {
	word := keywordAt(s, 0)
	return word == "and" || word == "or"
}
