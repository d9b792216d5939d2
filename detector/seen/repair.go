package seen

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// repair returns a copy of the value v with the one bit put right that would
// explain why it does not match its checksum, or v itself if there is no such
// bit. A CRC changes with every bit in a way of its own, as long as a value is,
// so the difference says which it was. Other damage is taken for a flipped bit
// once in about half a million times in a pack, and more often the longer a
// single tuple is; then a tuple is known that nobody will ever see.
func repair(key, v []byte) []byte {
	if len(v) < valueHeader {
		return v
	}
	stored := binary.LittleEndian.Uint32(v)
	differ := stored ^ sum(key, v[4:])
	if bits.OnesCount32(differ) == 1 { // in the sum itself
		v = bytes.Clone(v)
		binary.LittleEndian.PutUint32(v, stored^differ)
		return v
	}
	// effect[b] is what bit b of the byte at i does to the sum: all bytes behind
	// it shift it once more.
	var effect [8]uint32
	for b := range effect {
		effect[b] = castagnoli[1<<b]
	}
	for i := len(v) - 1; i >= 4; i-- {
		for b, e := range effect {
			if e == differ {
				v = bytes.Clone(v)
				v[i] ^= 1 << b
				return v
			}
			effect[b] = castagnoli[byte(e)] ^ e>>8
		}
	}
	return v
}
