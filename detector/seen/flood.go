package seen

import "slices"

const (
	maxFloods     = 256 // groups with a segment of their own
	floodFraction = 1024
	floodLeast    = 16 // in the smallest memories
)

// flood is the segment of one group that brings in too many tuples.
type flood struct {
	*segment
	group uint64
	// allowed is how many tuples of the group were known at the start. What
	// most tuples have in common ("allow") is no source of a flood, and what
	// a tenth of them have may bring in as many again, before the group has
	// to pay for itself.
	allowed int
}

// floodOf counts the new tuple h and returns the segment of the group that
// floods the memory, if h belongs to one: of several the smallest, which is the
// closest description of the source.
func (m *Memory) floodOf(h *hashed) *flood {
	var best *flood
	var fresh uint64 // a group that has no segment
	least, freshLeast := ^uint32(0), ^uint32(0)
	var buf [1 << maxTerms]uint64
	for _, g := range h.groups(&buf) {
		n := m.sketch.add(g)
		if n < m.floodAt || n >= min(least, freshLeast) {
			continue
		}
		if f := m.floods[g]; f != nil {
			best, least = f, n
		} else {
			fresh, freshLeast = g, n
		}
	}
	if freshLeast < least && m.roomForFlood() {
		best = &flood{segment: m.newSegment(), group: fresh, allowed: m.baseline[fresh]}
		m.floods[fresh] = best
		m.ring = append(m.ring, best)
	}
	return best
}

// roomForFlood reports whether one more flood may have a segment. If need be,
// floods with nothing left in them go, once in so many new tuples.
func (m *Memory) roomForFlood() bool {
	if len(m.ring) >= maxFloods && m.seq-m.swept >= maxFloods {
		m.swept = m.seq
		m.ring = slices.DeleteFunc(m.ring, func(f *flood) bool {
			if f.len() > 0 {
				return false
			}
			delete(m.floods, f.group)
			m.segments[f.id] = nil
			return true
		})
	}
	return len(m.ring) < maxFloods
}

// victim chooses the segment that gives up its oldest tuple for a new one,
// which is part of the flood f or, if f is nil, of none.
func (m *Memory) victim(f *flood) *segment {
	// What has expired goes first, wherever it is.
	for _, seg := range [...]*segment{m.probation, m.protected} {
		if p, ok := m.oldest(seg); ok && m.expired(&p) {
			return seg
		}
	}
	// A flood pays for itself.
	if f != nil && f.len() > f.allowed {
		return f.segment
	}
	// Tuples seen on one occasion only make way for each other, but keep a
	// fifth of the memory, so that newcomers have time to be seen again.
	if m.size(m.probation) > m.cfg.MaxTuples/5 {
		return m.probation
	}
	// Then the largest flood, unless it is down to what anybody may have.
	var largest *segment
	for _, g := range m.ring {
		if largest == nil || g.len() > largest.len() {
			largest = g.segment
		}
	}
	if largest != nil && largest.len() > int(m.floodAt) {
		return largest
	}
	for _, seg := range [...]*segment{m.protected, m.probation, largest} {
		if seg != nil && m.size(seg) > 0 {
			return seg
		}
	}
	return m.probation
}
