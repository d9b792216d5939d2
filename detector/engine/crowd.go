package engine

import (
	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/seen"
)

// crowd counts what the new combinations of an interval have in common: each part
// of their terms, such as the user, or the user and the address. A part that many
// of them have is a noisy group. A combination belongs to the smallest noisy group
// that it has, of equal ones to that with most terms: who has an address in common
// with a flood, and nothing else, is not part of it.
type crowd struct {
	counts map[uint64]int
	raised map[uint64]int // alerts of noisy groups
}

// reset begins an interval.
func (c *crowd) reset() {
	clear(c.counts)
	clear(c.raised)
}

// add counts a combination, and returns the noisy group that it belongs to, 0 for
// none. A group is noisy from so many members on.
func (c *crowd) add(terms []byte, noisyFrom int) (group uint64) {
	if c.counts == nil {
		c.counts, c.raised = make(map[uint64]int), make(map[uint64]int)
	}
	least := 0
	for _, g := range seen.Groups(terms) {
		if len(c.counts) >= limits.Crowds {
			c.decay()
		}
		n := c.counts[g] + 1
		c.counts[g] = n
		if n > noisyFrom && (group == 0 || n <= least) {
			group, least = g, n
		}
	}
	return group
}

func (c *crowd) decay() {
	for g, n := range c.counts {
		if n--; n > 0 {
			c.counts[g] = n
		} else {
			delete(c.counts, g)
			delete(c.raised, g)
		}
	}
}
