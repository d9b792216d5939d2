package seen

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// gatherAll gathers tuples in several parts.
func gatherAll(parts int, tuples [][]byte, s []Sighting) *gathered {
	g := newGathered(parts)
	for i, t := range tuples {
		g.parts[i*parts/len(tuples)].add(uint64(i+1), appendEntry(nil, s[i], t))
	}
	return g
}

// rowsOf returns the rows at the places in order.
func rowsOf(blocks [][]row, order []uint32) (rows []row) {
	c := cold{blocks: blocks}
	for _, place := range order {
		rows = append(rows, *c.row(place))
	}
	return rows
}

// However many gathered them, and however far apart their times are, rows come
// out as a stable sort has them.
func TestInOrderAgainstASort(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{0, 1, 5000, 40_000} {
		for _, span := range []int64{1, 1000, day, maxTime} {
			for _, sorted := range []bool{false, true} {
				t.Run(fmt.Sprint(n, " in ", span, sorted), func(t *testing.T) {
					tuples := make([][]byte, n)
					sightings := make([]Sighting, n)
					for i := range n {
						tuples[i] = ninety(i)
						last := rnd.Int64N(span)
						sightings[i] = Sighting{last / 2, last, 1 + rnd.Uint32N(5)}
					}
					if sorted {
						slices.SortFunc(sightings, func(a, b Sighting) int { return cmp.Compare(a.Last, b.Last) })
					}
					var want []row
					for i := range n {
						key, check := hashTuple(tuples[i])
						s := sightings[i].normal()
						want = append(want, row{key, pack(s, uint64(i+1), 0, check)})
					}
					slices.SortStableFunc(want, func(a, b row) int { return cmp.Compare(a.value.last(), b.value.last()) })
					for parts := 1; parts <= 3; parts++ {
						blocks := gatherAll(parts, tuples, sightings).blocks()
						if got := rowsOf(blocks, inOrder(blocks)); !slices.Equal(got, want) {
							t.Errorf("%d parts: not in order", parts)
						}
					}
				})
			}
		}
	}
}

// A memory knows the same terms, and the same about them, whether it was told
// by one or by several.
func TestTermsOfSeveralParts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	tuples := make([][]byte, 3000)
	sightings := make([]Sighting, len(tuples))
	for i := range tuples {
		tuples[i] = terms(fmt.Sprint(rnd.IntN(2)), fmt.Sprint(rnd.IntN(100)), fmt.Sprint(i))
		sightings[i] = at(start + rnd.Int64N(day))
	}
	for _, limit := range []int{10_000, 500} {
		for parts := 1; parts <= 4; parts++ {
			m := NewMemory(MemoryConfig{MaxTuples: limit, Window: tenDays.Window, Fields: 3})
			g := gatherAll(parts, tuples, sightings)
			g.mergeTerms(m)
			want := make(map[uint64]uint32)
			for i := range tuples {
				var h hashed
				h.hashTerms(tuples[i])
				for _, term := range h.terms[:h.n] {
					want[term] = max(want[term], seconds(sightings[i].Last))
				}
			}
			missing := 0
			for term, last := range want {
				found := false
				for i := range 3 {
					found = found || m.terms[i].last(term) == last
				}
				if !found && (last > m.terms[2].forgot || m.terms[2].forgot == 0) {
					t.Errorf("limit %d, %d parts: a term last seen %d is not known", limit, parts, last)
				}
				if !found {
					missing++
				}
			}
			if limit == 10_000 && missing > 0 || limit == 500 && missing == 0 {
				t.Errorf("limit %d, %d parts: %d terms are missing", limit, parts, missing)
			}
			for i := range 3 {
				if x := &m.terms[i]; x.n > x.limit {
					t.Errorf("limit %d, %d parts: %d terms", limit, parts, x.n)
				}
			}
		}
	}
}

