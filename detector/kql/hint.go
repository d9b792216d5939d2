package kql

import (
	"fmt"
	"strings"
)

const hintRange = "KQL has no [a TO b]: write field >= a and field <= b"

// isLuceneRange reports whether a value is a range as Lucene writes it.
func isLuceneRange(s string) bool {
	if len(s) < 2 || !strings.ContainsRune("[{", rune(s[0])) || !strings.ContainsRune("]}", rune(s[len(s)-1])) {
		return false
	}
	return strings.Contains(s, " TO ")
}

// hint guesses, at an error, which common mistake it comes from, and says how
// to put it right. It returns the empty string if it knows none.
func (p *parser) hint() string {
	rest := p.src[p.pos:]
	at := p.peek()
	before := strings.TrimRight(p.src[:p.pos], " \t\r\n\u00a0")
	word, _, _ := strings.Cut(p.last, " TO ")
	switch {
	case word != p.last && (at == '}' || strings.ContainsAny(p.last, "]}")):
		return hintRange
	case strings.Contains(p.last, "&&"):
		return "write and for &&"
	case strings.Contains(p.last, "||"):
		return "write or for ||"
	case endsWithEquals(p.last):
		return "write field: value, KQL has no ="
	case strings.HasPrefix(p.last, "/") && (at == '(' || at == '{' || at == ')' || at == '\\'):
		return "KQL has no regular expressions: use wildcards, or put the value in quotes"
	case at == ')' && strings.HasSuffix(before, "("):
		return "put a value between the parentheses"
	case at == ')' && len(p.opened) == 0:
		return "take this parenthesis away, or open one before it"
	case at == '}' && len(p.opened) == 0:
		return "take this brace away, or open one before it"
	case rest == "" && len(p.opened) > 0:
		return p.hintOpened()
	case keywordAt(p.src, p.pos) == "not" && strings.HasSuffix(before, ":"):
		return "write not field: value, or field: (not value)"
	case keywordAt(p.src, p.pos) == "not" && endsWithKeyword(before):
		return "write not (not …), or take both away"
	case keywordAt(p.src, p.pos) == "not":
		return "write and not, or put a value that holds the word in quotes"
	case at == ':' || at == '<' || at == '>':
		return "put a value that holds this character in quotes, or \\ before it; between two conditions write and or or"
	case at == '(' && endsWithKeyword(p.last):
		return "write a space after the keyword"
	case at == '"' || at == '(' || at == '{' || startsWithWord(rest):
		return "write and or or between two conditions, or put the whole value in quotes"
	}
	return ""
}

// endsWithEquals reports whether a literal ends in the = or == of other
// languages, as in field = "value", or has it before a colon or quote.
func endsWithEquals(s string) bool {
	s = trimSpace(s)
	return strings.HasSuffix(s, "=") && s != "="
}

func endsWithKeyword(s string) bool {
	s = trimSpace(s)
	for _, word := range []string{"not", "and", "or"} {
		if n := len(s) - len(word); n >= 0 && strings.EqualFold(s[n:], word) {
			if n == 0 || !startsWithWord(s[n-1:]) {
				return true
			}
		}
	}
	return false
}

// hintOpened points at the innermost parenthesis or brace that is open.
func (p *parser) hintOpened() string {
	offset := p.opened[len(p.opened)-1]
	at := p.errorAt(offset, "", "")
	closing := map[byte]string{'(': ")", '{': "}"}[p.src[offset]]
	return fmt.Sprintf("add the %s for the %c at line %d, column %d", closing, p.src[offset], at.Line, at.Column)
}

// hintQuote points at the quote that is never closed.
func (p *parser) hintQuote(start int) string {
	at := p.errorAt(start, "", "")
	hint := fmt.Sprintf(`the quote at line %d, column %d is not closed`, at.Line, at.Column)
	if strings.HasSuffix(trimSpace(p.src), `\"`) {
		hint += `; write \\ for a backslash before a quote`
	}
	return hint
}
