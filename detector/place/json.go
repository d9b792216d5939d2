package place

import (
	"strconv"
	"strings"
)

// MaxJSONDepth bounds how deep positions are looked for.
const MaxJSONDepth = 200

// indexJSON finds where the keys and values of a JSON text stand, which the
// decoder does not tell. The text has been decoded without an error; where
// the scanner does not understand it, it stops.
func indexJSON(text string) map[string]Place {
	s := jsonScanner{text: text, places: map[string]Place{}}
	s.blanks()
	s.places[""] = Place{s.i, s.i}
	s.value("", 0)
	return s.places
}

type jsonScanner struct {
	text   string
	i      int
	places map[string]Place
}

func (s *jsonScanner) value(path string, depth int) {
	if depth > MaxJSONDepth || s.i >= len(s.text) {
		s.i = len(s.text)
		return
	}
	switch s.text[s.i] {
	case '"':
		s.str()
	case '{':
		s.members('}', func(int) {
			key := s.i
			if s.text[s.i] != '"' {
				s.i = len(s.text)
				return
			}
			name, err := strconv.Unquote(s.str())
			if err != nil {
				name = strings.Trim(s.text[key:s.i], `"`)
			}
			s.blanks()
			s.i++ // the colon
			s.blanks()
			child := Child(path, name)
			s.places[child] = Place{key, s.i}
			s.value(child, depth+1)
		})
	case '[':
		s.members(']', func(n int) {
			child := Element(path, n)
			s.places[child] = Place{s.i, s.i}
			s.value(child, depth+1)
		})
	default:
		for s.i < len(s.text) && !strings.ContainsRune(",]} \t\r\n", rune(s.text[s.i])) {
			s.i++
		}
	}
}

// members calls read at each member of the object or array that opens here.
func (s *jsonScanner) members(end byte, read func(n int)) {
	s.i++
	for n := 0; ; n++ {
		for s.i < len(s.text) && strings.IndexByte(" \t\r\n,", s.text[s.i]) >= 0 {
			s.i++
		}
		if s.i >= len(s.text) {
			return
		}
		if s.text[s.i] == end {
			s.i++
			return
		}
		before := s.i
		read(n)
		if s.i <= before {
			s.i = len(s.text)
			return
		}
	}
}

// str passes a string over and returns it, quotes included.
func (s *jsonScanner) str() string {
	start := s.i
	for s.i++; s.i < len(s.text); s.i++ {
		switch s.text[s.i] {
		case '\\':
			s.i++
		case '"':
			s.i++
			return s.text[start:s.i]
		}
	}
	s.i = len(s.text)
	return s.text[start:]
}

func (s *jsonScanner) blanks() {
	for s.i < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.i]) >= 0 {
		s.i++
	}
}
