package seen

import "slices"

// termIndex knows, for one field, when each term was last seen. A term is in a
// live tuple if and only if its own last sighting is inside the window, since
// that is the latest of its tuples' last sightings. So the index needs neither
// counts nor, when a tuple is forgotten, the terms of that tuple, which are not
// in memory; and a tuple that was evicted to make room does not make its terms
// "novel" again.
//
// Of a term's keyed hash it holds 32 bits, which means that of a million terms
// one in four thousand is taken for another and not called novel. The error
// never goes the other way.
type termIndex struct {
	seen  map[uint32]uint32 // unix seconds, rounded up, of the last sighting
	limit int
	// forgot is the latest last sighting among the terms dropped at the
	// limit, in seconds; 0 if none was.
	forgot uint32
}

// seconds rounds unix milliseconds up.
func seconds(ms int64) uint32 { return uint32(min((ms+999)/1000, 1<<32-1)) }

// last returns when the term was last seen, in unix seconds, or 0.
func (x *termIndex) last(hash uint32) uint32 { return x.seen[hash] }

// raise notes a sighting of a term. Terms last seen before dead are of no use
// to anyone and are dropped at the limit.
func (x *termIndex) raise(hash uint32, last, dead uint32) {
	last = max(last, 1)
	if old, ok := x.seen[hash]; ok {
		if last > old {
			x.seen[hash] = last
		}
		return
	}
	if len(x.seen) >= x.limit {
		x.makeRoom(dead)
	}
	if x.seen == nil {
		x.seen = make(map[uint32]uint32)
	}
	x.seen[hash] = last
}

// makeRoom drops the dead, and then the least recently seen quarter, if there
// are still so many.
func (x *termIndex) makeRoom(dead uint32) {
	var lasts []uint32
	for h, last := range x.seen {
		if last < dead {
			delete(x.seen, h)
		} else {
			lasts = append(lasts, last)
		}
	}
	drop := len(lasts) - x.limit*3/4
	if drop <= 0 {
		return
	}
	slices.Sort(lasts)
	cut := lasts[drop-1]
	x.forgot = max(x.forgot, cut)
	for h, last := range x.seen {
		if last <= cut && drop > 0 {
			delete(x.seen, h)
			drop--
		}
	}
}
