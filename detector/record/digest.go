package record

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

// Digest stands for what a View held: Views that hold the same values in the same
// slots, in the same order, have it in common, and others do not, unless by a
// chance of one in 2^63 that nobody can improve on. (Bytes of maps and arrays are
// the same only in the same format: those of JSON begin as no map or array of
// msgpack does.) It means nothing to another process. No View has the zero Digest.
//
// It is NH, the hash under UMAC: the sum of the products of pairs of words, to
// each of which a key of its own was added. Its bound needs no more than that the
// keys are secret: they are drawn anew by every process and leave it in no form.
//
// Source: Black, Halevi, Krawczyk, Krovetz, Rogaway: UMAC, CRYPTO 1999.
type Digest struct{ high, low uint64 }

// Part returns which of n equal parts of all digests d is in, n being a power of
// two.
func (d Digest) Part(n int) int { return int(d.high^d.low>>7) & (n - 1) }

// Other returns a digest that stands for the same as d where it must not be taken
// for d.
func (d Digest) Other() Digest { return Digest{d.high + 1, d.low} }

// What is worth a digest: more takes longer than it saves.
const (
	maxMarks = 48
	maxText  = 1 << 10 // bytes
)

// digestKeys are two for each value, and two for each 16 bytes that have begun.
var digestKeys = func() (keys [512]uint64) {
	var b [8 * len(keys)]byte
	_, _ = rand.Read(b[:]) // never fails
	for i := range keys {
		keys[i] = word(b[:], 8*i)
	}
	return keys
}()

// what tells a value from others of the same text and number.
func (c *cell) what() uint64 {
	return uint64(len(c.Str))<<32 | uint64(uint32(c.slot))<<8 | uint64(c.Kind)
}

// short returns the up to 7 bytes of s, in some order.
func short(s string) uint64 {
	b, n := bytesOf(s), len(s)
	if n >= 4 {
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	}
	return uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16
}

// Digest returns the digest of what v holds, slots for which but is true aside.
// ok is false for a View that holds too much.
func (v *View) Digest(but []bool) (d Digest, ok bool) {
	if len(v.cells) > maxMarks {
		return Digest{}, false
	}
	high, low, k, total := uint64(0), uint64(1), 0, 0
	for i := 1; i < len(v.cells); i++ {
		c := &v.cells[i]
		if but[c.slot] {
			continue
		}
		text := c.Str
		left := len(text)
		if total += left; total > maxText {
			return Digest{}, false
		}
		for x, y := c.what(), c.Num; ; {
			keys := (*[2]uint64)(digestKeys[k&(len(digestKeys)-2):])
			k += 2
			h, l := bits.Mul64(x+keys[0], y+keys[1])
			var carry uint64
			low, carry = bits.Add64(low, l, 0)
			high, _ = bits.Add64(high, h, carry)
			if left == 0 {
				break
			}
			switch n := len(text); {
			case left > 16:
				x, y = load(text, n-left), load(text, n-left+8)
				left -= 16
			case n >= 16: // the last 16 bytes, whatever was taken of them before
				x, y, left = load(text, n-16), load(text, n-8), 0
			case n >= 8:
				x, y, left = load(text, 0), load(text, n-8), 0
			default:
				x, y, left = short(text), 0, 0
			}
		}
	}
	return Digest{high, low}, true
}
