package seen

import (
	"math/rand/v2"
	"testing"
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
