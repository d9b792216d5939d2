package seen

import (
	"cmp"
	"slices"
	"time"
)

// restore fills an empty memory with what was read from disk, in the order of
// the last sightings, as if it had been seen so. What does not fit is forgotten,
// the oldest first.
func (m *Memory) restore(t *ruleTable, b *Batch) {
	byLast := make([]*row, 0, t.rows.live)
	for r := range t.rows.each {
		byLast = append(byLast, r)
		m.bytes += r.bytes()
		m.newest = max(m.newest, r.last)
	}
	m.seq, m.read = t.seq, m.newest
	order := func(a, b *row) int { return cmp.Compare(a.last, b.last) }
	if !slices.IsSortedFunc(byLast, order) {
		slices.SortStableFunc(byLast, order)
	}
	for len(byLast) > m.cfg.MaxTuples || m.bytes > m.maxBytes {
		r := byLast[0]
		m.bytes -= r.bytes()
		b.forget(m.cfg.Rule, r.seq(), r.size())
		byLast = byLast[1:]
	}
	m.n = len(byLast)
	for _, r := range byLast {
		if r.last-r.first >= m.grain {
			m.protect(r.key, r.value)
		} else {
			m.probation.Add(r.key, r.value)
		}
		last := seconds(r.last)
		for i, h := range r.terms {
			if h == 0 {
				break
			}
			m.terms[i].raise(h, last, 0)
		}
		for i, h := range r.more {
			m.terms[grouped+i].raise(h, last, 0)
		}
	}
	m.baseline = groupSizes(byLast)
}

// sampleSize is about how many tuples groupSizes looks at.
const sampleSize = 16 << 10

// groupSizes estimates how many of the tuples each group has. Groups of few are
// noise, and are left out.
func groupSizes(tuples []*row) map[uint64]int {
	const least = 8 // fewer in the sample
	each := max(len(tuples)/sampleSize, 1)
	counts := make(map[uint64]int)
	var buf [1 << grouped]uint64
	for _, r := range tuples {
		// Keys are as good as drawn by lot.
		if each > 1 && r.key%uint64(each) != 0 {
			continue
		}
		h := hashed{}
		copy(h.terms[:], r.terms[:])
		for h.n < grouped && h.terms[h.n] != 0 {
			h.n++
		}
		for _, g := range h.groups(&buf) {
			counts[g] += each
		}
	}
	for g, n := range counts {
		if n < each*least {
			delete(counts, g)
		}
	}
	return counts
}

// Reconfigure changes how many tuples the memory keeps, and its window, while
// it is in use. What no longer fits is forgotten, and b gets the removals. What
// a longer window would still know, but a shorter one has already forgotten,
// stays forgotten.
func (m *Memory) Reconfigure(maxTuples int, window time.Duration, b *Batch) {
	if maxTuples <= 0 {
		maxTuples = DefaultMaxTuples
	}
	if window != m.cfg.Window {
		m.setWindow(window, b)
	}
	if maxTuples == m.cfg.MaxTuples {
		return
	}
	m.cfg.MaxTuples = maxTuples
	m.scale()
	for m.Len()+m.formCount() > maxTuples || m.bytes > m.maxBytes {
		if !m.makeRoom(&Outcome{}, nil, b) {
			break
		}
	}
	if m.forms != nil {
		m.forms.Resize(maxTuples + 1)
	}
	for seg := range m.segments {
		seg.Resize(maxTuples + 1)
	}
}

// setWindow changes the window, and with it the refresh grain, by which the
// sighting on disk is as old as it may be. So it is written first.
func (m *Memory) setWindow(window time.Duration, b *Batch) {
	if b != nil {
		m.flushLastSeen(b)
	}
	fresh := NewMemory(MemoryConfig{MaxTuples: 1, Window: window})
	m.cfg.Window, m.cfg.RefreshGrain = window, fresh.cfg.RefreshGrain
	m.window, m.grain, m.calm = fresh.window, fresh.grain, 0
}

// flushLastSeen adds the sightings to b that the disk does not have.
func (m *Memory) flushLastSeen(b *Batch) {
	for seg := range m.segments {
		for _, key := range seg.Keys() { // oldest first: the order stays
			v, _ := seg.Peek(key)
			if v.stale() {
				b.see(m.cfg.Rule, v.seq(), v.sighting())
				v.setStale(false)
			}
			seg.Add(key, v)
		}
	}
}
