package seen

import "slices"

// termIndex knows, for one field, when each term was last seen. A term is in a
// live tuple if and only if its own last sighting is inside the window, since
// that is the latest of its tuples' last sightings. So the index needs neither
// counts nor, when a tuple is forgotten, the terms of that tuple, which are no
// longer in memory; and a tuple that was evicted to make room does not make its
// terms "novel" again.
//
// It is an open-addressing table of 8 bytes a slot, about 11 bytes a term. Of a
// term's keyed hash it holds 32 bits, which means that of a million terms one
// in four thousand is taken for another and not called novel. The error never
// goes the other way.
type termIndex struct {
	slots []termSlot
	n     int
	limit int
	// forgot is the latest last sighting among the terms dropped at the
	// limit, in seconds; 0 if none was.
	forgot uint32
}

type termSlot struct {
	tag  uint32 // 0 is a free slot
	last uint32 // unix seconds, rounded up
}

func termTag(hash uint64) uint32 { return max(uint32(hash), 1) }

// seconds rounds unix milliseconds up.
func seconds(ms int64) uint32 { return uint32(min((ms+999)/1000, 1<<32-1)) }

func (x *termIndex) at(tag uint32) int {
	i := int(uint64(tag) * uint64(len(x.slots)) >> 32)
	for x.slots[i].tag != tag && x.slots[i].tag != 0 {
		if i++; i == len(x.slots) {
			i = 0
		}
	}
	return i
}

// last returns when the term was last seen, in unix seconds, or 0.
func (x *termIndex) last(hash uint64) uint32 {
	if x.n == 0 {
		return 0
	}
	return x.slots[x.at(termTag(hash))].last
}

// raise notes a sighting of a term. Terms last seen before dead are of no use
// to anyone and are dropped when the table would have to grow.
func (x *termIndex) raise(hash uint64, last, dead uint32) {
	tag := termTag(hash)
	if x.n > 0 {
		if s := &x.slots[x.at(tag)]; s.tag == tag {
			s.last = max(s.last, last)
			return
		}
	}
	if x.n >= len(x.slots)/7*6 {
		x.makeRoom(dead)
	}
	x.slots[x.at(tag)] = termSlot{tag, max(last, 1)}
	x.n++
}

// makeRoom drops the dead, then, at the limit, the least recently seen quarter,
// and rehashes into a table a third larger than what is left needs.
func (x *termIndex) makeRoom(dead uint32) {
	live := 0
	for _, s := range x.slots {
		if s.tag != 0 && s.last >= dead {
			live++
		}
	}
	cut, drop := uint32(0), 0
	if live >= x.limit {
		drop = live - x.limit*3/4
		lasts := make([]uint32, 0, live)
		for _, s := range x.slots {
			if s.tag != 0 && s.last >= dead {
				lasts = append(lasts, s.last)
			}
		}
		slices.Sort(lasts)
		cut = lasts[drop-1]
		x.forgot = max(x.forgot, cut)
	}
	x.rehash(live-drop, func(s termSlot) bool {
		if s.last < dead {
			return false
		}
		if drop > 0 && s.last <= cut {
			drop--
			return false
		}
		return true
	})
}

// rehash moves the terms that keep says true for to a table for n of them and a
// third more.
func (x *termIndex) rehash(n int, keep func(termSlot) bool) {
	old := x.slots
	x.slots = make([]termSlot, max(n, 8)/6*7*4/3+8)
	x.n = 0
	for _, s := range old {
		if s.tag != 0 && keep(s) {
			x.slots[x.at(s.tag)] = s
			x.n++
		}
	}
}

// merge takes over what y knows.
func (x *termIndex) merge(y *termIndex) {
	fresh := 0
	for _, s := range y.slots {
		if s.tag != 0 && x.last(uint64(s.tag)) == 0 {
			fresh++
		}
	}
	if x.n+fresh > len(x.slots)/7*6 {
		// Room for all of them at once: they come in the order of their tags,
		// which fills a table that grows on the way from one end, in which
		// nothing is found for long.
		x.rehash(x.n+fresh, func(termSlot) bool { return true })
	}
	for _, s := range y.slots {
		if s.tag != 0 {
			x.raise(uint64(s.tag), s.last, 0)
		}
	}
}
