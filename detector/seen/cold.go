package seen

import (
	"math/bits"
	"slices"
)

// cold holds the tuples that were read from disk and have not been seen since
// the start: rows in the order of their last sighting, and an index of them. It
// is built far faster than the LRU lists and is a third of their size. It is
// the older end of both lists: a tuple that is seen moves to the list it
// belongs to, and of each list the cold tuples are the oldest.
type cold struct {
	rows  []row // a row that moved away has no value
	index []uint32
	// By segment, 0 for probation and 1 for protected: how many rows are left,
	// and where the oldest may be.
	n, at [2]int
}

// row is a tuple read back from disk.
type row struct {
	key   uint64
	value packed
}

// gone reports whether the row's tuple moved away. No tuple is without a count.
func (r *row) gone() bool { return r.value == packed{} }

// build takes over rows in the order of their last sighting. protected tells
// the segment of each. The value of the other of two rows with one key, which
// are the same tuple twice or a collision, is given to twice.
func (c *cold) build(rows []row, protected func(p *packed) bool, twice func(r *row)) {
	*c = cold{rows: rows, index: make([]uint32, len(rows)*3/2+8)}
	for i := range rows {
		r := &rows[i]
		if r.gone() {
			continue
		}
		slot := c.slot(r.key)
		if old := c.index[slot]; old != 0 {
			o := &rows[old-1]
			twice(o)
			c.n[side(protected(&o.value))]--
			o.value = packed{}
		}
		c.index[slot] = uint32(i + 1)
		c.n[side(protected(&r.value))]++
	}
}

func side(protected bool) int {
	if protected {
		return 1
	}
	return 0
}

// slot returns where the index has, or would have, key. Entries of rows that
// moved away stay, so that what was put behind them is found.
func (c *cold) slot(key uint64) int {
	// The top bits choose the slot.
	i := int((key >> 32) * uint64(len(c.index)) >> 32)
	for c.index[i] != 0 && c.rows[c.index[i]-1].key != key {
		if i++; i == len(c.index) {
			i = 0
		}
	}
	return i
}

// find returns the row of key, or nil.
func (c *cold) find(key uint64) *row {
	if c.n[0]+c.n[1] == 0 {
		return nil
	}
	if i := c.index[c.slot(key)]; i != 0 && !c.rows[i-1].gone() {
		return &c.rows[i-1]
	}
	return nil
}

// take removes a row that find or oldest returned.
func (c *cold) take(r *row, protected bool) row {
	out := *r
	r.value = packed{}
	c.n[side(protected)]--
	return out
}

// tidy gives memory back when more than half of the rows have moved away.
func (c *cold) tidy(protected func(p *packed) bool) {
	left := c.n[0] + c.n[1]
	switch {
	case len(c.rows) == 0 || left > len(c.rows)/2:
	case left == 0:
		*c = cold{}
	default:
		rows := make([]row, 0, left)
		for i := range c.rows {
			if !c.rows[i].gone() {
				rows = append(rows, c.rows[i])
			}
		}
		c.build(rows, protected, func(*row) {})
	}
}

// oldest returns the least recently seen row of a segment, or nil.
func (c *cold) oldest(inProtected bool, protected func(p *packed) bool) *row {
	s := side(inProtected)
	if c.n[s] == 0 {
		return nil
	}
	for ; c.at[s] < len(c.rows); c.at[s]++ {
		if r := &c.rows[c.at[s]]; !r.gone() && protected(&r.value) == inProtected {
			return r
		}
	}
	return nil
}

// inOrder returns the rows by last sighting, which is the top of a value's
// first word. Tuples are on disk in the order of their first sighting, so often
// there is nothing to sort.
func inOrder(parts [][]row) []row {
	var rows []row
	for _, p := range parts {
		if len(p) > 0 && rows == nil {
			rows = p
		} else {
			rows = append(rows, p...)
		}
	}
	if !slices.IsSortedFunc(rows, byLast) {
		rows = sortByLast(rows)
	}
	return slices.Clip(rows)
}

func byLast(a, b row) int { return int(a.value[0]>>20) - int(b.value[0]>>20) }

// sortByLast sorts rows by way of numbers made of a row's last sighting and its
// place, which is several times faster than to move the rows about.
func sortByLast(rows []row) []row {
	lo, hi := ^uint64(0), uint64(0)
	for i := range rows {
		last := rows[i].value[0] >> 20
		lo, hi = min(lo, last), max(hi, last)
	}
	place := bits.Len(uint(len(rows)))
	if bits.Len64(hi-lo)+place > 64 {
		slices.SortFunc(rows, byLast)
		return rows
	}
	keys := make([]uint64, len(rows))
	for i := range rows {
		keys[i] = (rows[i].value[0]>>20-lo)<<place | uint64(i)
	}
	slices.Sort(keys)
	out := make([]row, len(rows))
	for i, k := range keys {
		out[i] = rows[k&(1<<place-1)]
	}
	return out
}

// restore fills an empty memory with what was read from disk.
func (m *Memory) restore(parts [][]row, b *Batch) {
	rows := inOrder(parts)
	if over := len(rows) - m.cfg.MaxTuples; over > 0 {
		for _, r := range rows[:over] {
			b.del(m.cfg.Rule, r.value.seq())
		}
		rows = slices.Clone(rows[over:])
	}
	m.cold.build(rows, m.seenAgain, func(r *row) { b.del(m.cfg.Rule, r.value.seq()) })
}

// seenAgain reports whether a tuple was seen on more than one occasion.
func (m *Memory) seenAgain(p *packed) bool { return p.last()-p.first() >= m.grain }

// thaw moves a tuple out of the cold, to the segment that it is in, as the most
// recent there.
func (m *Memory) thaw(r *row) (*segment, packed) {
	seg, again := m.probation, m.seenAgain(&r.value)
	if again {
		seg = m.protected
	}
	out := m.cold.take(r, again)
	seg.insert(out.key, out.value)
	m.cold.tidy(m.seenAgain)
	return seg, out.value
}

// size returns how many tuples a segment has, cold ones included.
func (m *Memory) size(seg *segment) int {
	switch seg {
	case m.probation:
		return seg.len() + m.cold.n[0]
	case m.protected:
		return seg.len() + m.cold.n[1]
	}
	return seg.len()
}

// oldest returns the least recently seen tuple of a segment.
func (m *Memory) oldest(seg *segment) (p packed, ok bool) {
	if seg == m.probation || seg == m.protected {
		if r := m.cold.oldest(seg == m.protected, m.seenAgain); r != nil {
			return r.value, true
		}
	}
	_, p, ok = seg.lru.GetOldest()
	return p, ok
}

// dropOldest forgets the least recently seen tuple of a segment.
func (m *Memory) dropOldest(seg *segment) (key uint64, p packed, ok bool) {
	if seg == m.probation || seg == m.protected {
		if r := m.cold.oldest(seg == m.protected, m.seenAgain); r != nil {
			out := m.cold.take(r, seg == m.protected)
			m.cold.tidy(m.seenAgain)
			return out.key, out.value, true
		}
	}
	return seg.removeOldest()
}
