package kql

import (
	"strings"
	"unicode/utf8"
)

// glob is a pattern of the query DSL, as filters of rules hold it:
//
//	{"wildcard": {"file.path": {"value": "/tmp/.?*", "case_insensitive": true}}}
//
// It is a sequence of texts, of ? for any one character, and of * for any run
// of them.
type glob []globItem

type globItem struct {
	kind globKind
	text string // globText
}

type globKind uint8

const (
	globText globKind = iota
	globOne           // ?
	globRun           // *
)

// compileGlob reads a pattern. A backslash takes the meaning from the
// character behind it; at the end it stands for itself.
func compileGlob(pattern string) glob {
	var g glob
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			g = append(g, globItem{text: text.String()})
			text.Reset()
		}
	}
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '\\':
			if i++; i == len(pattern) {
				i--
			}
			text.WriteByte(pattern[i])
		case '?':
			flush()
			g = append(g, globItem{kind: globOne})
		case '*':
			flush()
			if n := len(g); n == 0 || g[n-1].kind != globRun {
				g = append(g, globItem{kind: globRun})
			}
		default:
			text.WriteByte(c)
		}
	}
	flush()
	return g
}

// parts returns what stands before, between and after the stars of a pattern
// without ?.
func (g glob) parts() (parts []string, ok bool) {
	run := ""
	for _, item := range g {
		switch item.kind {
		case globText:
			run = item.text
		case globRun:
			parts = append(parts, run)
			run = ""
		default:
			return nil, false
		}
	}
	return append(parts, run), true
}

// fold returns the pattern in lower case, if asked to.
func (g glob) fold(lower bool) glob {
	if lower {
		for i := range g {
			g[i].text = lowerCase(g[i].text)
		}
	}
	return g
}

// matches tries the shortest run for the last * first, and a longer one
// whenever what follows does not fit: earlier stars need no second try.
func (g glob) matches(s string) bool {
	at := 0         // in g
	star := -1      // the last * met
	var rest string // of s, where what follows star was tried last
	for {
		switch {
		case at < len(g) && g[at].kind == globRun:
			star, rest = at, s
			at++
			continue
		case at < len(g) && g[at].kind == globText && strings.HasPrefix(s, g[at].text):
			s = s[len(g[at].text):]
			at++
			continue
		case at < len(g) && g[at].kind == globOne && s != "":
			_, size := utf8.DecodeRuneInString(s)
			s = s[size:]
			at++
			continue
		case at == len(g) && s == "":
			return true
		case star < 0 || rest == "":
			return false
		}
		_, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
		s, at = rest, star+1
	}
}

type globTest struct {
	glob   glob
	folded bool // glob is in lower case
}

func (t globTest) matchText(s string, m *Memo) bool {
	if t.folded {
		s = m.lowerCase(s)
	}
	return t.glob.matches(s)
}

func (t globTest) cost() int { return 25 }
