package seen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// oracle is the seen-set by its definition: a map and a clock.
type oracle struct {
	window int64
	seen   map[string]Sighting
}

func (o *oracle) observe(parts []string, s Sighting) (v Verdict, prev Sighting, novel uint32) {
	key := string(terms(parts...))
	for i := range parts {
		novel |= 1 << i
		for k, p := range o.seen {
			if s.First-p.Last > o.window {
				continue
			}
			vals, _ := DecodeTerms([]byte(k))
			if vals[i] == parts[i] {
				novel &^= 1 << i
			}
		}
	}
	p, ok := o.seen[key]
	switch {
	case !ok:
		o.seen[key] = s
		return New, Sighting{}, novel
	case s.First-p.Last > o.window:
		o.seen[key] = s
		return Expired, p, novel
	}
	o.seen[key] = Sighting{min(p.First, s.First), max(p.Last, s.Last), p.Count + s.Count}
	return Known, p, 0
}

// Whatever the times, in order or not, the memory decides as the definition
// does, as long as nothing has to be evicted; also across restarts.
func TestMemoryAgainstMapAndClock(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		cfg := MemoryConfig{MaxTuples: 5000, Window: 10 * time.Hour, Fields: 3, RefreshGrain: time.Millisecond * 8}
		dir := t.TempDir()
		s, _ := mustOpen(t, dir, Options{})
		_, m := mustRule(t, s, "r", cfg)
		o := &oracle{window: 10 * hour, seen: make(map[string]Sighting)}
		var b Batch
		now, newest := start, start
		for i := range 3000 {
			now += rnd.Int64N(20 * minute)
			// Whole seconds: the term index knows no finer time.
			when := (now - rnd.Int64N(9*hour)*int64(rnd.IntN(2))) / 1000 * 1000
			parts := []string{
				fmt.Sprint("d", rnd.IntN(2)), fmt.Sprint("u", rnd.IntN(12)), fmt.Sprint("a", rnd.IntN(12)),
			}
			sight := Sighting{when, when + rnd.Int64N(3)*1000, 1 + uint32(rnd.IntN(3))}
			v, prev, novel := o.observe(parts, sight)
			if newest = max(newest, sight.Last); v == Expired && newest-prev.Last > 2*o.window {
				// Out of the window for as long again: it may be forgotten.
				if _, ok := m.Peek(terms(parts...)); !ok {
					v, prev = New, Sighting{}
				}
			}
			got := m.Observe(terms(parts...), sight, &b)
			if got.Verdict != v || got.Previous != prev || got.Novel != novel || got.Evicted || got.NovelUnsure {
				t.Fatalf("seed %d, step %d: %v at %v: got %+v, want %v %+v %b", seed, i, parts, sight, got, v, prev, novel)
			}
			if rnd.IntN(500) == 0 {
				mustCommit(t, s, &b)
				mustClose(t, s)
				s, _ = mustOpen(t, dir, Options{})
				_, m = mustRule(t, s, "r", cfg)
				// A count alone is never a reason to write.
				for k, p := range o.seen {
					have, ok := m.Peek([]byte(k))
					if !ok && newest-p.Last <= o.window {
						t.Fatalf("seed %d: %q is forgotten after a restart", seed, k)
					}
					if ok {
						if have.First != p.First || have.Last != p.Last {
							t.Fatalf("seed %d: after a restart %+v, want %+v", seed, have, p)
						}
						o.seen[k] = have
					}
				}
			}
		}
		mustClose(t, s)
	}
}

// Split anywhere, in any order inside the window: the same tuples are new.
func TestOrderInsideTheWindowDoesNotMatter(t *testing.T) {
	type event struct {
		ua int
		at int64
	}
	var events []event
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		events = append(events, event{rnd.IntN(300), start + rnd.Int64N(9*day)})
	}
	count := func() int {
		m := NewMemory(tenDays)
		n := 0
		for _, e := range events {
			if m.Observe(terms("x", "y", fmt.Sprint(e.ua)), at(e.at), nil).Verdict != Known {
				n++
			}
		}
		return n
	}
	slices.SortFunc(events, func(a, b event) int { return int(a.at - b.at) })
	want := count()
	for range 20 {
		rnd.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		if got := count(); got != want {
			t.Fatalf("%d new in another order, %d in order", got, want)
		}
	}
}

