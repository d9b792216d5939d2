package rule

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"fluent-bit-newterms/detector/place"
)

// jsonFault finds where text stops being JSON: the place in bytes, what was
// found there and what was expected. ok is false if it finds nothing wrong.
func jsonFault(text string) (at int, found, expected string, ok bool) {
	s := jsonSyntax{text: text}
	s.value(0)
	if s.expected == "" {
		if s.space(); s.at == len(text) {
			return 0, "", "", false
		}
		s.fail("the end of the line")
	}
	return s.at, s.found(), s.expected, true
}

// jsonSyntax walks over a text until something is not as expected.
type jsonSyntax struct {
	text     string
	at       int
	expected string // "" while nothing is wrong
}

func (s *jsonSyntax) fail(expected string) bool {
	s.expected = expected
	return false
}

func (s *jsonSyntax) found() string {
	if s.at >= len(s.text) {
		return "the end of the line"
	}
	r, size := utf8.DecodeRuneInString(s.text[s.at:])
	if r == '"' || r == '\'' {
		return "a quote"
	}
	return fmt.Sprintf("%q", s.text[s.at:s.at+size])
}

func (s *jsonSyntax) space() {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

// eat takes one of a few signs, after white space.
func (s *jsonSyntax) eat(signs string) (sign byte, ok bool) {
	s.space()
	if s.at < len(s.text) && strings.IndexByte(signs, s.text[s.at]) >= 0 {
		s.at++
		return s.text[s.at-1], true
	}
	return 0, false
}

func (s *jsonSyntax) value(depth int) bool {
	sign, ok := s.eat(`{["`)
	switch {
	case depth > place.MaxJSONDepth:
		return s.fail(fmt.Sprintf("at most %d brackets in one another", place.MaxJSONDepth))
	case !ok:
		return s.scalar()
	case sign == '"':
		return s.rest()
	}
	object, end := sign == '{', string(sign+2) // ] and } come two after [ and {
	if _, empty := s.eat(end); empty {
		return true
	}
	for {
		if object && !s.key() || !s.value(depth+1) {
			return false
		}
		sign, ok = s.eat("," + end)
		switch {
		case !ok:
			return s.fail(`"," or "` + end + `"`)
		case sign != ',':
			return true
		}
	}
}

// key takes the name of a value and the colon after it.
func (s *jsonSyntax) key() bool {
	if _, ok := s.eat(`"`); !ok {
		return s.fail("a name in double quotes")
	}
	if !s.rest() {
		return false
	}
	if _, ok := s.eat(":"); !ok {
		return s.fail(`":"`)
	}
	return true
}

// rest takes the rest of a text in quotes.
func (s *jsonSyntax) rest() bool {
	for ; s.at < len(s.text) && s.text[s.at] >= ' '; s.at++ {
		switch s.text[s.at] {
		case '"':
			s.at++
			return true
		case '\\':
			next := strings.TrimPrefix(s.text[s.at+1:], "u")
			switch {
			case next == "":
			case len(next) < len(s.text)-s.at-1: // \u
				if len(next) < 4 || strings.Trim(next[:4], "0123456789abcdefABCDEF") != "" {
					return s.fail(`four hexadecimal digits after \u`)
				}
			case strings.IndexByte(`"\/bfnrt`, next[0]) < 0:
				return s.fail(`one of \" \\ \/ \b \f \n \r \t \u`)
			}
			s.at++
		}
	}
	s.at = min(s.at, len(s.text))
	return s.fail("a closing quote")
}

var scalarSyntax = regexp.MustCompile(`^(true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)$`)

// scalar takes a number, true, false or null.
func (s *jsonSyntax) scalar() bool {
	n := strings.IndexAny(s.text[s.at:], " \t\r\n,:{}[]\"")
	if n < 0 {
		n = len(s.text) - s.at
	}
	word := s.text[s.at : s.at+n]
	if !scalarSyntax.MatchString(word) {
		return s.fail("a value: a text in double quotes, a number, true, false, null, { or [")
	}
	s.at += n
	return true
}
