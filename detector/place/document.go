package place

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Document is the text that a rule was read from, and finds the place of each
// of its values. For TOML it is a file; for NDJSON, one line of it.
type Document struct {
	File      string
	Text      string
	FirstLine int // of Text in the file, from 1
	JSON      bool

	// places is made when the first position is asked for: most rules have
	// no problems.
	places map[string]Place
}

// Place is where a key and its value stand in the text, as byte offsets.
// Elements of arrays have no key: theirs is that of the value.
type Place struct{ Key, Value int }

// At returns the position of a byte of the text.
func (d *Document) At(offset int) Position {
	offset = min(max(offset, 0), len(d.Text))
	before := d.Text[:offset]
	line := strings.Count(before, "\n")
	start := strings.LastIndexByte(before, '\n') + 1
	return Position{
		File:   d.File,
		Line:   d.FirstLine + line,
		Column: utf8.RuneCountInString(before[start:]) + 1,
	}
}

// Place returns where path stands, or else the nearest thing around it.
func (d *Document) Place(path string) Place {
	for {
		if p, ok := d.Find(path); ok || path == "" {
			return p
		}
		path = Parent(path)
	}
}

// Start returns where the rule at path begins. It spares the index of places in
// the files that hold one rule, [rule] on a line of its own, which most are.
func (d *Document) Start(path string) Position {
	const header = "[rule]\n"
	switch at := strings.Index(d.Text, "\n"+header); {
	case d.JSON && path == "":
		return d.At(len(d.Text) - len(strings.TrimLeft(d.Text, " \t\r\n")))
	case d.JSON || path != "rule":
	case strings.HasPrefix(d.Text, header):
		return d.At(0)
	case at >= 0 && strings.Count(d.Text[:at], `'''`)+strings.Count(d.Text[:at], `"""`) == 0:
		return d.At(at + 1)
	}
	return d.At(d.Place(path).Key)
}

// Find returns where path stands; ok is false if it is not there.
func (d *Document) Find(path string) (p Place, ok bool) {
	if d.places == nil {
		if d.JSON {
			d.places = indexJSON(d.Text)
		} else {
			d.places = indexTOML(d.Text)
		}
	}
	p, ok = d.places[path]
	return p, ok
}

// Paths name values: keys joined with dots, indices in brackets, keys that
// are not bare words in quotes: rule.filters[0].query.wildcard."file.path".

func Child(parent, key string) string {
	if !isBareKey(key) {
		key = strconv.Quote(key)
	}
	if parent == "" {
		return key
	}
	return parent + "." + key
}

func Element(parent string, i int) string {
	return parent + "[" + strconv.Itoa(i) + "]"
}

// Parent takes the last key or index off a path.
func Parent(path string) string {
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

// InString returns the position of byte offset of the string value at path:
// the offset counts in the value, the position in the file. Escapes, the line
// break after an opening ”' and the like are accounted for.
func (d *Document) InString(path string, offset int) Position {
	start := d.Place(path).Value
	raw := d.Text[min(start, len(d.Text)):]
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
		return d.At(start)
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
	return d.At(start + i)
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
