package match

import (
	"bytes"
	"hash/maphash"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/mapping"
)

// Combination is one distinct combination of a batch.
type Combination struct {
	Rule  int32  // its place in Rules.List
	Event int32  // the event that held it first: see Batch.Event
	Under uint64 // the set of exceptions that it was seen under, 0 for none
	// Alone: it stands for its one event, and the seen-set has no say: it lacks a
	// term, and the rule alerts on that; or the rule is of type query.
	Alone     bool
	Truncated int // combinations of its event that were not looked at
	// Stamp is, where it is Alone, the time of its event in ns as it came: it is
	// the same when the event comes again, also where At had to be clamped.
	Stamp int64

	At          int64 // ms, of the sighting that came first
	First, Last int64 // ms, earliest and latest
	Newest      int64 // ms, the latest time of any event when it came
	Count       uint32

	off, n uint32 // its terms are arena[off:off+n]
	hash   uint64
}

// seenAgain counts one more sighting at the time ms.
func (c *Combination) seenAgain(ms int64) {
	c.Count++
	c.First, c.Last = min(c.First, ms), max(c.Last, ms)
}

// Match is one combination of one event. Those of an event and rule lie side by
// side.
type Match struct {
	Event, Combination int32
	At                 int64 // ms
}

// Batch gathers the combinations of a flush, equal ones in one. Equal means the
// same bytes: hashes only find them. What it holds is valid until the worker
// reads on.
type Batch struct {
	Combinations []Combination
	Matches      []Match // with Options.EachMatch
	Newest       int64   // ms, the latest time of a matching event of the flush

	seed   maphash.Seed
	table  []int32 // open addressing by hash, 1 + index into Combinations, 0 is free
	arena  []byte
	events []mapping.Ref
	// gen is the generation of places: of combinations with the same terms,
	// the one that sightings are added to stays where it is as long as gen
	// does.
	gen uint64

	exceptionSets map[uint64][]uint64 // the worker's
}

// keptCombinations and keptBytes bound the memory that a batch keeps from one
// flush to the next.
const (
	keptCombinations = 1 << 14
	keptBytes        = 4 << 20
)

// Terms returns the terms of a combination, encoded (see seen.AppendTerm), its
// set of exceptions behind them.
func (b *Batch) Terms(c *Combination) []byte { return b.arena[c.off : c.off+c.n] }

// Event returns the event with that number.
func (b *Batch) Event(n int32) *mapping.Ref { return &b.events[n] }

// ExceptionSet returns the keys of the exceptions in a combination's set.
func (b *Batch) ExceptionSet(key uint64) []uint64 { return b.exceptionSets[key] }

// full tells whether the batch has to be decided before more is added.
func (b *Batch) full() bool {
	return len(b.Combinations) >= limits.BatchCombinations || len(b.arena) >= limits.BatchTermBytes || len(b.Matches) >= limits.BatchCombinations
}

// reset empties the batch and lets go of memory that few flushes need.
func (b *Batch) reset() {
	if len(b.table) > keptCombinations*2 {
		b.table = nil
	}
	clear(b.table)
	b.gen++
	if cap(b.Combinations) > keptCombinations {
		b.Combinations = nil
	}
	if cap(b.arena) > keptBytes {
		b.arena = nil
	}
	b.Combinations, b.arena = b.Combinations[:0], b.arena[:0]
	clear(b.events) // they refer to memory that is not ours
	if b.events = b.events[:0]; cap(b.events) > keptCombinations {
		b.events = nil
	}
	if b.Matches = b.Matches[:0]; cap(b.Matches) > keptCombinations {
		b.Matches = nil
	}
}

// add counts one sighting at the time ms, and returns the combination's place.
// fresh tells that the combination was not in the batch before. A sighting more
// than the window (ms) after all the others is a combination of its own: it may
// be new again.
func (b *Batch) add(rule int32, terms []byte, ms, window int64) (place int, fresh bool) {
	if len(b.Combinations)*2 >= len(b.table) {
		b.grow()
	}
	hash := b.hash(rule, terms)
	mask := uint64(len(b.table) - 1)
	slot := hash & mask
	for ; b.table[slot] != 0; slot = (slot + 1) & mask {
		place := int(b.table[slot] - 1)
		c := &b.Combinations[place]
		if c.hash != hash || c.Rule != rule || !bytes.Equal(b.Terms(c), terms) {
			continue
		}
		if window > 0 && ms-c.Last > window {
			b.gen++
			break
		}
		c.seenAgain(ms)
		return place, false
	}
	place = b.append(rule, terms, ms)
	b.Combinations[place].hash = hash
	b.table[slot] = int32(place + 1)
	return place, true
}

// append adds a combination that no other sighting is added to.
func (b *Batch) append(rule int32, terms []byte, ms int64) (place int) {
	b.Combinations = append(b.Combinations, Combination{
		Rule: rule, off: uint32(len(b.arena)), n: uint32(len(terms)),
		At: ms, First: ms, Last: ms, Count: 1,
	})
	b.arena = append(b.arena, terms...)
	return len(b.Combinations) - 1
}

func (b *Batch) hash(rule int32, terms []byte) uint64 {
	return maphash.Bytes(b.seed, terms) + uint64(rule)*0x9E3779B97F4A7C15
}

// grow doubles the table. The combinations are filed from the last to the first,
// so that of two with the same terms the later one is found.
func (b *Batch) grow() {
	size := max(256, 2*len(b.table))
	b.table = make([]int32, size)
	mask := uint64(size - 1)
	for i := len(b.Combinations) - 1; i >= 0; i-- {
		if b.Combinations[i].Alone {
			continue
		}
		slot := b.Combinations[i].hash & mask
		for b.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		b.table[slot] = int32(i + 1)
	}
}
