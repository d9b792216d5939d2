package seen

// maxCounters is how many groups are counted at a time.
const maxCounters = 2048

// heavyHitters finds what brings in many new tuples: the Misra-Gries summary of
// the groups (see hashed.groups) of the tuples that were new of late. Its memory
// is bounded. A count is too low by at most the number of additions divided by
// maxCounters, and never too high.
type heavyHitters struct {
	counts map[uint64]uint32
	added  int
	period int // halve after so many additions: what is past stops to matter
}

// add counts a group and returns how often it was counted, as far as is known.
func (k *heavyHitters) add(g uint64) uint32 {
	if k.added++; k.added >= k.period {
		k.added = 0
		k.decay(func(n uint32) uint32 { return n / 2 })
	}
	n, ok := k.counts[g]
	if !ok && len(k.counts) >= maxCounters {
		k.decay(func(n uint32) uint32 { return n - 1 })
		return 0
	}
	k.counts[g] = n + 1
	return n + 1
}

func (k *heavyHitters) decay(less func(uint32) uint32) {
	for g, n := range k.counts {
		if n = less(n); n == 0 {
			delete(k.counts, g)
		} else {
			k.counts[g] = n
		}
	}
}
