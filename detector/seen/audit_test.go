package seen

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// audit checks what must be true of a memory whatever has happened to it.
func audit(m *Memory) error {
	found := make(map[uint64]bool)
	bytes := int64(0)
	for seg := range m.segments {
		for _, key := range seg.Keys() {
			if found[key] {
				return fmt.Errorf("key %x is in two segments", key)
			}
			found[key] = true
			v, _ := seg.Peek(key)
			bytes += v.bytes()
		}
	}
	if n := len(found); n != m.Len() || n > m.cfg.MaxTuples {
		return fmt.Errorf("%d tuples, %d counted, of at most %d", n, m.Len(), m.cfg.MaxTuples)
	}
	if bytes != m.Bytes() || bytes > m.maxBytes {
		return fmt.Errorf("%d bytes, %d counted, of at most %d", bytes, m.Bytes(), m.maxBytes)
	}
	if len(m.noisy) != len(m.ring) || len(m.ring) > maxNoisy {
		return fmt.Errorf("%d noisy groups, %d in the ring", len(m.noisy), len(m.ring))
	}
	for _, f := range m.ring {
		if m.noisy[f.group] != f {
			return fmt.Errorf("a noisy group has lost its segment")
		}
	}
	return nil
}

// onDisk is what a journal would say of one rule.
type onDisk map[uint64]onDiskTuple

type onDiskTuple struct {
	s     Sighting
	terms string
}

// write takes in what a batch would write, and empties it.
func (d onDisk) write(t *testing.T, b *Batch) {
	t.Helper()
	for i := range b.ops {
		op := &b.ops[i]
		have, ok := d[op.seq]
		if ok == (op.kind == opNew) {
			t.Fatalf("%+v is written, on disk before: %v", op, ok)
		}
		switch op.kind {
		case opNew:
			d[op.seq] = onDiskTuple{op.s, string(b.terms(op))}
		case opSighting:
			have.s = op.s
			d[op.seq] = have
		case opForget:
			if len(have.terms) != int(op.n) {
				t.Fatalf("a tuple of %d bytes is forgotten as one of %d", len(have.terms), op.n)
			}
			delete(d, op.seq)
		}
	}
	b.Reset()
}

// table returns it as read from a journal.
func (d onDisk) table() *ruleTable {
	table := &ruleTable{}
	for _, seq := range slices.Sorted(maps.Keys(d)) {
		table.rows.add(newRow(seq, d[seq].s, []byte(d[seq].terms), true))
		table.seq = seq
	}
	return table
}

// Through floods, evictions, expiry, jumps of the clock, changes of the limits
// and restarts, a memory agrees with itself and with what it had written.
func TestMemoryAgreesWithItsDisk(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 99))
		window := func() time.Duration { return time.Duration(rnd.IntN(4)*3) * time.Hour }
		m := NewMemory(MemoryConfig{MaxTuples: 50 + rnd.IntN(3000), MaxBytes: 2000 + rnd.Int64N(100_000), Window: window(), Fields: 3})
		disk := make(onDisk)
		now, universe := start, 1+rnd.IntN(8000)
		var b Batch
		written := func() { disk.write(t, &b) }
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
				table := disk.table()
				table.seq = max(table.seq, m.seq)
				cfg := m.cfg
				cfg.MaxTuples = max(30, cfg.MaxTuples+rnd.IntN(100)-50)
				m = NewMemory(cfg)
				m.slack = m.grain
				m.restore(table, &b)
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
				s, ok := m.Peek([]byte(e.terms))
				if !ok {
					t.Fatalf("seed %d, step %d: tuple %d is on disk only", seed, step, seq)
				}
				if late := s.Last - e.s.Last; s.First != e.s.First || late < 0 || late > m.grain {
					t.Fatalf("seed %d, step %d: tuple %d is %+v, and %+v on disk; the grain is %d", seed, step, seq, s, e.s, m.grain)
				}
			}
		}
	}
}

// Noisy groups come and go, more of them than may have a segment at a time.
func TestNoisyGroupsComeAndGo(t *testing.T) {
	m := NewMemory(MemoryConfig{MaxTuples: 8000, Window: time.Hour, Fields: 2})
	now, most, came := start, 0, make(map[uint64]bool)
	for wave := range 6 {
		for user := range 200 {
			for i := range 3 * noisyLeast {
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
	if most < maxNoisy/2 || len(came) <= maxNoisy {
		t.Errorf("%d noisy groups in all, %d at a time", len(came), most)
	}
}
