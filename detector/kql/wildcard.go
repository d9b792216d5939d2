package kql

import "strings"

// wildcard is a text with stars, each of which stands for any run of
// characters, line feeds included:
//
//	process.args: *S3 Browser*
//
// The frequent shapes have a test of their own.
type wildcard struct {
	shape wildcardShape
	text  string   // the only run that is not empty
	parts []string // shapeAny: what stands before, between and after the stars
}

type wildcardShape uint8

const (
	shapeAny      wildcardShape = iota // a*b*c
	shapePrefix                        // a*
	shapeSuffix                        // *a
	shapeContains                      // *a*
)

func newWildcard(parts []string) wildcard {
	if len(parts) == 2 && parts[1] == "" {
		return wildcard{shape: shapePrefix, text: parts[0]}
	}
	if len(parts) == 2 && parts[0] == "" {
		return wildcard{shape: shapeSuffix, text: parts[1]}
	}
	if len(parts) == 3 && parts[0] == "" && parts[2] == "" {
		return wildcard{shape: shapeContains, text: parts[1]}
	}
	return wildcard{parts: parts}
}

func (w *wildcard) matches(s string) bool {
	switch w.shape {
	case shapePrefix:
		return strings.HasPrefix(s, w.text)
	case shapeSuffix:
		return strings.HasSuffix(s, w.text)
	case shapeContains:
		return strings.Contains(s, w.text)
	}
	return matchParts(w.parts, s)
}

// wildcards are several, of which one must fit.
type wildcards []wildcard

func (ws wildcards) matchText(s string, _ *Memo) bool {
	for i := range ws {
		if ws[i].matches(s) {
			return true
		}
	}
	return false
}

func (ws wildcards) cost() int { return 2 + 8*len(ws) }

// MatchStars reports whether text fits a pattern in which * is any run of
// characters. Letter case counts.
func MatchStars(pattern, text string) bool {
	return matchParts(strings.Split(pattern, "*"), text)
}

// matchParts reports whether s fits a wildcard, given as the runs before,
// between and after its stars.
func matchParts(parts []string, s string) bool {
	if len(parts) == 1 {
		return s == parts[0]
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	// The leftmost place for each run leaves the most room for the rest.
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}
