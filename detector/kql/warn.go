package kql

import (
	"fmt"
	"strings"
)

// Warning is a part of a query that is correct KQL but hardly what its author
// means.
type Warning struct{ Msg, Hint string }

// Warnings returns what is odd about the unquoted values of a query, such as
// a = b, which searches every field for the text "a = b".
func Warnings(n Node) []Warning {
	var all []Warning
	Walk(n, func(n Node) bool {
		if m, ok := n.(Match); ok && !m.Value.Quoted {
			if w := m.doubt(); w.Msg != "" {
				all = append(all, w)
			}
		}
		return true
	})
	return all
}

// doubt says what is odd about an unquoted value, or nothing.
func (m Match) doubt() Warning {
	text := m.Value.Text
	value := fmt.Sprintf("the value %q", shorten(text))
	switch {
	case strings.Contains(text, "&&"):
		return Warning{value + " holds &&, which joins nothing in KQL", "write and to join two conditions, or put the value in quotes"}
	case strings.Contains(text, "||"):
		return Warning{value + " holds ||, which joins nothing in KQL", "write or to join two conditions, or put the value in quotes"}
	case strings.HasPrefix(text, "!") && m.Field.IsBare():
		return Warning{value + " begins with !, which negates nothing in KQL", "write not before the condition"}
	case len(text) > 2 && text[0] == '/' && text[len(text)-1] == '/' && (m.Field.IsBare() || strings.ContainsAny(text, `.[|?+^$`)):
		return Warning{value + " looks like a regular expression and is compared as it stands", "use wildcards: KQL has no regular expressions"}
	case m.Field.IsBare() && strings.Contains(text, "="):
		return Warning{fmt.Sprintf("%q has no field, so it is searched for in every field", shorten(text)), "a field and its value are joined by a colon"}
	case endsWithKeyword(text) && strings.ContainsFunc(text, isSpace):
		return Warning{value + " ends with a keyword", "put it in quotes if it is meant, or else remove the keyword"}
	case startsWithJoin(text):
		return Warning{value + " begins with a keyword", "put it in quotes if it is meant, or else remove the keyword"}
	}
	return Warning{}
}

func startsWithJoin(s string) bool {
	word := keywordAt(s, 0)
	return word == "and" || word == "or"
}
