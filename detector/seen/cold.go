package seen

import (
	"math/bits"
	"runtime"
	"sync"
)

// cold holds the tuples that were read from disk and have not been seen since
// the start: rows as they were read, their order by last sighting, and an index
// of them. It is built far faster than the LRU lists and is a third of their
// size. It is the older end of both lists: a tuple that is seen moves to the
// list it belongs to, and of each list the cold tuples are the oldest.
type cold struct {
	blocks [][]row  // a row that moved away has no value
	order  []uint32 // the places of rows, oldest sighting first
	// index has the place of each row in its low bits, counted from 1, and in
	// the others as many bits of the row's key, so that a row is only looked
	// at if it is the one.
	index     []uint32
	placeBits int
	// By segment, 0 for probation and 1 for protected: how many rows are left,
	// and where in order the oldest may be.
	n, at [2]int
}

// row is a tuple read back from disk.
type row struct {
	key   uint64
	value packed
}

// gone reports whether the row's tuple moved away. No tuple is without a count.
func (r *row) gone() bool { return r.value == packed{} }

// Rows are in blocks, so that they need not be copied to make room for more.
const (
	blockBits = 12
	blockRows = 1 << blockBits
)

// row returns the row at a place.
func (c *cold) row(place uint32) *row { return &c.blocks[place>>blockBits][place%blockRows] }

// build indexes rows; protected tells the segment of each. It returns the older
// of every two rows with one key, which are the same tuple twice or a collision,
// and does not touch them; the caller has to empty them.
func (c *cold) build(blocks [][]row, protected func(p *packed) bool) (older []*row) {
	rows := 0
	for _, b := range blocks {
		rows += len(b)
	}
	*c = cold{blocks: blocks, index: make([]uint32, rows*3/2+8), placeBits: bits.Len(uint(len(blocks) << blockBits))}
	for i, b := range blocks {
		older = append(older, c.indexBlock(i, b, protected)...)
	}
	return older
}

func (c *cold) indexBlock(block int, rows []row, protected func(p *packed) bool) (older []*row) {
	const ahead = 32
	var met uint32
	for i := range rows {
		if i%ahead == 0 {
			// Where the next rows go is all over the index. Looking there
			// beforehand lets the processor wait for all of it at once.
			for j := i; j < min(i+ahead, len(rows)); j++ {
				met |= c.index[c.home(rows[j].key)]
			}
		}
		r := &rows[i]
		if r.gone() {
			continue
		}
		slot, old := c.slot(r.key)
		if old != nil {
			if old.value.last() > r.value.last() {
				older = append(older, r)
				continue
			}
			older = append(older, old)
			c.n[side(protected(&old.value))]--
		}
		c.index[slot] = uint32(r.key)<<c.placeBits | uint32(block<<blockBits+i+1)
		c.n[side(protected(&r.value))]++
	}
	runtime.KeepAlive(met)
	return older
}

// home is where the search for a key begins: the key's top bits say so.
func (c *cold) home(key uint64) int { return int((key >> 32) * uint64(len(c.index)) >> 32) }

func side(protected bool) int {
	if protected {
		return 1
	}
	return 0
}

// slot returns where the index has, or would have, key, and the row if it has
// one. Entries of rows that moved away stay, so that what was put behind them is
// found.
func (c *cold) slot(key uint64) (int, *row) {
	tag := uint32(key) << c.placeBits
	i := c.home(key)
	for ; c.index[i] != 0; i++ {
		if c.index[i]>>c.placeBits<<c.placeBits == tag {
			if r := c.row(c.index[i]&(1<<c.placeBits-1) - 1); r.key == key {
				return i, r
			}
		}
		if i == len(c.index)-1 {
			i = -1
		}
	}
	return i, nil
}

// find returns the row of key, or nil.
func (c *cold) find(key uint64) *row {
	if c.n[0]+c.n[1] == 0 {
		return nil
	}
	if _, r := c.slot(key); r != nil && !r.gone() {
		return r
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

// recount tells the rows' segments anew.
func (c *cold) recount(protected func(p *packed) bool) {
	c.n, c.at = [2]int{}, [2]int{}
	for _, place := range c.order {
		if r := c.row(place); !r.gone() {
			c.n[side(protected(&r.value))]++
		}
	}
}

// tidy gives memory back when more than half of the rows have moved away.
func (c *cold) tidy(protected func(p *packed) bool) {
	left := c.n[0] + c.n[1]
	switch {
	case len(c.order) == 0 || left > len(c.order)/2:
	case left == 0:
		*c = cold{}
	default:
		var blocks [][]row
		for _, place := range c.order {
			if r := c.row(place); !r.gone() {
				blocks = appendRow(blocks, *r)
			}
		}
		c.build(blocks, protected)
		c.order = make([]uint32, left)
		for i := range c.order {
			c.order[i] = uint32(i)
		}
	}
}

// appendRow appends a row to blocks, all of which but the last are full.
func appendRow(blocks [][]row, r row) [][]row {
	n := len(blocks) - 1
	if n < 0 || len(blocks[n]) == blockRows {
		room := blockRows
		if n < 0 {
			room = 64 // most rules have few tuples
		}
		blocks = append(blocks, make([]row, 0, room))
		n++
	}
	blocks[n] = append(blocks[n], r)
	return blocks
}

// oldest returns the least recently seen row of a segment, or nil.
func (c *cold) oldest(inProtected bool, protected func(p *packed) bool) *row {
	s := side(inProtected)
	if c.n[s] == 0 {
		return nil
	}
	for ; c.at[s] < len(c.order); c.at[s]++ {
		if r := c.row(c.order[c.at[s]]); !r.gone() && protected(&r.value) == inProtected {
			return r
		}
	}
	return nil
}

// restore fills an empty memory with what was read from disk.
func (m *Memory) restore(g *gathered, b *Batch) {
	m.seq = g.seq
	for w := range g.parts {
		m.seq = max(m.seq, g.parts[w].seq)
		m.newest = max(m.newest, g.parts[w].newest)
	}
	m.read = m.newest
	blocks := g.blocks()
	var order []uint32
	var wg sync.WaitGroup
	wg.Go(func() {
		order = inOrder(blocks)
		g.mergeTerms(m)
		m.baseline = g.baseline()
	})
	drop := func(r *row) {
		b.del(m.cfg.Rule, r.value.seq())
		r.value = packed{}
	}
	if over := g.count() - m.cfg.MaxTuples; over > 0 {
		wg.Wait()
		c := cold{blocks: blocks}
		for _, place := range order[:over] {
			drop(c.row(place))
		}
	}
	older := m.cold.build(blocks, m.seenAgain)
	wg.Wait() // it reads the rows
	for _, r := range older {
		drop(r)
	}
	m.cold.order = order
	m.cold.tidy(m.seenAgain)
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
	out := m.warm(r, again)
	seg.insert(out.key, out.value)
	return seg, out.value
}

// warm takes a row out of the cold, with the slot that it has in a segment.
func (m *Memory) warm(r *row, again bool) row {
	out := m.cold.take(r, again)
	out.value.setSlot(m.slot(out.value.last()) - m.late)
	m.cold.tidy(m.seenAgain)
	return out
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
			out := m.warm(r, seg == m.protected)
			return out.key, out.value, true
		}
	}
	return seg.removeOldest()
}
