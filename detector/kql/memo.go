package kql

import (
	"math"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"fluent-bit-newterms/detector/record"
)

// Memo holds the results of the tests that predicates share, for the record
// at hand, and scratch space. Reset it for each record. It belongs to one
// goroutine, and to the predicates of the Compiler that made it.
type Memo struct {
	// Now is what "now" means in date math, in milliseconds since 1970; 0 is the
	// clock's time. Set it before a record's first Match.
	Now int64
	// Dated: a test since the last Reset has looked at Now.
	Dated bool

	// results holds, by slot, the epoch in which a result was found, and
	// the result in the lowest bit. A reset begins a new epoch, and so
	// forgets all results at once.
	results []uint32
	epoch   uint32

	number []byte // the text of a number or boolean
	lower  []byte // a text in lower case

	searches []*search // by level, of elements of nested fields
	depth    int       // searches that are under way
}

// NewMemo returns a Memo for the predicates of c. It is best made when all
// are compiled: for those compiled later, it grows in the first Match.
func (c *Compiler) NewMemo() *Memo {
	return &Memo{
		results: make([]uint32, c.slots+1),
		epoch:   2,
		number:  make([]byte, 0, 32),
		lower:   make([]byte, 0, 256),
	}
}

// Reset forgets the results, for the next record.
func (m *Memo) Reset() {
	if m.epoch >= math.MaxUint32-1 {
		clear(m.results)
		m.epoch = 0
	}
	m.epoch += 2
	m.Dated, m.depth = false, 0
	if cap(m.lower) > keptLower {
		m.lower = nil
	}
}

// keptLower is how much memory a Memo keeps for a text in lower case, so that
// one huge text does not hold it for good.
const keptLower = 1 << 20

func (m *Memo) get(slot int32) (result, known bool) {
	if int(slot) >= len(m.results) {
		m.results = append(m.results, make([]uint32, int(slot)+1-len(m.results))...)
	}
	r := m.results[slot]
	return r&1 != 0, r&^1 == m.epoch
}

func (m *Memo) set(slot int32, result bool) {
	r := m.epoch
	if result {
		r |= 1
	}
	m.results[slot] = r
}

// text returns the text of a scalar, as a keyword field holds it; ok is false
// for null and for objects. It is valid until the next call.
func (m *Memo) text(val *record.Value) (s string, ok bool) {
	switch val.Kind {
	case record.String:
		return val.Str, true
	case record.Bool, record.Int, record.Uint, record.Float:
		m.number = val.AppendText(m.number[:0])
		return view(m.number), true
	}
	return "", false
}

// lowerCase returns s in lower case. It is valid until the next call.
func (m *Memo) lowerCase(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			m.lower = appendLower(m.lower[:0], s)
			return view(m.lower)
		}
	}
	return s
}

// appendLower appends s in lower case, one character at a time as
// Elasticsearch does. Bytes that are not UTF-8 stay as they are.
func appendLower(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, c)
		} else {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
		i += size
	}
	return dst
}

func lowerCase(s string) string { return string(appendLower(nil, s)) }

// view returns b as a string without a copy: it changes when b does.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
