package seen

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A memory that was read from disk decides as the one that wrote it, also when
// it is full.
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
	if m.Len() != 300 || m.protected.Len() != 100 || m.probation.Len() != 200 {
		t.Fatalf("%d tuples, %d protected", m.Len(), m.protected.Len())
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
	if m.Len() != 300 {
		t.Errorf("%d tuples", m.Len())
	}
}

// After a crash a tuple may have been seen a grain later than the disk says. It
// is given that time as long as it was not seen since, also when it was pushed
// out of the protected, or met by a late record.
func TestSlackOutlivesTheProbation(t *testing.T) {
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
			if o := m.Observe(tuple(0), at(start+12*hour+40*minute), &b); o.Verdict != Known {
				t.Errorf("seen nine hours and fifty minutes ago, and %v", o.Verdict)
			}
		})
	}
}
