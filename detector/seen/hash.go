package seen

import (
	"hash/maphash"
	"math/bits"
)

// maxTerms is how many terms of a tuple are indexed, the most that a rule has, and
// grouped how many of them, the first, make groups: most rules have one to three.
const (
	maxTerms = 16
	grouped  = 4
)

// hashed is a tuple in memory: a keyed hash of its bytes, and one of each term.
type hashed struct {
	key   uint64           // the tuple, as the LRU's key
	check uint32           // 32 more bits of it, kept beside the value
	n     int              // how many terms are hashed
	terms [maxTerms]uint32 // each term by itself, never 0
}

// The keys of the hashes are drawn anew by every process and leave it in no
// form, so nobody can prepare tuples or terms that collide. maphash is several
// times as fast as SipHash where the processor has AES.
var keySeed, checkSeed, termSeed = maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()

// hashTuple hashes a tuple whole.
func (h *hashed) hashTuple(terms []byte) {
	h.key, h.check = maphash.Bytes(keySeed, terms), uint32(maphash.Bytes(checkSeed, terms))
}

// hashTerms hashes each term of a tuple, unless that was done.
func (h *hashed) hashTerms(terms []byte) {
	if h.n > 0 {
		return
	}
	for h.n < maxTerms && len(terms) > 0 {
		n, err := termLen(terms)
		if err != nil {
			n = len(terms) // not our bytes: what is left counts as one term
		}
		h.terms[h.n] = max(uint32(maphash.Bytes(termSeed, terms[:n])), 1)
		h.n++
		terms = terms[n:]
	}
}

// groups returns a hash of each group that h belongs to: every proper part of
// its first terms. A flood from one identity holds some part of its tuples fixed, the
// user or the address or both, whichever terms it varies and wherever the rule
// lists them.
func (h *hashed) groups(buf *[1 << grouped]uint64) []uint64 {
	if h.n == 0 {
		return nil
	}
	buf[0] = 0x94d049bb133111eb
	all := 1<<min(h.n, grouped) - 1
	for part := 1; part < all; part++ {
		// A part is a smaller one and its last term. Where in the tuple that
		// is counts, too.
		last := bits.Len(uint(part)) - 1
		x := bits.RotateLeft64(buf[part^1<<last], 21) ^ uint64(h.terms[last])<<8 + uint64(last)
		x *= 0xbf58476d1ce4e5b9
		buf[part] = x ^ x>>31
	}
	return buf[1:all]
}

// Groups returns a number for each part of a tuple's terms that others may have
// in common with it: each of the terms, each two of them, and so on, smaller parts
// first. Of more than four terms the first four count. The numbers are this
// process's own.
func Groups(terms []byte) []uint64 {
	var h hashed
	h.hashTerms(terms)
	var buf [1 << grouped]uint64
	return append([]uint64(nil), h.groups(&buf)...)
}
