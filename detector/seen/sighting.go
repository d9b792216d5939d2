package seen

import "math"

// Sighting says when a tuple was seen, and how often.
type Sighting struct {
	First, Last int64  // unix ms, from 1970 to 2527
	Count       uint32 // stops at its largest value
}

const (
	maxTime  = 1<<44 - 1
	maxCount = math.MaxUint32
)

// normal returns s within the bounds that the state can hold.
func (s Sighting) normal() Sighting {
	s.First = min(max(s.First, 0), maxTime)
	s.Last = min(max(s.Last, 0), maxTime)
	if s.Last < s.First {
		s.First, s.Last = s.Last, s.First
	}
	s.Count = max(s.Count, 1)
	return s
}

// add returns the sighting that covers s and t, which are of different events.
func (s Sighting) add(t Sighting) Sighting {
	return Sighting{
		First: min(s.First, t.First),
		Last:  max(s.Last, t.Last),
		Count: uint32(min(uint64(s.Count)+uint64(t.Count), maxCount)),
	}.normal()
}

// Merge returns the sighting that stands for two reports of the same tuple: the
// earliest first, the latest last, the greater count. Unlike adding, it gives
// the same result in any order and however often a report is merged, so the
// count is a lower bound.
func (s Sighting) Merge(t Sighting) Sighting {
	return Sighting{First: min(s.First, t.First), Last: max(s.Last, t.Last), Count: max(s.Count, t.Count)}
}

// value is a tuple's value in memory, 32 bytes. With a key of 8 bytes an entry
// of the LRU takes 96 bytes, a size class of the allocator.
type value struct {
	first, last int64 // unix ms
	// number holds the sequence number on disk (44 bits), the size of the
	// terms (19 bits) and whether the disk has an older sighting (1 bit).
	number uint64
	check  uint32 // 32 more bits of the tuple's hash, beside the key
	count  uint32
}

const (
	sizeBits = 19
	maxSize  = 1<<sizeBits - 1
	maxSeq   = 1<<44 - 1
)

func newValue(s Sighting, seq uint64, size int, check uint32) value {
	return value{first: s.First, last: s.Last, count: s.Count, check: check,
		number: (seq&maxSeq)<<(sizeBits+1) | uint64(min(size, maxSize))<<1}
}

func (v *value) seq() uint64  { return v.number >> (sizeBits + 1) }
func (v *value) size() int    { return int(v.number >> 1 & maxSize) }
func (v *value) stale() bool  { return v.number&1 != 0 }
func (v *value) bytes() int64 { return int64(v.size()) + tupleOverhead }

func (v *value) setStale(stale bool) {
	v.number &^= 1
	if stale {
		v.number |= 1
	}
}

func (v *value) sighting() Sighting { return Sighting{v.first, v.last, v.count} }

func (v *value) see(s Sighting) { v.first, v.last, v.count = s.First, s.Last, s.Count }

// tupleOverhead is about what a tuple takes on disk beside its terms.
const tupleOverhead = 24
