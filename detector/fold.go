package detector

import (
	"bytes"
	"hash/maphash"

	"fluent-bit-newterms/detector/alert"
)

// tuple is one distinct tuple of a pass.
type tuple struct {
	rule    int32
	ref     int32  // the event that held it first
	under   uint64 // the set of exceptions that it was seen under, 0 for none
	missing bool   // it lacks a term, and is to be alerted on as it is

	off, n uint32 // its terms are arena[off:off+n]
	hash   uint64

	at          int64 // ms, of the sighting that came first
	first, last int64 // ms, earliest and latest
	now         int64 // ms, the latest time of any event when it came
	count       uint32
	truncated   int // combinations of its event that were not looked at

	// Set by the decision, for emit = matched.
	verdict alert.Verdict
	alerted bool
	before  sightings // what was known before the pass
	asked   *asked    // what the shared store says, nil if it was not asked
}

// again counts one more sighting at the time ms.
func (t *tuple) again(ms int64) {
	t.count++
	t.first, t.last = min(t.first, ms), max(t.last, ms)
}

// fold gathers the tuples of a pass, equal ones in one. Equal means the same
// bytes: hashes only find them.
type fold struct {
	seed   maphash.Seed
	table  []int32 // open addressing by hash, 1 + index into tuples, 0 is free
	tuples []tuple
	arena  []byte
	// gen is the generation of places: of tuples with the same terms, the one
	// that sightings are folded into stays where it is as long as gen does.
	gen uint64
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
	f.gen++
	if cap(f.tuples) > keptTuples {
		f.tuples = nil
	}
	if cap(f.arena) > keptBytes {
		f.arena = nil
	}
	f.tuples, f.arena = f.tuples[:0], f.arena[:0]
}

func (f *fold) terms(t *tuple) []byte { return f.arena[t.off : t.off+t.n] }

// add folds in one sighting at the time ms, and returns the tuple's place.
// fresh tells that the tuple was not in the pass before. A sighting more than
// the window (ms) after all the others is a tuple of its own: it may be new
// again.
func (f *fold) add(rule int32, terms []byte, ms, window int64) (place int, fresh bool) {
	if len(f.tuples)*2 >= len(f.table) {
		f.grow()
	}
	hash := f.hash(rule, terms)
	mask := uint64(len(f.table) - 1)
	slot := hash & mask
	for ; f.table[slot] != 0; slot = (slot + 1) & mask {
		place := int(f.table[slot] - 1)
		t := &f.tuples[place]
		if t.hash != hash || t.rule != rule || !bytes.Equal(f.terms(t), terms) {
			continue
		}
		if window > 0 && ms-t.last > window {
			f.gen++
			break
		}
		t.again(ms)
		return place, false
	}
	place = f.append(rule, terms, ms)
	f.tuples[place].hash = hash
	f.table[slot] = int32(place + 1)
	return place, true
}

// append adds a tuple that nothing is folded into.
func (f *fold) append(rule int32, terms []byte, ms int64) (place int) {
	f.tuples = append(f.tuples, tuple{
		rule: rule, off: uint32(len(f.arena)), n: uint32(len(terms)),
		at: ms, first: ms, last: ms, count: 1,
	})
	f.arena = append(f.arena, terms...)
	return len(f.tuples) - 1
}

func (f *fold) hash(rule int32, terms []byte) uint64 {
	return maphash.Bytes(f.seed, terms) + uint64(rule)*0x9E3779B97F4A7C15
}

// grow doubles the table. The tuples are filed from the last to the first, so
// that of two with the same terms the later one is found.
func (f *fold) grow() {
	size := max(256, 2*len(f.table))
	f.table = make([]int32, size)
	mask := uint64(size - 1)
	for i := len(f.tuples) - 1; i >= 0; i-- {
		if f.tuples[i].missing {
			continue
		}
		slot := f.tuples[i].hash & mask
		for f.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		f.table[slot] = int32(i + 1)
	}
}
