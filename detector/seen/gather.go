package seen

import "slices"

// gathered is the tuples of a rule on their way from the file to a memory, as
// far as they do not depend on how the rule is set up: parsed and hashed. Each
// of the goroutines that read pages gathers its own, so that none waits for
// another.
type gathered struct {
	parts []part
	seq   uint64 // the highest ever given out
}

// part is what one goroutine gathered.
type part struct {
	blocks [][]row // full but for the last; rows have no slot yet
	terms  [maxTerms]termIndex
	sample sample
	seq    uint64
	newest int64    // the latest sighting, ms
	_      [64]byte // parts are side by side: a cache line each
}

func newGathered(workers int) *gathered {
	g := &gathered{parts: make([]part, workers)}
	for w := range g.parts {
		for i := range g.parts[w].terms {
			g.parts[w].terms[i].limit = 1 << 62
		}
	}
	return g
}

// add takes a tuple read from the file into account.
func (p *part) add(seq uint64, e entry) {
	s, terms := e.sighting().normal(), e.terms()
	var h hashed
	h.key, h.check = hashTuple(terms)
	h.hashTerms(terms)
	p.blocks = appendRow(p.blocks, row{h.key, pack(s, seq, 0, h.check)})
	p.seq = max(p.seq, seq)
	p.newest = max(p.newest, s.Last)
	last := seconds(s.Last)
	for i := range h.n {
		p.terms[i].raise(h.terms[i], last, 0)
	}
	p.sample.add(&h)
}

// blocks returns the rows of all parts.
func (g *gathered) blocks() (blocks [][]row) {
	for w := range g.parts {
		blocks = append(blocks, g.parts[w].blocks...)
	}
	return blocks
}

// count returns how many tuples were gathered.
func (g *gathered) count() (n int) {
	for _, b := range g.blocks() {
		n += len(b)
	}
	return n
}

// sample is some thousand tuples out of many: those whose keys end in zeros,
// which is as good as drawn by lot.
type sample struct {
	tuples []hashed
	zeros  int // how many zeros; every 2^zeros-th tuple is in
}

const sampleSize = 16 << 10

func (s *sample) in(h *hashed) bool { return h.key&(1<<s.zeros-1) == 0 }

func (s *sample) add(h *hashed) {
	if s.in(h) && len(s.tuples) == sampleSize {
		s.zeros++
		s.tuples = slices.DeleteFunc(s.tuples, func(h hashed) bool { return !s.in(&h) })
	}
	if s.in(h) {
		s.tuples = append(s.tuples, *h)
	}
}

// baseline estimates how many of the gathered tuples each group has. Groups of
// few are noise, and are left out.
func (g *gathered) baseline() map[uint64]int {
	const least = 8 // fewer in the sample
	counts := make(map[uint64]int)
	most := 1
	var buf [1 << maxTerms]uint64
	for w := range g.parts {
		s := &g.parts[w].sample
		each := 1 << s.zeros
		most = max(most, each)
		for i := range s.tuples {
			for _, group := range s.tuples[i].groups(&buf) {
				counts[group] += each
			}
		}
	}
	for group, n := range counts {
		if n < most*least {
			delete(counts, group)
		}
	}
	return counts
}

// mergeTerms gives a memory the terms of all parts.
func (g *gathered) mergeTerms(m *Memory) {
	for i := range m.terms {
		x := &m.terms[i]
		limit := x.limit
		for w := range g.parts {
			y := g.parts[w].terms[i]
			if x.n < y.n {
				*x, y = y, *x
			}
			x.limit = limit
			x.merge(&y)
		}
		if x.n > limit {
			x.makeRoom(0)
		}
	}
}
