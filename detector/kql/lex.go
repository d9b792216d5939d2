package kql

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// specials are the characters that end an unquoted literal, and that a
// backslash makes ordinary in one.
const specials = `\():<>"*{}`

// isSpace reports whether r is white space between the parts of a query.
func isSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\r', '\n', 0xA0:
		return true
	}
	return false
}

func startsWithSpace(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && isSpace(r)
}

// skipSpace returns the offset of the first character of s, at or after i,
// that is not white space.
func skipSpace(s string, i int) int {
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !isSpace(r) {
			break
		}
		i += size
	}
	return i
}

// isTrimmed reports whether r is taken off the ends of an unquoted literal,
// which is more than what may stand between the parts of a query: all that
// JavaScript counts as white space.
func isTrimmed(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', 0xFEFF, 0x2028, 0x2029:
		return true
	}
	return unicode.Is(unicode.Zs, r)
}

func trimSpace(s string) string { return strings.TrimFunc(s, isTrimmed) }

// hasFold reports whether s begins with lower, in any letter case.
func hasFold(s, lower string) bool {
	return len(s) >= len(lower) && strings.EqualFold(s[:len(lower)], lower)
}

// keywordLen returns the length of the keyword that s begins with, 0 if it
// begins with none. Whether it is one depends on what stands around it.
func keywordLen(s string) int {
	switch {
	case hasFold(s, "or"):
		return 2
	case hasFold(s, "and"), hasFold(s, "not"):
		return 3
	}
	return 0
}

// keywordAt returns the keyword in lower case at s[i:], if it is one: white
// space must follow it.
func keywordAt(s string, i int) string {
	n := keywordLen(s[i:])
	if n == 0 || !startsWithSpace(s[i+n:]) {
		return ""
	}
	return strings.ToLower(s[i : i+n])
}

// escape reads the escape at s[0], a backslash, of an unquoted literal.
// It returns what it stands for and its length, 0 if it is none.
func escape(s string) (text string, n int) {
	s = s[1:]
	// \not is a word with the meaning taken from it, though \n is a line feed
	// and so \nothing is a line feed and othing.
	if hasFold(s, "not") && !startsWithWord(s[3:]) {
		return s[:3], 4
	}
	if text, n = escapeAnywhere(s); n > 0 {
		return text, n + 1
	}
	if s != "" && strings.IndexByte(specials, s[0]) >= 0 {
		return s[:1], 2
	}
	if n = keywordLen(s); n > 0 {
		return s[:n], n + 1
	}
	return "", 0
}

// escapeQuoted is escape for a quoted literal, where a backslash that
// escapes nothing stands for itself.
func escapeQuoted(s string) (text string, n int) {
	s = s[1:]
	if text, n = escapeAnywhere(s); n > 0 {
		return text, n + 1
	}
	if s != "" && (s[0] == '"' || s[0] == '\\') {
		return s[:1], 2
	}
	return `\`, 1
}

// escapeAnywhere reads the escapes that quoted and unquoted literals share,
// from behind the backslash: \t, \r, \n and \u with four hexadecimal digits.
func escapeAnywhere(s string) (text string, n int) {
	if s == "" {
		return "", 0
	}
	switch s[0] {
	case 't':
		return "\t", 1
	case 'r':
		return "\r", 1
	case 'n':
		return "\n", 1
	case 'u':
		r, ok := hexRune(s[1:])
		if !ok {
			return "", 0
		}
		n = 5
		// Characters beyond U+FFFF are written as two halves, as in
		// JavaScript. A half alone is no character: U+FFFD stands for it.
		if utf16.IsSurrogate(r) && strings.HasPrefix(s[n:], `\u`) {
			if low, ok := hexRune(s[n+2:]); ok {
				if both := utf16.DecodeRune(r, low); both != unicode.ReplacementChar {
					return string(both), n + 6
				}
			}
		}
		return string(r), n
	}
	return "", 0
}

func hexRune(s string) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range []byte(s[:4]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func startsWithWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && (r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r))
}
