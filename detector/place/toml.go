package place

import (
	"strconv"
	"strings"
)

// indexTOML finds where the keys and values of a TOML text stand, which the
// decoder does not tell. The text has been decoded without an error, so the
// scanner trusts its shape, and stops where it does not understand it.
func indexTOML(text string) map[string]Place {
	s := tomlScanner{text: text, places: map[string]Place{"": {}}, arrays: map[string]int{}}
	s.document()
	return s.places
}

type tomlScanner struct {
	text   string
	i      int
	places map[string]Place
	arrays map[string]int // by path of a [[table]]: its elements so far
}

func (s *tomlScanner) document() {
	table := ""
	for {
		s.skip(" \t\r\n")
		start := s.i
		switch {
		case s.i >= len(s.text):
			return
		case s.peek("[["):
			s.i += 2
			table = s.header(start, true)
		case s.peek("["):
			s.i++
			table = s.header(start, false)
		default:
			s.pair(table)
		}
		if s.i <= start {
			return
		}
	}
}

// header reads [a.b] or [[a.b]] up to its closing bracket and returns the
// path of the table that it opens.
func (s *tomlScanner) header(start int, element bool) string {
	path := ""
	keys := s.keys()
	for i, key := range keys {
		path = Child(path, key)
		if n, ok := s.arrays[path]; ok && !(element && i == len(keys)-1) {
			path = Element(path, n-1)
		}
		if _, ok := s.places[path]; !ok {
			s.places[path] = Place{start, start}
		}
	}
	if element {
		n := s.arrays[path]
		s.arrays[path] = n + 1
		path = Element(path, n)
	}
	s.places[path] = Place{start, start}
	for s.peek("]") {
		s.i++
	}
	return path
}

// pair reads key = value.
func (s *tomlScanner) pair(table string) {
	start := s.i
	path := table
	for _, key := range s.keys() {
		path = Child(path, key)
		if _, ok := s.places[path]; !ok {
			s.places[path] = Place{start, start}
		}
	}
	if !s.peek("=") {
		s.i = len(s.text) // not understood
		return
	}
	s.i++
	s.blanks()
	s.places[path] = Place{start, s.i}
	s.value(path)
}

func (s *tomlScanner) value(path string) {
	switch {
	case s.peek(`"""`), s.peek("'''"):
		s.longString()
	case s.peek(`"`), s.peek("'"):
		s.shortString()
	case s.peek("["):
		s.i++
		for n := 0; ; n++ {
			s.skip(" \t\r\n,")
			if s.i >= len(s.text) || s.peek("]") {
				break
			}
			element := Element(path, n)
			s.places[element] = Place{s.i, s.i}
			before := s.i
			s.value(element)
			if s.i <= before {
				s.i = len(s.text)
				return
			}
		}
		s.i++
	case s.peek("{"):
		s.i++
		for {
			s.skip(" \t\r\n,")
			if s.i >= len(s.text) || s.peek("}") {
				break
			}
			before := s.i
			s.pair(path)
			if s.i <= before {
				s.i = len(s.text)
				return
			}
		}
		s.i++
	default:
		for s.i < len(s.text) && !strings.ContainsRune(",]}#\r\n", rune(s.text[s.i])) {
			s.i++
		}
	}
}

// keys reads a dotted key.
func (s *tomlScanner) keys() []string {
	var keys []string
	for {
		s.blanks()
		start := s.i
		switch {
		case s.peek(`"`):
			s.shortString()
			key, err := strconv.Unquote(s.text[start:min(s.i, len(s.text))])
			if err != nil {
				key = strings.Trim(s.text[start:min(s.i, len(s.text))], `"`)
			}
			keys = append(keys, key)
		case s.peek("'"):
			s.shortString()
			keys = append(keys, strings.Trim(s.text[start:min(s.i, len(s.text))], "'"))
		default:
			for s.i < len(s.text) && !strings.ContainsRune(" \t\r\n.=]\"'#,", rune(s.text[s.i])) {
				s.i++
			}
			keys = append(keys, s.text[start:s.i])
		}
		s.blanks()
		if !s.peek(".") {
			return keys
		}
		s.i++
	}
}

// shortString passes a string over, and stays on its line.
func (s *tomlScanner) shortString() {
	quote := s.text[s.i]
	for s.i++; s.i < len(s.text) && s.text[s.i] != '\n'; s.i++ {
		switch c := s.text[s.i]; {
		case c == quote:
			s.i++
			return
		case c == '\\' && quote == '"':
			s.i++
		}
	}
	s.i = min(s.i, len(s.text))
}

func (s *tomlScanner) longString() {
	quote := s.text[s.i : s.i+3]
	for s.i += 3; s.i < len(s.text); s.i++ {
		switch {
		case s.text[s.i] == '\\' && quote == `"""`:
			s.i++
		case s.peek(quote):
			s.i += 3
			// Up to two more quotes belong to the string itself.
			for n := 0; n < 2 && s.peek(quote[:1]); n++ {
				s.i++
			}
			return
		}
	}
	s.i = min(s.i, len(s.text))
}

func (s *tomlScanner) peek(prefix string) bool {
	return s.i < len(s.text) && strings.HasPrefix(s.text[s.i:], prefix)
}

func (s *tomlScanner) blanks() {
	for s.i < len(s.text) && (s.text[s.i] == ' ' || s.text[s.i] == '\t') {
		s.i++
	}
}

// skip passes over the characters of set, and comments.
func (s *tomlScanner) skip(set string) {
	for s.i < len(s.text) {
		switch c := s.text[s.i]; {
		case c == '#':
			for s.i < len(s.text) && s.text[s.i] != '\n' {
				s.i++
			}
		case strings.IndexByte(set, c) >= 0:
			s.i++
		default:
			return
		}
	}
}
