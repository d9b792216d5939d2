package seen

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"
)

// audit checks what must be true of a memory whatever has happened to it.
func audit(m *Memory) error {
	places, found := make(map[uint32]int), make(map[uint64]bool)
	for i, seg := range m.segments {
		if seg == nil {
			continue
		}
		if int(seg.id) != i {
			return fmt.Errorf("segment %d has the number %d", i, seg.id)
		}
		for _, key := range seg.lru.Keys() {
			if found[key] {
				return fmt.Errorf("key %x is in two segments", key)
			}
			found[key] = true
			places[place(key, seg.id)]++
			if at, _ := m.find(key); at != seg {
				return fmt.Errorf("key %x of segment %d is not found there", key, i)
			}
		}
	}
	have := make(map[uint32]int)
	for _, p := range m.places.slots {
		if p != 0 {
			have[p]++
		}
	}
	if !maps.Equal(have, places) || m.places.n != len(found) {
		return fmt.Errorf("the places of %d tuples are not those of %d in the segments", m.places.n, len(found))
	}
	var cold [2]int
	for _, at := range m.cold.order {
		r := m.cold.row(at)
		if r.gone() {
			continue
		}
		cold[side(m.seenAgain(&r.value))]++
		if found[r.key] || m.cold.find(r.key) != r {
			return fmt.Errorf("key %x is in the cold and elsewhere, or cannot be found", r.key)
		}
	}
	if cold != m.cold.n {
		return fmt.Errorf("%v tuples are in the cold, %v counted", cold, m.cold.n)
	}
	if n := len(found) + cold[0] + cold[1]; n != m.Len() || n > m.cfg.MaxTuples {
		return fmt.Errorf("%d tuples, %d counted, of at most %d", n, m.Len(), m.cfg.MaxTuples)
	}
	segments := 0
	for range m.each {
		segments++
	}
	if len(m.floods) != len(m.ring) || len(m.ring) > maxFloods || segments != len(m.ring)+2 {
		return fmt.Errorf("%d floods, %d in the ring, %d segments", len(m.floods), len(m.ring), segments)
	}
	for _, f := range m.ring {
		if m.segments[f.id] != f.segment || m.floods[f.group] != f {
			return fmt.Errorf("a flood has lost its segment")
		}
	}
	return nil
}

// Through floods, evictions, expiry, jumps of the clock, changes of the limits
// and restarts, a memory agrees with itself and with what it had written.
func TestMemoryAgreesWithItsDisk(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 99))
		window := func() time.Duration { return time.Duration(rnd.IntN(4)*3) * time.Hour }
		m := NewMemory(MemoryConfig{MaxTuples: 50 + rnd.IntN(3000), Window: window(), Fields: 3})
		disk := make(map[uint64]string)
		now, universe := start, 1+rnd.IntN(8000)
		var b Batch
		written := func() {
			for i := range b.ops {
				if op := &b.ops[i]; op.n == 0 {
					delete(disk, op.seq)
				} else {
					disk[op.seq] = string(b.entry(op))
				}
			}
			b.Reset()
		}
		for step := range 6000 {
			switch r := rnd.IntN(2000); {
			case r == 0:
				now += rnd.Int64N(30 * hour)
			case r == 1:
				m.Reconfigure(30+rnd.IntN(4000), m.cfg.Window, &b)
			case r == 2:
				m.Reconfigure(m.cfg.MaxTuples, window(), &b)
			case r < 5: // a restart
				written()
				g := newGathered(1 + rnd.IntN(3))
				for seq, e := range disk {
					g.parts[rnd.IntN(len(g.parts))].add(seq, entry(e))
				}
				cfg := m.cfg
				cfg.MaxTuples = max(30, cfg.MaxTuples+rnd.IntN(100)-50)
				m = NewMemory(cfg)
				m.slack = m.grain
				m.restore(g, &b)
			case r < 30:
				now += rnd.Int64N(40 * minute)
			}
			now += rnd.Int64N(3000)
			when := now
			switch rnd.IntN(3000) {
			case 0: // a clock that is ahead
				when += 2 * hour
			default:
				if rnd.IntN(5) == 0 {
					when -= rnd.Int64N(8 * hour)
				}
			}
			id := rnd.IntN(universe)
			if rnd.IntN(2) == 0 {
				id = rnd.IntN(1 + universe/20)
			}
			user := id % 40
			switch {
			case step/1500%2 == 1: // many floods
				user = id % 3000
			case step/500%3 == 1: // one
				user = 7
				id += step * rnd.IntN(2)
			}
			tuple := terms(fmt.Sprint("d", id%3), fmt.Sprint("u", user), fmt.Sprint("a", id))
			before, was := m.Peek(tuple)
			s := Sighting{when, when + rnd.Int64N(3)*1000, 1}
			o := m.Observe(tuple, s, &b)
			expired := was && m.window > 0 && s.First-before.Last > m.window
			if was == (o.Verdict == New) || was && o.Previous != before || o.Verdict == Expired && !expired {
				t.Fatalf("seed %d, step %d: %v, %v before: %+v", seed, step, was, before, o)
			}
			if step%100 != 99 {
				continue
			}
			written()
			if err := audit(m); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
			if len(disk) != m.Len() {
				t.Fatalf("seed %d, step %d: %d tuples, %d on disk", seed, step, m.Len(), len(disk))
			}
			for seq, e := range disk {
				if _, ok := m.Peek(entry(e).terms()); !ok {
					t.Fatalf("seed %d, step %d: tuple %d is on disk only", seed, step, seq)
				}
			}
		}
	}
}

// Floods come and go, more of them than may have a segment at a time, and their
// segments' numbers are given out again.
func TestFloodsComeAndGo(t *testing.T) {
	m := NewMemory(MemoryConfig{MaxTuples: 8000, Window: time.Hour, Fields: 2})
	now, most, came := start, 0, make(map[uint64]bool)
	for wave := range 6 {
		for user := range 200 {
			for i := range 3 * floodLeast {
				now += 50
				tuple := terms(fmt.Sprint("u", wave, user), fmt.Sprint("a", wave, user, i))
				if o := m.Observe(tuple, at(now), nil); o.Verdict != New {
					t.Fatalf("wave %d: %+v", wave, o)
				}
			}
			if user%20 > 0 {
				continue
			}
			if err := audit(m); err != nil {
				t.Fatalf("wave %d, user %d: %v", wave, user, err)
			}
		}
		for _, f := range m.ring {
			came[f.group] = true
		}
		most = max(most, len(m.ring))
		now += 2 * hour
	}
	if most < maxFloods/2 || len(came) <= maxFloods || len(m.segments) > maxFloods+3 {
		t.Errorf("%d floods in all, %d at a time, %d segments", len(came), most, len(m.segments))
	}
}
