package seen

import "github.com/hashicorp/golang-lru/v2/simplelru"

// A segment is one of the LRU lists that a Memory is made of.
type segment = simplelru.LRU[uint64, packed]

func newSegment(limit int) *segment {
	l, err := simplelru.NewLRU[uint64, packed](limit+1, nil)
	if err != nil {
		panic(err) // the limit is positive: NewMemory saw to it
	}
	return l
}

const (
	sketchCounters = 2048
	maxFloods      = 256 // groups with a segment of their own
	floodFraction  = 1024
	floodLeast     = 16 // in the smallest memories
)

// sketch finds what brings in many new tuples: the Misra-Gries summary of the
// groups (see Memory.group) of the tuples that were new of late. Its memory is
// fixed; a count is too low by at most the number of additions divided by
// sketchCounters, and never too high.
type sketch struct {
	counts map[uint64]uint32
	added  int
	period int // halve after so many additions: what is past stops to matter
}

func (k *sketch) add(g uint64) uint32 {
	if k.counts == nil {
		k.counts = make(map[uint64]uint32)
	}
	if k.added++; k.added >= k.period {
		k.added = 0
		k.decay(func(n uint32) uint32 { return n / 2 })
	}
	n, ok := k.counts[g]
	if !ok && len(k.counts) >= sketchCounters {
		k.decay(func(n uint32) uint32 { return n - 1 })
		return 0
	}
	k.counts[g] = n + 1
	return n + 1
}

func (k *sketch) decay(less func(uint32) uint32) {
	for g, n := range k.counts {
		if n = less(n); n == 0 {
			delete(k.counts, g)
		} else {
			k.counts[g] = n
		}
	}
}

// flood is the segment of one group that brings in too many tuples.
type flood struct {
	group uint64
	lru   *segment
	// allowed is how many tuples of the group were known at the start. What
	// most tuples have in common ("allow") is no source of a flood, and what
	// a tenth of them have may bring in as many again, before the group has
	// to pay for itself.
	allowed int
}

// baseline is how many tuples of each group were known at the start, estimated
// from a sample.
type baseline struct {
	counts map[uint64]int
	stride int // every how manieth tuple is in the sample
	next   int
}

const (
	baselineSample = 8192 // tuples in the sample, about
	baselineLeast  = 8    // fewer in the sample are noise
)

// note takes a tuple read from disk into account.
func (k *baseline) note(h *hashed) {
	if k.next--; k.next >= 0 {
		return
	}
	k.next = k.stride - 1
	if k.counts == nil {
		k.counts = make(map[uint64]int)
	}
	h.groups(func(g uint64) bool {
		k.counts[g] += k.stride
		return true
	})
}

// done drops the noise.
func (k *baseline) done() {
	for g, n := range k.counts {
		if n < k.stride*baselineLeast {
			delete(k.counts, g)
		}
	}
}

// groups calls fn with each group that h belongs to: every proper part of its
// terms. A flood from one identity holds some part of its tuples fixed, the
// user or the address or both, whichever terms it varies and wherever the rule
// lists them.
func (h *hashed) groups(fn func(g uint64) bool) {
	for mask := uint(1); mask < 1<<h.n-1; mask++ {
		if !fn(h.group(mask)) {
			return
		}
	}
}

// floodOf counts the new tuple h and returns the segment of the group that
// floods the memory, if h belongs to one: of several the smallest, which is the
// closest description of the source.
func (m *Memory) floodOf(h *hashed) *flood {
	var best *flood
	least := ^uint32(0)
	h.groups(func(g uint64) bool {
		if n := m.sketch.add(g); n >= m.floodAt && n < least {
			if f := m.floods[g]; f != nil {
				best, least = f, n
			} else if len(m.floods) < maxFloods {
				best, least = &flood{group: g, allowed: m.baseline.counts[g]}, n
			}
		}
		return true
	})
	if best != nil && best.lru == nil {
		best.lru = newSegment(m.cfg.MaxTuples)
		m.floods[best.group] = best
		m.ring = append(m.ring, best)
	}
	return best
}

// dropFlood forgets a flood with nothing left in it. i is its place in the ring.
func (m *Memory) dropFlood(i int) {
	delete(m.floods, m.ring[i].group)
	last := len(m.ring) - 1
	m.ring[i] = m.ring[last]
	m.ring[last] = nil
	m.ring = m.ring[:last]
}

// victim chooses the segment that gives up its oldest tuple for a new one,
// which is part of the flood f or, if f is nil, of none.
func (m *Memory) victim(f *flood) *segment {
	// What has expired goes first, wherever it is.
	for _, seg := range []*segment{m.probation, m.protected} {
		if _, p, ok := m.oldest(seg); ok && m.expired(&p) {
			return seg
		}
	}
	// A flood pays for itself.
	if f != nil && f.lru.Len() > f.allowed {
		return f.lru
	}
	// Tuples seen on one occasion only make way for each other, but keep a
	// fifth of the memory, so that newcomers have time to be seen again.
	if m.size(m.probation) > m.cfg.MaxTuples/5 {
		return m.probation
	}
	// Then the largest flood, unless it is down to what anybody may have.
	var largest *segment
	for _, g := range m.ring {
		if largest == nil || g.lru.Len() > largest.Len() {
			largest = g.lru
		}
	}
	if largest != nil && largest.Len() > int(m.floodAt) {
		return largest
	}
	for _, seg := range []*segment{m.protected, m.probation, largest} {
		if seg != nil && m.size(seg) > 0 {
			return seg
		}
	}
	return m.probation
}