func TestLateRecordLowersFirstSeen(t *testing.T) {
	m := NewMemory(tenDays)
	var b Batch
	m.Observe(terms("a"), at(start), &b)
	b.Reset()
	if o := m.Observe(terms("a"), at(start-40*day), &b); o.Verdict != Known {
		t.Errorf("a late record is %v", o.Verdict)
	}
	if b.Empty() {
		t.Error("an earlier first sighting is not written")
	}
	if s, _ := m.Peek(terms("a")); s != (Sighting{start - 40*day, start, 2}) {
		t.Errorf("it is now %+v", s)
	}
}

// However small its steps, a tuple seen all the time is written once a grain.
func TestHotTupleIsRefreshedOnceAGrain(t *testing.T) {
	m := NewMemory(tenDays)
	grain := tenDays.Window.Milliseconds() / 100
	var b Batch
	m.Observe(terms("a"), at(start), &b)
	b.Reset()
	last, writes := start, 0
	for now := start; now < start+20*day; now += 7919 {
		m.Observe(terms("a"), at(now), &b)
		if !b.Empty() {
			if gap := now - last; writes > 0 && gap < grain-7919 || gap > grain+7919 {
				t.Fatalf("written after %d ms, the grain is %d", gap, grain)
			}
			last = now
			writes++
			b.Reset()
		}
	}
	if writes < 150 || writes > 201 {
		t.Errorf("%d writes in twenty days", writes)
	}
}

// One user's flood of new tuples does not make the memory forget the others',
// wherever the rule lists the user and whatever the flood varies.
func TestFloodFromOneUser(t *testing.T) {
	const limit = 2000
	for _, tc := range []struct {
		name   string
		others int // tuples known before
		again  bool
		lost   int // how many may be lost
		flood  func(i int) []string
	}{
		{"half full, varying the last term", limit / 2, false, 0, func(i int) []string { return []string{"allow", "mallory", fmt.Sprint("x", i)} }},
		{"half full, varying the first term", limit / 2, false, 0, func(i int) []string { return []string{fmt.Sprint("x", i), "mallory", "curl"} }},
		{"half full, varying two terms", limit / 2, false, 0, func(i int) []string { return []string{fmt.Sprint("x", i%777), "mallory", fmt.Sprint("x", i)} }},
		{"full, seen once", limit, false, noisyLeast, func(i int) []string { return []string{"allow", "mallory", fmt.Sprint("x", i)} }},
		{"full, seen again", limit * 4 / 5, true, 0, func(i int) []string { return []string{"allow", "mallory", fmt.Sprint("x", i)} }},
		{"full, seen again, from a user each", limit * 4 / 5, true, 0, func(i int) []string { return []string{"allow", fmt.Sprint("m", i), fmt.Sprint("x", i)} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := NewMemory(MemoryConfig{MaxTuples: limit, Window: 240 * time.Hour, Fields: 3})
			other := func(i int) []byte { return terms("allow", fmt.Sprint("u", i%50), fmt.Sprint("ua", i/50)) }
			for i := range tc.others {
				m.Observe(other(i), at(start+int64(i)), nil)
				if tc.again {
					m.Observe(other(i), at(start+day), nil)
				}
			}
			alerts := 0
			for i := range 10 * limit {
				if m.Observe(terms(tc.flood(i)...), at(start+2*day+int64(i)), nil).Verdict == New {
					alerts++
				}
				if m.Len() > limit {
					t.Fatalf("%d tuples are kept", m.Len())
				}
			}
			if alerts != 10*limit {
				t.Errorf("%d of the flood's %d tuples were new", alerts, 10*limit)
			}
			lost := 0
			for i := range tc.others {
				if _, ok := m.Peek(other(i)); !ok {
					lost++
				}
			}
			if lost > tc.lost {
				t.Errorf("%d of %d known tuples were driven out", lost, tc.others)
			}
		})
	}
}

