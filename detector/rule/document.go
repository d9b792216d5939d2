package rule

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// document is the text that a rule was read from, and finds the place of each
// of its values. For TOML it is a file; for NDJSON, one line of it.
type document struct {
	file      string
	text      string
	firstLine int // of text in the file, from 1
	json      bool

	// places is made when the first position is asked for: most rules have
	// no problems.
	places map[string]place
}

// place is where a key and its value stand in the text, as byte offsets.
// Elements of arrays have no key: theirs is that of the value.
type place struct{ key, value int }

// at returns the position of a byte of the text.
func (d *document) at(offset int) Position {
	offset = min(max(offset, 0), len(d.text))
	before := d.text[:offset]
	line := strings.Count(before, "\n")
	start := strings.LastIndexByte(before, '\n') + 1
	return Position{
		File:   d.file,
		Line:   d.firstLine + line,
		Column: utf8.RuneCountInString(before[start:]) + 1,
	}
}

// place returns where path stands, or else the nearest thing around it.
func (d *document) place(path string) place {
	if d.places == nil {
		if d.json {
			d.places = indexJSON(d.text)
		} else {
			d.places = indexTOML(d.text)
		}
	}
	for {
		if p, ok := d.places[path]; ok {
			return p
		}
		if path == "" {
			return place{}
		}
		path = parentPath(path)
	}
}

// start returns where the rule at path begins. It spares the index of places in
// the files that hold one rule, [rule] on a line of its own, which most are.
func (d *document) start(path string) Position {
	const header = "[rule]\n"
	switch at := strings.Index(d.text, "\n"+header); {
	case d.json && path == "":
		return d.at(len(d.text) - len(strings.TrimLeft(d.text, " \t\r\n")))
	case d.json || path != "rule":
	case strings.HasPrefix(d.text, header):
		return d.at(0)
	case at >= 0 && strings.Count(d.text[:at], `'''`)+strings.Count(d.text[:at], `"""`) == 0:
		return d.at(at + 1)
	}
	return d.at(d.place(path).key)
}

// Paths name values: keys joined with dots, indices in brackets, keys that
// are not bare words in quotes: rule.filters[0].query.wildcard."file.path".

func childPath(parent, key string) string {
	if !isBareKey(key) {
		key = strconv.Quote(key)
	}
	if parent == "" {
		return key
	}
	return parent + "." + key
}

func elementPath(parent string, i int) string {
	return parent + "[" + strconv.Itoa(i) + "]"
}

// parentPath takes the last key or index off a path.
func parentPath(path string) string {
	if !strings.HasSuffix(path, `"`) {
		return path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	// The opening quote of a quoted key is the one that no backslash precedes.
	for i := len(path) - 2; i > 0; i-- {
		if path[i] == '"' && path[i-1] == '.' {
			return path[:i-1]
		}
	}
	return ""
}

func isBareKey(key string) bool {
	if key == "" {
		return false
	}
	for i := range len(key) {
		switch c := key[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '$':
		default:
			return false
		}
	}
	return true
}

// inString returns the position of byte offset of the string value at path:
// the offset counts in the value, the position in the file. Escapes, the line
// break after an opening ”' and the like are accounted for.
func (d *document) inString(path string, offset int) Position {
	start := d.place(path).value
	raw := d.text[min(start, len(d.text)):]
	var i int // in raw, a byte that gives the value's byte n
	literal := false
	switch {
	case strings.HasPrefix(raw, `'''`), strings.HasPrefix(raw, `"""`):
		literal = raw[0] == '\''
		i = 3
		if strings.HasPrefix(raw[i:], "\r") {
			i++
		}
		if strings.HasPrefix(raw[i:], "\n") {
			i++
		}
	case strings.HasPrefix(raw, `'`):
		literal = true
		i = 1
	case strings.HasPrefix(raw, `"`):
		i = 1
	default:
		return d.at(start)
	}
	for n := 0; n < offset && i < len(raw); {
		if literal || raw[i] != '\\' {
			i++
			n++
			continue
		}
		width, bytes := escapeSize(raw[i:])
		i += width
		n += bytes
	}
	return d.at(start + i)
}

// escapeSize returns how long the escape at the start of raw is, and how many
// bytes it stands for.
func escapeSize(raw string) (width, bytes int) {
	if len(raw) < 2 {
		return len(raw), 0
	}
	digits := 0
	switch raw[1] {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '\n', '\r', ' ', '\t':
		// TOML: a backslash at a line's end takes the white space that
		// follows with it.
		rest := strings.TrimLeft(raw[1:], " \t\r\n")
		return len(raw) - len(rest), 0
	default:
		return 2, 1
	}
	if len(raw) < 2+digits {
		return len(raw), 0
	}
	code, err := strconv.ParseUint(raw[2:2+digits], 16, 32)
	if err != nil {
		return 2, 1
	}
	width = 2 + digits
	if code >= 0xD800 && code < 0xDC00 && len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
		return 12, 4 // JSON: a surrogate pair
	}
	if bytes = utf8.RuneLen(rune(code)); bytes < 0 {
		bytes = 3
	}
	return width, bytes
}
