package seen

import "github.com/hashicorp/golang-lru/v2/simplelru"

// segment is one of the LRU lists that a Memory is made of. What is in which is
// known to the memory's places.
type segment struct {
	lru *simplelru.LRU[uint64, packed]
	id  uint32 // in places; above 0
	all *places
}

func newSegment(limit int, id uint32, all *places) *segment {
	l, err := simplelru.NewLRU[uint64, packed](limit+1, nil)
	if err != nil {
		panic(err) // the limit is positive: NewMemory saw to it
	}
	return &segment{l, id, all}
}

func (s *segment) len() int { return s.lru.Len() }

// insert adds a tuple that is in no segment, as the most recent.
func (s *segment) insert(key uint64, p packed) {
	s.all.add(place(key, s.id))
	s.lru.Add(key, p)
}

// update changes the value of a tuple that is in s and makes it the most recent.
func (s *segment) update(key uint64, p packed) { s.lru.Add(key, p) }

// remove takes a tuple out of s.
func (s *segment) remove(key uint64) {
	if s.lru.Remove(key) {
		s.all.del(place(key, s.id))
	}
}

// removeOldest takes the least recent tuple out of s.
func (s *segment) removeOldest() (key uint64, p packed, ok bool) {
	if key, p, ok = s.lru.RemoveOldest(); ok {
		s.all.del(place(key, s.id))
	}
	return key, p, ok
}

// places tells in which segment a tuple is, without a look at each of them: a
// table of 4 bytes a slot, in which a place is 23 bits of the tuple's key and
// the number of its segment. It is a hint where to look, never the answer. Two
// tuples may have the same place; either then stands for both.
type places struct {
	slots []uint32 // open addressing; 0 is free
	n     int
}

const (
	segmentBits = 9
	placeBits   = 32 - segmentBits
	maxSegments = 1<<segmentBits - 1
)

func place(key uint64, segment uint32) uint32 {
	return uint32(key>>(64-placeBits))<<segmentBits | segment
}

func (x *places) home(place uint32) int {
	return int(uint64(place>>segmentBits) * uint64(len(x.slots)) >> placeBits)
}

func (x *places) next(i int) int {
	if i++; i == len(x.slots) {
		return 0
	}
	return i
}

func (x *places) add(place uint32) {
	if x.n >= len(x.slots)/4*3 {
		x.grow()
	}
	i := x.home(place)
	for x.slots[i] != 0 {
		i = x.next(i)
	}
	x.slots[i] = place
	x.n++
}

func (x *places) grow() {
	old := x.slots
	*x = places{slots: make([]uint32, len(old)*3/2+16)}
	for _, p := range old {
		if p != 0 {
			x.add(p)
		}
	}
}

// del removes a place that was added, and closes the gap: whatever lies behind
// it and may lie in it moves there.
func (x *places) del(place uint32) {
	i := x.home(place)
	for x.slots[i] != place {
		if x.slots[i] == 0 {
			return
		}
		i = x.next(i)
	}
	for j := x.next(i); x.slots[j] != 0; j = x.next(j) {
		if x.distance(x.home(x.slots[j]), j) >= x.distance(i, j) {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = 0
	x.n--
}

// distance is how many steps lead from slot i to j.
func (x *places) distance(i, j int) int {
	if j < i {
		j += len(x.slots)
	}
	return j - i
}

// find returns the segment that holds a key and its value, or nil. It does not
// look among the cold.
func (m *Memory) find(key uint64) (*segment, packed) {
	x := &m.places
	if x.n == 0 {
		return nil, packed{}
	}
	for i := x.home(place(key, 0)); x.slots[i] != 0; i = x.next(i) {
		if s := x.slots[i]; s>>segmentBits == place(key, 0)>>segmentBits {
			seg := m.segments[s&maxSegments]
			if p, ok := seg.lru.Peek(key); ok {
				return seg, p
			}
		}
	}
	return nil, packed{}
}
