package seen

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A memory that was read from disk decides as the one that wrote it, also when
// it is full, and gives the compact table up as its tuples come back.
func TestRestart(t *testing.T) {
	cfg := MemoryConfig{MaxTuples: 300, Window: tenDays.Window, Fields: 3}
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, m := mustRule(t, s, "r", cfg)
	var b Batch
	rnd := rand.New(rand.NewPCG(9, 9))
	tuple := func(i int) []byte { return ninety(i * 2) }
	for i := range 300 {
		m.Observe(tuple(i), at(start+int64(i)), &b)
	}
	for i := range 100 { // seen again: protected
		m.Observe(tuple(i*3), at(start+day+int64(i)), &b)
	}
	mustCommit(t, s, &b)
	mustClose(t, s)
	s, _ = mustOpen(t, dir, Options{})
	_, m = mustRule(t, s, "r", cfg)
	if m.Len() != 300 || m.size(m.protected) != 100 || m.size(m.probation) != 200 {
		t.Fatalf("%d tuples, %d protected", m.Len(), m.size(m.protected))
	}
	if o, ok := m.Oldest(); !ok || o != at(start+1) {
		t.Errorf("the oldest is %+v", o)
	}
	// New ones drive out those seen once, oldest first, down to a fifth.
	for i := range 140 {
		o := m.Observe(tuple(1000+i), at(start+2*day), &b)
		if !o.Evicted || !o.EvictedInsideWindow || m.Len() != 300 {
			t.Fatalf("%d: %+v, %d tuples", i, o, m.Len())
		}
	}
	for i := range 300 {
		_, ok := m.Peek(tuple(i))
		if want := i%3 == 0 || i >= 210; ok != want {
			t.Errorf("tuple %d: known %v, want %v", i, ok, want)
		}
	}
	for _, i := range rnd.Perm(300) {
		if i%3 == 0 || i >= 210 {
			if o := m.Observe(tuple(i), at(start+3*day), &b); o.Verdict != Known {
				t.Errorf("tuple %d is %v", i, o.Verdict)
			}
		}
	}
	if m.cold.order != nil {
		t.Errorf("%d cold rows are left", len(m.cold.order))
	}
	if m.Len() != 300 {
		t.Errorf("%d tuples", m.Len())
	}
}

// Of one tuple twice on disk, which a salvaged file may have, the later sighting
// counts and the other is deleted, whichever was read first.
func TestTupleTwiceOnDisk(t *testing.T) {
	for name, last := range map[string][]int64{
		"later last":  {start, start + hour, start + 2*hour},
		"later first": {start + 2*hour, start + hour, start},
		"mixed":       {start + hour, start + 2*hour, start},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMemory(tenDays)
			g := newGathered(2)
			for i, ms := range last {
				g.parts[i%2].add(uint64(i+1), appendEntry(nil, at(ms), terms("a")))
				g.parts[i%2].add(uint64(i+11), appendEntry(nil, at(start), terms("b", string(rune('0'+i)))))
			}
			var b Batch
			m.restore(g, &b)
			if m.Len() != 4 || len(b.ops) != 2 {
				t.Fatalf("%d tuples, %d deletions", m.Len(), len(b.ops))
			}
			for _, op := range b.ops {
				if op.n != 0 || last[op.seq-1] == start+2*hour {
					t.Errorf("%+v is deleted", op)
				}
			}
			if s, ok := m.Peek(terms("a")); !ok || s != at(start+2*hour) {
				t.Errorf("it is %+v, %v", s, ok)
			}
		})
	}
}

// After a crash a tuple may have been seen a grain later than the disk says. It
// is given that time as long as it was not seen since, also when it has left
// the cold otherwise: pushed out of the protected, or met by a late record.
func TestSlackOutlivesTheCold(t *testing.T) {
	cfg := MemoryConfig{MaxTuples: 110, Window: 10 * time.Hour, RefreshGrain: time.Hour, Fields: 3}
	tuple := func(i int) []byte { return terms("d", fmt.Sprint("u", i), "a") }
	for name, leave := range map[string]func(m *Memory, b *Batch){
		"demoted": func(m *Memory, b *Batch) {
			m.Observe(terms("d", "x", "a"), at(start+4*hour), b)
			m.Observe(terms("d", "x", "a"), at(start+6*hour), b)
		},
		"late record": func(m *Memory, b *Batch) {
			m.Observe(tuple(0), at(start), b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, _ := mustOpen(t, dir, Options{})
			_, m := mustRule(t, s, "r", cfg)
			var b Batch
			for i := range 100 {
				m.Observe(tuple(i), Sighting{start + int64(i), start + 2*hour + int64(i), 2}, &b)
			}
			mustCommit(t, s, &b)
			m.Observe(tuple(0), at(start+2*hour+50*minute), &b)
			if !b.Empty() {
				t.Fatal("the last sighting is on disk")
			}
			mustClose(t, s)
			s, _ = mustOpen(t, dir, Options{})
			_, m = mustRule(t, s, "r", cfg)
			leave(m, &b)
			key, _ := hashTuple(tuple(0))
			seg, p := m.find(key)
			if seg == nil || p.slot() != m.slot(p.last())%slots {
				t.Errorf("it is in segment %v, with slot %d", seg, p.slot())
			}
			if o := m.Observe(tuple(0), at(start+12*hour+40*minute), &b); o.Verdict != Known {
				t.Errorf("seen nine hours and fifty minutes ago, and %v", o.Verdict)
			}
		})
	}
}
