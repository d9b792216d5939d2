package seen

import "slices"

const (
	maxNoisy      = 256 // groups with a segment of their own
	noisyFraction = 1024
	noisyLeast    = 16 // in the smallest memories
)

// noisyGroup is the segment of one group that brings in too many tuples.
type noisyGroup struct {
	*segment
	group uint64
	// allowed is how many tuples of the group were known at the start. What
	// most tuples have in common ("allow") is no source of a flood, and what
	// a tenth of them have may bring in as many again, before the group has
	// to pay for itself.
	allowed int
}

// noisyOf counts the new tuple h and returns the noisy group that it belongs to,
// or nil: of several the smallest, and of equal ones that with most terms, which
// is the closest description of the source. Who has an address in common with a
// flood, and nothing else, is not part of it.
func (m *Memory) noisyOf(h *hashed) *noisyGroup {
	var best *noisyGroup // that has a segment
	var chosen uint64
	least := ^uint32(0)
	var buf [1 << grouped]uint64
	for _, g := range h.groups(&buf) {
		n := m.heavy.add(g)
		if n < m.noisyAt || n > least {
			continue
		}
		chosen, least = g, n
		if f := m.noisy[g]; f != nil {
			best = f
		}
	}
	if least == ^uint32(0) || best != nil && best.group == chosen || !m.roomForNoisy() {
		return best
	}
	f := &noisyGroup{segment: newSegment(m.cfg.MaxTuples), group: chosen, allowed: m.baseline[chosen]}
	m.noisy[chosen] = f
	m.ring = append(m.ring, f)
	return f
}

// roomForNoisy reports whether one more group may have a segment. If need be,
// those with nothing left in them go, once in so many new tuples.
func (m *Memory) roomForNoisy() bool {
	if len(m.ring) >= maxNoisy && m.seq-m.swept >= maxNoisy {
		m.swept = m.seq
		m.ring = slices.DeleteFunc(m.ring, func(f *noisyGroup) bool {
			if f.Len() > 0 {
				return false
			}
			delete(m.noisy, f.group)
			return true
		})
	}
	return len(m.ring) < maxNoisy
}

// victim chooses the segment that gives up its oldest tuple for a new one,
// which is part of the noisy group f or, if f is nil, of none.
func (m *Memory) victim(f *noisyGroup) *segment {
	// What has expired goes first, wherever it is.
	for _, seg := range [...]*segment{m.probation, m.protected} {
		if _, v, ok := seg.GetOldest(); ok && m.expired(&v) {
			return seg
		}
	}
	// A noisy group pays for itself.
	if f != nil && f.Len() > f.allowed {
		return f.segment
	}
	// Tuples seen on one occasion only make way for each other, but keep a
	// fifth of the memory, so that newcomers have time to be seen again.
	if m.probation.Len() > m.cfg.MaxTuples/5 {
		return m.probation
	}
	// Then the largest noisy group, unless it is down to what anybody may have.
	var largest *segment
	for _, g := range m.ring {
		if largest == nil || g.Len() > largest.Len() {
			largest = g.segment
		}
	}
	if largest != nil && largest.Len() > int(m.noisyAt) {
		return largest
	}
	for _, seg := range [...]*segment{m.protected, m.probation, largest} {
		if seg != nil && seg.Len() > 0 {
			return seg
		}
	}
	return m.probation
}
