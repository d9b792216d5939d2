package normalize

import (
	"fmt"
	"regexp"
	"strings"
)

// MaxTerm is the length, in bytes, up to which a term is split. A longer term
// is its own form.
const MaxTerm = 4 << 10

// marker begins a part in a form; the kind's letter follows. A term that holds
// the marker itself is its own form: nobody can write a form by hand.
const marker = '\x00'

// Part is a piece of a term that a step took out.
type Part struct {
	Kind byte   // the step's letter
	Text string // as it stood in the term
}

// Normalizer splits terms. The nil Normalizer takes nothing out. It is safe for
// concurrent use.
type Normalizer struct{ steps []step }

// step finds the parts of one kind.
type step struct {
	kind byte
	// find returns the places [start, end) of the parts in a text, in order and
	// not overlapping.
	find func(text string) [][2]int
	// show is what stands for a part of the step where people read a form.
	show string
}

// piece is a text that is left over, or a part.
type piece struct {
	text string
	step *step // nil for a text
}

// Split returns a term's form and its parts, in the order of the term. Equal
// forms are shared by terms that differ in their parts only: a form with its
// parts put back is the term again (see Join).
func (n *Normalizer) Split(term string) (form string, parts []Part) {
	pieces := n.pieces(term)
	if len(pieces) == 1 && pieces[0].step == nil {
		return term, nil
	}
	var b strings.Builder
	for _, p := range pieces {
		if p.step == nil {
			b.WriteString(p.text)
			continue
		}
		b.WriteByte(marker)
		b.WriteByte(p.step.kind)
		parts = append(parts, Part{p.step.kind, p.text})
	}
	return b.String(), parts
}

// Show returns a term as people read its form, with an asterisk for each part.
func (n *Normalizer) Show(term string) string {
	var b strings.Builder
	for _, p := range n.pieces(term) {
		if p.step == nil {
			b.WriteString(p.text)
		} else {
			b.WriteString(p.step.show)
		}
	}
	return b.String()
}

// Join puts parts back into a form. It is the inverse of Split.
func Join(form string, parts []Part) string {
	var b strings.Builder
	for i := 0; i < len(form); i++ {
		if form[i] == marker && len(parts) > 0 && i+1 < len(form) && form[i+1] == parts[0].Kind {
			b.WriteString(parts[0].Text)
			parts = parts[1:]
			i++
			continue
		}
		b.WriteByte(form[i])
	}
	return b.String()
}

func (n *Normalizer) pieces(term string) []piece {
	pieces := []piece{{text: term}}
	if n == nil || term == "" || len(term) > MaxTerm || strings.IndexByte(term, marker) >= 0 {
		return pieces
	}
	for i := range n.steps {
		s := &n.steps[i]
		next := make([]piece, 0, len(pieces))
		for _, p := range pieces {
			if p.step != nil {
				next = append(next, p)
				continue
			}
			next = s.apply(next, p.text)
		}
		pieces = next
	}
	return pieces
}

// apply appends a text, with the step's parts taken out, to pieces.
func (s *step) apply(pieces []piece, text string) []piece {
	at := 0
	for _, place := range s.find(text) {
		if place[0] > at {
			pieces = append(pieces, piece{text: text[at:place[0]]})
		}
		pieces = append(pieces, piece{text[place[0]:place[1]], s})
		at = place[1]
	}
	if at < len(text) || at == 0 {
		pieces = append(pieces, piece{text: text[at:]})
	}
	return pieces
}

// words finds a regular expression where it stands as a word of its own: no
// letter or digit is beside it.
func words(re *regexp.Regexp, accept func(match string) bool) func(string) [][2]int {
	return func(text string) (places [][2]int) {
		for _, m := range re.FindAllStringIndex(text, -1) {
			if m[0] > 0 && isAlnum(text[m[0]-1]) || m[1] < len(text) && isAlnum(text[m[1]]) {
				continue
			}
			if accept == nil || accept(text[m[0]:m[1]]) {
				places = append(places, [2]int{m[0], m[1]})
			}
		}
		return places
	}
}

// group finds the first group of a regular expression.
func group(re *regexp.Regexp, accept func(match string) bool) func(string) [][2]int {
	return func(text string) (places [][2]int) {
		for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
			if m[2] < m[3] && (accept == nil || accept(text[m[2]:m[3]])) {
				places = append(places, [2]int{m[2], m[3]})
			}
		}
		return places
	}
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// own returns the step of a user's regular expression. What it matches is the
// part; replace is what people read in its place.
func own(kind byte, match, replace string) (step, error) {
	re, err := regexp.Compile(match)
	if err != nil {
		return step{}, fmt.Errorf("match %q is not a regular expression (RE2): %w", match, err)
	}
	if re.MatchString("") {
		return step{}, fmt.Errorf("match %q matches an empty text; it must match at least one character", match)
	}
	return step{kind: kind, show: replace, find: func(text string) (places [][2]int) {
		for _, m := range re.FindAllStringIndex(text, -1) {
			places = append(places, [2]int{m[0], m[1]})
		}
		return places
	}}, nil
}
