package kql

import (
	"unicode"
	"unicode/utf8"
)

// maxToken is how many characters a token may have. What is longer is cut, as
// Elasticsearch's standard analyzer does.
const maxToken = 255

// wordClass is what the word boundary rules (Unicode Standard Annex 29) tell
// characters apart by.
type wordClass uint8

const (
	classOther     wordClass = iota
	classLetter              // ALetter, and Hebrew_Letter without its rules for quotes
	classDigit               // Numeric
	classJoiner              // ExtendNumLet: _
	classKatakana            // a run of these is a word
	classIdeograph           // each is a word
	classExtend              // belongs to the character before it
	classMidLetter           // : between letters
	classMidNum              // , between digits
	classMidNumLet           // . and ' between letters or digits
)

var asciiClass = func() (table [utf8.RuneSelf]wordClass) {
	for c := range table {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			table[c] = classLetter
		case c >= '0' && c <= '9':
			table[c] = classDigit
		}
	}
	table['_'] = classJoiner
	table[':'] = classMidLetter
	table[','] = classMidNum
	table[';'] = classMidNum
	table['.'] = classMidNumLet
	table['\''] = classMidNumLet
	return table
}()

// classAt returns the class of the first character of s, which is not empty,
// and the character's length.
func classAt(s string) (wordClass, int) {
	if c := s[0]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, size := utf8.DecodeRuneInString(s)
	return classOf(r), size
}

func classOf(r rune) wordClass {
	switch r {
	case 0xB7, 0x387, 0x55F, 0x5F4, 0x2027, 0xFE13, 0xFE55, 0xFF1A:
		return classMidLetter
	case 0x37E, 0x589, 0x60C, 0x60D, 0x66C, 0x7F8, 0x2044, 0xFE10, 0xFE14, 0xFE50, 0xFE54, 0xFF0C, 0xFF1B:
		return classMidNum
	case 0x2018, 0x2019, 0x2024, 0xFE52, 0xFF07, 0xFF0E:
		return classMidNumLet
	case 0x203F, 0x2040, 0x2054, 0xFE33, 0xFE34, 0xFE4D, 0xFE4E, 0xFE4F, 0xFF3F:
		return classJoiner
	case 0x200B, utf8.RuneError: // a zero-width space does separate
		return classOther
	case 0x30FC, 0xFF70: // the sign for a long vowel
		return classKatakana
	}
	switch {
	case unicode.In(r, unicode.Han, unicode.Hiragana):
		if unicode.In(r, unicode.Mn) {
			return classExtend
		}
		return classIdeograph
	case unicode.Is(unicode.Katakana, r):
		return classKatakana
	case unicode.IsLetter(r), unicode.Is(unicode.Nl, r), unicode.Is(unicode.Other_Alphabetic, r) && !unicode.IsMark(r):
		return classLetter
	case unicode.Is(unicode.Nd, r):
		return classDigit
	case unicode.IsMark(r), unicode.Is(unicode.Cf, r):
		return classExtend
	}
	return classOther
}

// nextToken returns the first token of s, and s behind it; ok is false if
// there is none. Tokens are words as the standard analyzer sees them: runs of
// letters and digits, with a sign inside where Unicode wants the word whole:
// 10.0.0.1, don't, system:masters.
func nextToken(s string) (token, rest string, ok bool) {
	for s != "" {
		class, size := classAt(s)
		switch class {
		case classLetter, classDigit, classKatakana, classJoiner:
			n, isWord := wordLen(s, class, size)
			if isWord {
				return s[:n], s[n:], true
			}
			s = s[n:]
		case classIdeograph:
			n := size + extendLen(s[size:])
			return s[:n], s[n:], true
		default:
			s = s[size:]
		}
	}
	return "", "", false
}

// wordLen returns the length of the word at the beginning of s, of which the
// first character's class and size are given. isWord is false for a run of
// nothing but joiners.
func wordLen(s string, last wordClass, size int) (n int, isWord bool) {
	n = size
	isWord = last != classJoiner
	for chars := 1; n < len(s) && chars < maxToken; chars++ {
		class, size := classAt(s[n:])
		switch class {
		case classExtend:
			n += size
			continue
		case classLetter, classDigit:
			if last == classKatakana {
				return n, isWord
			}
			isWord = true
		case classKatakana:
			if last != classKatakana && last != classJoiner {
				return n, isWord
			}
			isWord = true
		case classJoiner:
		case classMidLetter, classMidNum, classMidNumLet:
			if !joins(class, last, s[n+size:]) {
				return n, isWord
			}
			n += size
			continue
		default:
			return n, isWord
		}
		last = class
		n += size
	}
	return n, isWord
}

// joins reports whether a sign of a class between last and rest is part of
// the word.
func joins(sign, last wordClass, rest string) bool {
	if last == classLetter && sign == classMidNum || last == classDigit && sign == classMidLetter {
		return false
	}
	if last != classLetter && last != classDigit {
		return false
	}
	rest = rest[extendLen(rest):]
	if rest == "" {
		return false
	}
	next, _ := classAt(rest)
	return next == last
}

// extendLen returns the length of the characters at the beginning of s that
// belong to the one before them.
func extendLen(s string) int {
	n := 0
	for n < len(s) {
		class, size := classAt(s[n:])
		if class != classExtend {
			break
		}
		n += size
	}
	return n
}
