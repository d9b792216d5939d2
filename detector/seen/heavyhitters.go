package seen

// maxCounters is how many groups are counted at a time.
const maxCounters = 2048

// heavyHitters finds what brings in many new tuples: the Misra-Gries summary of
// the groups (see hashed.groups) of the tuples that were new of late. Its memory
// is bounded. A count is too low by at most the number of additions divided by
// maxCounters, and never too high.
//
// It is a table, because a Go map makes a flush of new tuples a sixth slower.
type heavyHitters struct {
	slots  []counter // open addressing, at most half full
	n      int
	added  int
	period int // halve after so many additions: what is past stops to matter
}

type counter struct {
	group uint64
	count uint32 // 0 is a free slot
}

// add counts a group and returns how often it was counted, as far as is known.
func (k *heavyHitters) add(g uint64) uint32 {
	if k.added++; k.added >= k.period {
		k.added = 0
		k.decay(1, 0)
	}
	if k.n >= len(k.slots)/2 && k.n < maxCounters {
		k.grow()
	}
	c := &k.slots[k.slot(g)]
	if c.count == 0 {
		if k.n >= maxCounters {
			k.decay(0, 1)
			return 0
		}
		k.n++
	}
	c.group = g
	c.count++
	return c.count
}

// slot returns where g is, or would be.
func (k *heavyHitters) slot(g uint64) int {
	mask := len(k.slots) - 1
	i := int(g) & mask
	for k.slots[i].count != 0 && k.slots[i].group != g {
		i = (i + 1) & mask
	}
	return i
}

func (k *heavyHitters) grow() {
	old := k.slots
	k.slots = make([]counter, max(2*len(old), 64))
	for _, c := range old {
		if c.count != 0 {
			k.slots[k.slot(c.group)] = c
		}
	}
}

// decay shifts all counts right, or takes from them, and frees the slots of those
// that are 0 then.
func (k *heavyHitters) decay(shift, minus uint32) {
	k.n = 0
	mask, free := len(k.slots)-1, 0
	for i := range k.slots {
		c := &k.slots[i]
		if c.count == 0 {
			free = i
			continue
		}
		if c.count = c.count>>shift - minus; c.count > 0 {
			k.n++
		}
	}
	// Those that remain move up, into the gaps before them. What begins behind
	// a slot that was free has nothing before it that it could belong to.
	for i := 1; i <= mask; i++ {
		at := (free + i) & mask
		if c := k.slots[at]; c.count != 0 {
			k.slots[at].count = 0
			k.slots[k.slot(c.group)] = c
		}
	}
}
