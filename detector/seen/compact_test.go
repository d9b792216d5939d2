package seen

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// However much comes and goes, the journal is at most two and a half times as
// large as what is live in it, and holds what the memory holds; also where
// compacting fails at any step.
func TestSizeOnDisk(t *testing.T) {
	for _, step := range []string{"", "create", "write new", "sync new", "rename"} {
		t.Run("fault at "+step, func(t *testing.T) {
			dir := t.TempDir()
			var faults atomic.Int32
			s, _ := mustOpen(t, dir, Options{fault: func(at string) error {
				// The first steps make the journal.
				if n := faults.Load(); at == step && (faults.Add(1) == 2 && step != "write new" || n == 5) {
					return syscall.EIO
				}
				return nil
			}})
			cfg := tenDays
			cfg.MaxTuples = 20_000
			st, m := mustRule(t, s, "r", cfg)
			var b Batch
			rnd := rand.New(rand.NewPCG(1, 1))
			now := start
			for i := range 120 {
				for range 1000 {
					now += 100
					m.Observe(terms("user", fmt.Sprint(rnd.IntN(1_000_000)), strings.Repeat("x", 100)), at(now), &b)
				}
				b.SetMeta(st.Num, RuleMeta{Alerts: uint64(i), Extra: []byte(strings.Repeat("m", 1000))})
				b.AddAlert(OutboxEntry{Body: []byte(strings.Repeat("y", 5000))})
				mustCommit(t, s, &b)
				if first, _ := b.AlertIDs(); i%2 == 0 {
					b.Ack(first)
				}
			}
			mustCommit(t, s, &b)
			s.compact() // the last one may be under way
			st2 := s.Stats()
			info, err := os.Stat(filepath.Join(dir, stateName))
			live := m.Bytes() + st2.OutboxBytes
			if err != nil || info.Size() > live*5/2 {
				t.Errorf("%d bytes on disk for %d: %v", info.Size(), live, err)
			}
			if st2.Compactions == 0 || info.Size() != st2.DiskBytes {
				t.Errorf("%+v, %d bytes on disk", st2, info.Size())
			}
			mustClose(t, s)
			s, r := mustOpen(t, dir, Options{OnCorrupt: Stop})
			if r.Tuples != m.Len() || r.Alerts != st2.Outbox {
				t.Errorf("%+v, want %d tuples and %d alerts", r, m.Len(), st2.Outbox)
			}
			st, again := mustRule(t, s, "r", cfg)
			if st.Meta.Alerts != 119 || len(st.Meta.Extra) != 1000 {
				t.Errorf("metadata: %+v", st.Meta)
			}
			for seg := range m.segments {
				for _, key := range seg.Keys() {
					v, _ := seg.Peek(key)
					if found, w := again.find(&hashed{key: key}, nil); found == nil || v.last-w.last >= m.grain || w.first != v.first {
						t.Fatalf("%+v is %+v after a restart", v, w)
					}
				}
			}
			mustClose(t, s)
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 2 {
				t.Errorf("the folder holds %v", left)
			}
		})
	}
}

// What a rule's user keeps is written when it has changed, and only then.
func TestExtraIsWrittenWhenItChanges(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{})
	st, _ := mustRule(t, s, "r", tenDays)
	extra := []byte(strings.Repeat("e", 100_000))
	var b Batch
	write := func(alerts uint64) int64 {
		before := s.Stats().DiskBytes
		b.SetMeta(st.Num, RuleMeta{Alerts: alerts, Extra: extra})
		mustCommit(t, s, &b)
		return s.Stats().DiskBytes - before
	}
	write(1)
	if n := write(2); n > 1000 {
		t.Errorf("%d bytes for a count", n)
	}
	extra = append([]byte("changed"), extra...)
	if n := write(3); n < 100_000 {
		t.Errorf("%d bytes for what has changed", n)
	}
}

// The terms of a rule are bounded on disk, as its tuples are in number; a long
// term is kept short and stays distinct.
func TestBytesOfARule(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	cfg := tenDays
	cfg.MaxBytes = 200_000
	_, m := mustRule(t, s, "r", cfg)
	var b Batch
	long := strings.Repeat("é", 100_000)
	evicted := 0
	for i := range 500 {
		o := m.Observe(terms("a", long+fmt.Sprint(i)), at(start+int64(i)), &b)
		if o.Verdict != New {
			t.Fatalf("tuple %d is %v: two long terms are one", i, o.Verdict)
		}
		if o.Evicted {
			evicted++
		}
		mustCommit(t, s, &b)
	}
	if m.Bytes() > cfg.MaxBytes || m.Len() < 40 || evicted+m.Len() != 500 {
		t.Errorf("%d tuples of %d bytes, %d evicted", m.Len(), m.Bytes(), evicted)
	}
	if err := audit(m); err != nil {
		t.Error(err)
	}
	mustClose(t, s)
	s, r := mustOpen(t, dir, Options{OnCorrupt: Stop})
	if r.Tuples != m.Len() {
		t.Errorf("%+v", r)
	}
	cfg.MaxBytes = 50_000
	if _, m := mustRule(t, s, "r", cfg); m.Bytes() > cfg.MaxBytes || m.Len() == 0 {
		t.Errorf("loaded %d tuples of %d bytes", m.Len(), m.Bytes())
	}
	_, _, err := Inspect(dir)
	if err != nil {
		t.Error(err)
	}
}