func TestExpiredTuplesArePruned(t *testing.T) {
	m := NewMemory(tenDays)
	var b Batch
	for i := range 500 {
		m.Observe(terms("a", fmt.Sprint(i)), at(start), &b)
	}
	b.Reset()
	if o := m.Observe(terms("a", "7"), at(start+11*day), &b); o.Verdict != Expired || o.Previous != at(start) {
		t.Errorf("after eleven days: %+v", o)
	}
	for i := range 500 {
		m.Observe(terms("b", fmt.Sprint(i%5)), at(start+21*day+int64(i)), &b)
	}
	if m.Len() != 6 {
		t.Errorf("%d tuples are left", m.Len())
	}
	dels := 0
	for _, op := range b.ops {
		if op.kind == opForget {
			dels++
		}
	}
	if dels != 499 {
		t.Errorf("%d are deleted from disk", dels)
	}
}

// A host's clock is a hundred days ahead for a moment, and the state outlives
// it: when the clock is right again, tuples are remembered as ever.
func TestClockWasWrong(t *testing.T) {
	cfg := MemoryConfig{MaxTuples: 1000, Window: 10 * time.Hour}
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, m := mustRule(t, s, "r", cfg)
	var b Batch
	for i := range 100 {
		m.Observe(terms("before", fmt.Sprint(i)), at(start), &b)
	}
	m.Observe(terms("in the future"), at(start+2400*hour), &b)
	m.Clock(start + minute)
	for restarted := range 2 {
		for round := range 3 {
			for i := range 100 {
				now := start + int64(round)*minute
				m.Clock(now + minute)
				if o := m.Observe(terms("after", fmt.Sprint(i)), at(now), &b); (o.Verdict == New) != (restarted == 0 && round == 0) {
					t.Fatalf("restarts %d, round %d: tuple %d is %v", restarted, round, i, o.Verdict)
				}
			}
		}
		mustCommit(t, s, &b)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s, _ = mustOpen(t, dir, Options{})
		_, m = mustRule(t, s, "r", cfg)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Terms are dropped at the index's limit, but a term of a live tuple is never
// called novel for that.
func TestNovelIsNeverWrong(t *testing.T) {
	m := NewMemory(MemoryConfig{MaxTuples: 500, Window: 240 * time.Hour, Fields: 2})
	m.Observe(terms("bob", "curl"), at(start), nil)
	m.Observe(terms("eve", "wget"), at(start), nil)
	for i := range 20000 {
		m.Observe(terms("mallory", fmt.Sprint(i)), at(start+day+int64(i)*1000), nil)
	}
	if _, ok := m.Peek(terms("bob", "curl")); !ok {
		t.Fatal("bob was driven out")
	}
	o := m.Observe(terms("eve", "curl"), at(start+2*day), nil)
	if o.Verdict != New || o.Novel != 0 || !o.NovelUnsure {
		t.Errorf("a new pair of known terms: %+v", o)
	}
	if n := len(m.terms[1].seen); n > 500+125+1024 {
		t.Errorf("the index holds %d terms", n)
	}
	// Once what was dropped cannot be live any more, it is sure again.
	if o := m.Observe(terms("eve", "nc"), at(start+13*day), nil); o.NovelUnsure || o.Novel&2 == 0 {
		t.Errorf("two weeks later: %+v", o)
	}
}

func TestValue(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 10000 {
		last := rnd.Int64N(maxTime + 1)
		s := Sighting{max(last-rnd.Int64N(maxTime), 0), last, 1 + rnd.Uint32N(maxCount)}
		seq, size, check := rnd.Uint64N(maxSeq+1), rnd.IntN(maxSize+1), rnd.Uint32()
		v := newValue(s, seq, size, check)
		stale := rnd.IntN(2) == 0
		v.setStale(stale)
		if v.sighting() != s || v.seq() != seq || v.size() != size || v.check != check || v.stale() != stale {
			t.Fatalf("%+v %d %d %x came back as %+v %d %d %x", s, seq, size, check, v.sighting(), v.seq(), v.size(), v.check)
		}
	}
}