// The sample says of each group about how many tuples it has.
func TestBaselineEstimate(t *testing.T) {
	const n = 100_000
	tuples := make([][]byte, n)
	want := make(map[uint64]int)
	var buf [1 << maxTerms]uint64
	for i := range tuples {
		tuples[i] = ninety(i)
		var h hashed
		h.hashTerms(tuples[i])
		for _, g := range h.groups(&buf) {
			want[g]++
		}
	}
	for parts := 1; parts <= 3; parts++ {
		got := gatherAll(parts, tuples, make([]Sighting, n)).baseline()
		large := 0
		for _, g := range slices.Collect(maps.Keys(want)) {
			if want[g] < n/50 {
				continue
			}
			large++
			if got[g] < want[g]*2/3 || got[g] > want[g]*4/3 {
				t.Errorf("%d parts: a group of %d is estimated at %d", parts, want[g], got[g])
			}
		}
		if large < 20 || len(got) > len(want)/2 {
			t.Errorf("%d parts: %d large groups, %d estimated of %d", parts, large, len(got), len(want))
		}
	}
}

// What the examination of the file kept for Load is what Load would read, and
// is let go when the file changes.
func TestExaminedTuples(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, m := mustRule(t, s, "r", tenDays)
	var b Batch
	for i := range 900 {
		m.Observe(ninety(i), at(start+int64(i)*7919%day), &b)
	}
	mustCommit(t, s, &b)
	mustClose(t, s)
	for _, commit := range []bool{false, true} {
		s, _ := mustOpen(t, dir, Options{})
		st, err := s.Rule("r", RuleOptions{Fingerprint: "f", Name: "r", Fields: []string{"a", "b", "c"}})
		if err != nil || len(s.examined) != 1 {
			t.Fatalf("%d rules examined, %v", len(s.examined), err)
		}
		want := 900
		if commit {
			// Somebody writes to the rule before it is loaded.
			b.put(st.Num, 901, at(start), ninety(901), true)
			b.del(st.Num, 7)
			b.del(st.Num, 8)
			mustCommit(t, s, &b)
			if want = 899; len(s.examined) != 0 {
				t.Error("what has changed is still kept")
			}
		}
		fromFile, err := s.gather(st.Num, nil)
		if err != nil {
			t.Fatal(err)
		}
		m := NewMemory(tenDays)
		if n, err := s.Load(st, m); n != want || err != nil {
			t.Errorf("%d tuples, want %d, %v", n, want, err)
		}
		if len(s.examined) != 0 {
			t.Error("what was loaded is still kept")
		}
		blocks := fromFile.blocks()
		if got, want := rowsOf(m.cold.blocks, m.cold.order), rowsOf(blocks, inOrder(blocks)); !slices.Equal(got, want) {
			t.Error("what was kept is not what is in the file")
		}
		mustClose(t, s)
	}
	ro, _, err := Open(dir, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if ro.examined != nil {
		t.Errorf("opened for reading only, and %d rules are kept", len(ro.examined))
	}
	mustClose(t, ro)
}

// Merging leaves room: the terms of one part come in the order of their tags,
// and a table that grew meanwhile would be searched from end to end.
func TestMergeMakesRoomFirst(t *testing.T) {
	const n = 1 << 16
	var x, y termIndex
	x.limit, y.limit = 1<<62, 1<<62
	rnd := rand.New(rand.NewPCG(19, 20))
	for range n {
		x.raise(rnd.Uint64(), 5, 0)
		y.raise(rnd.Uint64(), 6, 0)
	}
	both := x.n + y.n
	x.merge(&y)
	if len(x.slots) < both*9/8 || len(x.slots) > both*2 {
		t.Errorf("%d slots for %d terms", len(x.slots), both)
	}
	size := len(x.slots)
	x.merge(&y) // nothing new
	if len(x.slots) != size {
		t.Errorf("a table of %d slots has %d after terms that it had", size, len(x.slots))
	}
	for _, s := range y.slots {
		if s.tag != 0 && x.last(uint64(s.tag)) != 6 {
			t.Fatal("a term is lost")
		}
	}
}
