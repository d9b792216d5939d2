package seen

import "time"

// Reconfigure changes how many tuples the memory keeps, and its window, while
// it is in use. What no longer fits is forgotten, and b gets the deletions. What
// a longer window would still know, but a shorter one has already forgotten,
// stays forgotten.
func (m *Memory) Reconfigure(maxTuples int, window time.Duration, b *Batch) {
	if maxTuples <= 0 {
		maxTuples = DefaultMaxTuples
	}
	if window != m.cfg.Window {
		m.setWindow(window)
	}
	if maxTuples == m.cfg.MaxTuples {
		return
	}
	m.cfg.MaxTuples = maxTuples
	m.floodAt = uint32(max(maxTuples/floodFraction, floodLeast))
	m.sketch.period = maxTuples * 8
	for i := range m.terms {
		m.terms[i].limit = maxTuples + maxTuples/4 + 1024
	}
	for m.Len() > maxTuples {
		_, p, ok := m.dropOldest(m.victim(nil))
		if !ok {
			break
		}
		m.forget(&p, b)
	}
	for seg := range m.each {
		seg.lru.Resize(maxTuples + 1)
	}
}

// setWindow changes the window, and with it the refresh grain. The grain is the
// unit of what a tuple remembers of its sighting on disk, which is lost: each
// tuple is written at its next sighting.
func (m *Memory) setWindow(window time.Duration) {
	fresh := NewMemory(MemoryConfig{MaxTuples: 1, Window: window})
	m.cfg.Window, m.cfg.RefreshGrain = window, fresh.cfg.RefreshGrain
	m.window, m.grain, m.calm = fresh.window, fresh.grain, 0
	stale := func(p packed) packed {
		p.setSlot(m.slot(p.last()) - m.late)
		return p
	}
	m.late = slotsPerGrain + 1
	m.cold.recount(m.seenAgain)
	for seg := range m.each {
		for _, key := range seg.lru.Keys() { // oldest first: the order stays
			if p, ok := seg.lru.Peek(key); ok {
				seg.update(key, stale(p))
			}
		}
	}
}
