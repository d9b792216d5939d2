package main

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLogLine is the longest line in bytes that core prints whole: it has
// 4,096 bytes a line, time and level included.
const maxLogLine = 3500

// logLines returns msg as lines for the host's log, each with prefix in front
// and none longer than maxLogLine. Characters that could end the line, move a
// terminal's cursor or reorder what is shown are escaped as Go would quote
// them; so is what is not UTF-8.
func logLines(prefix, msg string) []string {
	room := max(maxLogLine-len(prefix), 2*len(`\U0010ffff`))
	var lines []string
	var line strings.Builder
	line.WriteString(prefix)
	for i := 0; i < len(msg); {
		r, size := utf8.DecodeRuneInString(msg[i:])
		text := msg[i : i+size]
		switch {
		case r == utf8.RuneError && size == 1:
			text = `\x` + hex(msg[i])
		case !harmless(r):
			text = strings.Trim(strconv.QuoteRuneToASCII(r), "'")
		}
		if line.Len()-len(prefix)+len(text) > room {
			lines = append(lines, line.String())
			line.Reset()
			line.WriteString(prefix)
		}
		line.WriteString(text)
		i += size
	}
	return append(lines, line.String())
}

// harmless tells whether r stays on its line and changes nothing else on it.
// Format characters (Cf) hold the bidirectional overrides.
func harmless(r rune) bool {
	return r == ' ' || unicode.IsGraphic(r) && !unicode.In(r, unicode.Zl, unicode.Zp)
}

func hex(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}
