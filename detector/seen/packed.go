package seen

// packed is a tuple's value in memory, 24 bytes. With a key of 8 bytes an entry
// of the LRU takes 96 bytes, a size class of the allocator.
//
//	0: last sighting, ms, 44 bits (to the year 2527) | check, low 20 bits
//	1: first sighting, ms before the last, 40 bits (34 years) |
//	   slot of the sighting on disk, 12 bits | check, high 12 bits
//	2: sequence number on disk, 40 bits | count, 24 bits
type packed [3]uint64

const (
	maxTime  = 1<<44 - 1
	maxSpan  = 1<<40 - 1
	maxCount = 1<<24 - 1
	maxSeq   = 1<<40 - 1

	// slotsPerGrain is how many slots of time a refresh grain is divided in.
	// The slot of the last sighting that is on disk is kept modulo slots.
	slotsPerGrain = 8
	slots         = 1 << 12
)

func pack(s Sighting, seq uint64, slot uint64, check uint32) packed {
	return packed{
		uint64(s.Last)<<20 | uint64(check&0xfffff),
		uint64(min(s.Last-s.First, maxSpan))<<24 | (slot%slots)<<12 | uint64(check>>20),
		(seq&maxSeq)<<24 | uint64(min(s.Count, maxCount)),
	}
}

func (p *packed) last() int64   { return int64(p[0] >> 20) }
func (p *packed) first() int64  { return p.last() - int64(p[1]>>24) }
func (p *packed) slot() uint64  { return p[1] >> 12 % slots }
func (p *packed) check() uint32 { return uint32(p[0]&0xfffff) | uint32(p[1]&0xfff)<<20 }
func (p *packed) seq() uint64   { return p[2] >> 24 }

func (p *packed) setSlot(slot uint64) { p[1] = p[1]&^((slots-1)<<12) | slot%slots<<12 }

func (p *packed) sighting() Sighting {
	return Sighting{First: p.first(), Last: p.last(), Count: uint32(p[2] & maxCount)}
}

// normal returns s within the bounds that packed can hold.
func (s Sighting) normal() Sighting {
	s.First = min(max(s.First, 0), maxTime)
	s.Last = min(max(s.Last, 0), maxTime)
	if s.Last < s.First {
		s.First, s.Last = s.Last, s.First
	}
	s.First = max(s.First, s.Last-maxSpan)
	s.Count = min(max(s.Count, 1), maxCount)
	return s
}

// merge returns the sighting that covers both.
func (s Sighting) merge(t Sighting) Sighting {
	return Sighting{
		First: min(s.First, t.First),
		Last:  max(s.Last, t.Last),
		Count: s.Count + t.Count, // both are at most maxCount: no overflow
	}.normal()
}
