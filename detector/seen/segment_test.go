package seen

import (
	"math/rand/v2"
	"testing"
)

// Whatever comes and goes, the places of a memory lead to every tuple that a
// segment holds, and there are no others.
func TestPlacesAgainstAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	m := NewMemory(MemoryConfig{MaxTuples: 1 << 16})
	for range 5 {
		m.newSegment()
	}
	type tuple struct {
		seg *segment
		p   packed
	}
	want := make(map[uint64]tuple)
	var keys []uint64
	for step := range 60_000 {
		// Few keys, and many that share the bits that choose a place.
		key := uint64(rnd.IntN(300))<<41 | uint64(rnd.IntN(8))<<rnd.IntN(2)*60
		have, ok := want[key]
		seg, p := m.find(key)
		if seg != have.seg || p != have.p {
			t.Fatalf("step %d: key %x is in %p, %v; want %p, %v", step, key, seg, p, have.seg, have.p)
		}
		grow := step/10_000%2 == 0
		switch {
		case !ok && (grow || rnd.IntN(4) == 0):
			n := tuple{m.segments[1+rnd.IntN(len(m.segments)-1)], packed{uint64(step), 1, 1}}
			n.seg.insert(key, n.p)
			want[key] = n
			keys = append(keys, key)
		case ok && rnd.IntN(2) == 0:
			have.p[1]++
			have.seg.update(key, have.p)
			want[key] = have
		case ok && !grow:
			have.seg.remove(key)
			delete(want, key)
		}
		if !grow && step%7 == 0 {
			seg := m.segments[1+rnd.IntN(len(m.segments)-1)]
			if key, p, ok := seg.removeOldest(); ok {
				if want[key] != (tuple{seg, p}) {
					t.Fatalf("step %d: %x was the oldest of %p, want %v", step, key, seg, want[key])
				}
				delete(want, key)
			}
		}
		if m.Len() != len(want) {
			t.Fatalf("step %d: %d tuples, want %d", step, m.Len(), len(want))
		}
	}
	if len(keys) < 1000 {
		t.Errorf("only %d tuples were ever there", len(keys))
	}
	used := 0
	for _, s := range m.places.slots {
		if s != 0 {
			used++
		}
	}
	if used != len(want) {
		t.Errorf("%d places for %d tuples", used, len(want))
	}
}
