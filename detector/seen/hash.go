package seen

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/dchest/siphash"
)

// maxTerms is how many terms of a tuple are indexed and grouped; rules have one
// to three. Terms beyond it still tell tuples apart.
const maxTerms = 4

// hashed is a tuple in memory: a keyed hash of its bytes, and one of each term.
// The key is drawn anew by every process, so nobody can prepare tuples or terms
// that collide.
type hashed struct {
	key   uint64           // the tuple, as the LRU's key
	check uint32           // 32 more bits of it, kept beside the value
	n     int              // how many terms are hashed
	terms [maxTerms]uint64 // each term by itself
}

type hashKey struct{ k0, k1 uint64 }

var processKey = sync.OnceValue(func() hashKey {
	var b [16]byte
	rand.Read(b[:]) // never fails: it ends the process instead
	return hashKey{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
})

// hashTuple hashes a tuple whole.
func (k hashKey) hashTuple(terms []byte) (key uint64, check uint32) {
	a, b := siphash.Hash128(k.k0, k.k1, terms)
	return a, uint32(b)
}

// hashTerms hashes each term of a tuple.
func (k hashKey) hashTerms(terms []byte, h *hashed) {
	h.n = 0
	for h.n < maxTerms && len(terms) > 0 {
		n, err := termLen(terms)
		if err != nil {
			n = len(terms) // not our bytes: what is left counts as one term
		}
		h.terms[h.n] = siphash.Hash(k.k0, ^k.k1, terms[:n])
		h.n++
		terms = terms[n:]
	}
}

// group returns a hash of the terms of h whose bits are set in mask.
func (h *hashed) group(mask uint) uint64 {
	x := uint64(mask) * 0x9e3779b97f4a7c15
	for i := range h.n {
		if mask>>i&1 != 0 {
			x = bits.RotateLeft64(x, 21) ^ h.terms[i]
			x *= 0xbf58476d1ce4e5b9
		}
	}
	return x ^ x>>31
}
