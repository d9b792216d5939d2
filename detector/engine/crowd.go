package engine

import (
	"slices"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/seen"
)

// crowd counts what the new combinations of an interval have in common: each part
// of their terms, such as the user, or the user and the address. A part that many
// of them have is a noisy group. A combination belongs to the smallest noisy group
// that it has, of equal ones to that with most terms: who has an address in common
// with a flood, and nothing else, is not part of it.
//
// The combinations of a noisy group do not count for the parts of its terms: if one
// user floods with requests that are allowed, this makes the user noisy, and not
// everybody whose requests are allowed.
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
	groups := seen.Groups(terms) // by their terms as bits, so smaller parts first
	least := 0
	var noisy []int // noisy groups met, as bits
	for part := len(groups); part > 0; part-- {
		if slices.ContainsFunc(noisy, func(whole int) bool { return part&whole == part }) {
			continue
		}
		if len(c.counts) >= limits.Crowds {
			c.decay()
		}
		g := groups[part-1]
		n := c.counts[g] + 1
		c.counts[g] = n
		if n <= noisyFrom {
			continue
		}
		noisy = append(noisy, part)
		if n == noisyFrom+1 { // its members so far were counted for its parts, too
			for less := (part - 1) & part; less > 0; less = (less - 1) & part {
				c.counts[groups[less-1]] = max(c.counts[groups[less-1]]-noisyFrom, 0)
			}
		}
		if group == 0 || n < least {
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
