package detector

import (
	"bytes"
	"hash/maphash"
)

// tuple is one distinct tuple of a pass.
type tuple struct {
	rule        int32
	ref         int32  // the event that held it first
	off, n      uint32 // its terms are arena[off:off+n]
	hash        uint64
	first, last int64 // ms
	count       uint32
	truncated   int // combinations of its event that were not looked at
}

// fold gathers the tuples of a pass, equal ones in one. Equal means the same
// bytes: hashes only find them.
type fold struct {
	seed   maphash.Seed
	table  []int32 // open addressing by hash, 1 + index into tuples, 0 is free
	tuples []tuple
	arena  []byte
}

// keptTuples and keptBytes bound what a fold keeps from one pass to the next.
const (
	keptTuples = 1 << 14
	keptBytes  = 4 << 20
)

func (f *fold) reset() {
	if len(f.table) > keptTuples*2 {
		f.table = nil
	}
	clear(f.table)
	if cap(f.tuples) > keptTuples {
		f.tuples = nil
	}
	if cap(f.arena) > keptBytes {
		f.arena = nil
	}
	f.tuples, f.arena = f.tuples[:0], f.arena[:0]
}

func (f *fold) terms(t *tuple) []byte { return f.arena[t.off : t.off+t.n] }

// add folds in one sighting at the time ms. fresh tells that the tuple, which
// is valid until the next add, is not yet in the pass. A sighting that lies
// more than the window (ms) apart from the others is a tuple of its own: it
// may be new again.
func (f *fold) add(rule int32, terms []byte, ms, window int64) (t *tuple, fresh bool) {
	if len(f.tuples)*2 >= len(f.table) {
		f.grow()
	}
	hash := maphash.Bytes(f.seed, terms) + uint64(rule)*0x9E3779B97F4A7C15
	mask := uint64(len(f.table) - 1)
	slot := hash & mask
	for ; f.table[slot] != 0; slot = (slot + 1) & mask {
		t := &f.tuples[f.table[slot]-1]
		if t.hash != hash || t.rule != rule || !bytes.Equal(f.terms(t), terms) {
			continue
		}
		if window > 0 && ms-t.last > window {
			break
		}
		t.count++
		t.first, t.last = min(t.first, ms), max(t.last, ms)
		return t, false
	}
	f.tuples = append(f.tuples, tuple{
		rule: rule, off: uint32(len(f.arena)), n: uint32(len(terms)), hash: hash,
		first: ms, last: ms, count: 1,
	})
	f.arena = append(f.arena, terms...)
	f.table[slot] = int32(len(f.tuples))
	return &f.tuples[len(f.tuples)-1], true
}

func (f *fold) grow() {
	size := max(256, 2*len(f.table))
	f.table = make([]int32, size)
	mask := uint64(size - 1)
	for i := range f.tuples {
		slot := f.tuples[i].hash & mask
		for f.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		f.table[slot] = int32(i + 1)
	}
}
