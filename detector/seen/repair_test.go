package seen

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Whichever bit is flipped, it is put right; two are not.
func TestRepair(t *testing.T) {
	rnd := rand.New(rand.NewPCG(15, 16))
	var entries []numbered
	for i := range 16 {
		entries = append(entries, numbered{uint64(100 + i*i), appendEntry(nil, at(start), ninety(i))})
	}
	v, n := appendPack(nil, 7, 100, entries)
	if n < 4 {
		t.Fatalf("%d tuples in a pack", n)
	}
	key := tupleKey(7, 100)
	if !bytes.Equal(repair(key[:], v), v) {
		t.Error("what was whole is changed")
	}
	flip := func(v []byte, bit int) { v[bit/8] ^= 1 << (bit % 8) }
	for bit := range len(v) * 8 {
		broken := bytes.Clone(v)
		flip(broken, bit)
		if _, err := openPack(key[:], broken); err == nil {
			t.Fatalf("bit %d flipped is not noticed", bit)
		}
		if got := repair(key[:], broken); !bytes.Equal(got, v) {
			t.Fatalf("bit %d flipped is not put right", bit)
		}
		if other := rnd.IntN(len(v) * 8); other != bit {
			flip(broken, other)
			if got := repair(key[:], broken); !bytes.Equal(got, broken) {
				t.Fatalf("bits %d and %d flipped are taken for one", bit, other)
			}
		}
	}
}
