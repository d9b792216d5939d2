package seen

import (
	"math/rand/v2"
	"testing"
)

// mapHitters is the Misra-Gries summary by its definition.
type mapHitters struct {
	counts        map[uint64]uint32
	added, period int
}

func (k *mapHitters) add(g uint64) uint32 {
	if k.added++; k.added >= k.period {
		k.added = 0
		k.decay(func(n uint32) uint32 { return n / 2 })
	}
	if _, ok := k.counts[g]; !ok && len(k.counts) >= maxCounters {
		k.decay(func(n uint32) uint32 { return n - 1 })
		return 0
	}
	k.counts[g]++
	return k.counts[g]
}

func (k *mapHitters) decay(less func(uint32) uint32) {
	for g, n := range k.counts {
		if k.counts[g] = less(n); k.counts[g] == 0 {
			delete(k.counts, g)
		}
	}
}

func TestHeavyHittersAgainstAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	for name, hash := range map[string]func(g uint64) uint64{
		"spread":  func(g uint64) uint64 { return g * 0x9e3779b97f4a7c15 },
		"crowded": func(g uint64) uint64 { return g << 9 }, // many begin at one slot
	} {
		t.Run(name, func(t *testing.T) {
			got := heavyHitters{period: 30_000}
			want := mapHitters{counts: make(map[uint64]uint32), period: 30_000}
			most := uint32(0)
			for i := range 100_000 {
				g := hash(uint64(rnd.ExpFloat64() * 700))
				if rnd.IntN(3) == 0 {
					g = hash(uint64(10_000 + i))
				}
				a, b := got.add(g), want.add(g)
				if a != b || got.n != len(want.counts) {
					t.Fatalf("addition %d: %d of %d groups, want %d of %d", i, a, got.n, b, len(want.counts))
				}
				most = max(most, a)
			}
			if most < 20 {
				t.Errorf("no group was ever counted more than %d times", most)
			}
		})
	}
}
