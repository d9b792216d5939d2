package kql

import (
	"strings"

	"fluent-bit-newterms/detector/record"
)

// analysed matches the tokens of a text, in lower case:
//
//	message: failed password       any of the two words
//	message: "failed password"     the two, one after the other
//	message: fail* passw*          a word that begins with either
//
// A range compares each word, a value list the whole text. A wildcard is
// compared with the whole text too, letter case included: one with signs that
// no word holds (debian\:*) would else never match, as it does not in
// Elasticsearch, and that is not what rules mean by it.
type analysed struct {
	words    *set       // any of these is a token; nil for none
	phrases  [][]string // of two words or more
	patterns []textTest // on a token
	whole    []matcher  // on the text
}

func newAnalysed(operands []operand) matcher {
	a := &analysed{whole: listsOf(operands)}
	var words []string
	var patterns wildcards
	for _, o := range operands {
		switch o.kind {
		case opWord:
			words = append(words, tokens(o.text)...)
		case opPhrase:
			if phrase := tokens(o.text); len(phrase) == 1 {
				words = append(words, phrase...)
			} else if len(phrase) > 1 {
				a.phrases = append(a.phrases, phrase)
			}
		case opWildcard:
			for _, piece := range pieces(o) {
				switch {
				case len(piece) == 1:
					words = append(words, tokens(piece[0])...)
				case strings.Join(piece, "") == "":
					a.whole = append(a.whole, keyword{anyText{}})
				default:
					patterns = append(patterns, newWildcard(lowerAll(piece)))
				}
			}
			a.whole = append(a.whole, keyword{wildcards{newWildcard(o.parts)}})
		case opRange:
			a.patterns = append(a.patterns, textRange{o.op, o.text})
		case opGlob:
			a.patterns = append(a.patterns, globTest{glob: compileGlob(o.text).fold(true)})
		}
	}
	if len(words) > 0 {
		a.words = newSet(words)
	}
	if len(patterns) > 0 {
		a.patterns = append(a.patterns, patterns)
	}
	if a.words == nil && a.phrases == nil && a.patterns == nil {
		return newAnyOf(a.whole)
	}
	return a
}

// pieces returns the patterns of a wildcard, which white space separates.
func pieces(o operand) [][]string {
	if o.onePiece {
		return [][]string{o.parts}
	}
	var all [][]string
	piece := []string{""}
	end := func() {
		if len(piece) > 1 || piece[0] != "" {
			all = append(all, piece)
		}
		piece = []string{""}
	}
	for i, part := range o.parts {
		if i > 0 {
			piece = append(piece, "")
		}
		for _, r := range part {
			if isTrimmed(r) {
				end()
			} else {
				piece[len(piece)-1] += string(r)
			}
		}
	}
	end()
	return all
}

// tokens returns the tokens of a literal.
func tokens(s string) []string {
	var all []string
	for {
		token, rest, ok := nextToken(s)
		if !ok {
			return all
		}
		all = append(all, lowerCase(token))
		s = rest
	}
}

func (a *analysed) match(val *record.Value, m *Memo) bool {
	s, ok := m.text(val)
	if !ok {
		return false
	}
	for {
		token, rest, ok := nextToken(s)
		if !ok {
			break
		}
		if a.matchToken(m.lowerCase(token), m) {
			return true
		}
		for _, phrase := range a.phrases {
			if startsWithPhrase(token, rest, phrase, m) {
				return true
			}
		}
		s = rest
	}
	for _, mt := range a.whole {
		if mt.match(val, m) {
			return true
		}
	}
	return false
}

func (a *analysed) matchToken(token string, m *Memo) bool {
	if a.words != nil && a.words.contains(token) {
		return true
	}
	for _, p := range a.patterns {
		if p.matchText(token, m) {
			return true
		}
	}
	return false
}

// startsWithPhrase reports whether token and the tokens of rest begin with
// the words of phrase.
func startsWithPhrase(token, rest string, phrase []string, m *Memo) bool {
	for _, word := range phrase {
		if m.lowerCase(token) != word {
			return false
		}
		token, rest, _ = nextToken(rest)
	}
	return true
}

func (a *analysed) cost() int { return 200 + 20*len(a.phrases) + 20*len(a.patterns) }
