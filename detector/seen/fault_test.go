package seen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Whatever step fails, and however often, nothing that was handed in is lost,
// and nothing is acknowledged before it is on disk.
func TestFaultAtEveryStep(t *testing.T) {
	steps := []string{"check", "write", "sync", "synced", "rebuild", "create", "write new", "sync new", "rename"}
	for _, step := range steps {
		for times := 1; times <= 4; times++ {
			t.Run(fmt.Sprint(step, times), func(t *testing.T) {
				dir := t.TempDir()
				var left atomic.Int32
				s, _ := mustOpen(t, dir, Options{fault: func(at string) error {
					// The later steps are only taken after a failed write.
					if (at == step || at == "write" && !slices.Contains(steps[:4], step)) && left.Add(-1) >= 0 {
						return fmt.Errorf("%s: %w", at, syscall.EIO)
					}
					return nil
				}})
				_, m := mustRule(t, s, "r", tenDays)
				var b Batch
				m.Observe(terms("before"), at(start), &b)
				mustCommit(t, s, &b)
				left.Store(int32(times))
				m.Observe(terms("during"), at(start), &b)
				b.AddAlert(OutboxEntry{Body: []byte("x")})
				err := s.Commit(context.Background(), &b)
				if !errors.Is(err, ErrOwed) || !errors.Is(err, syscall.EIO) {
					t.Errorf("Commit: %v", err)
				}
				m.Observe(terms("after"), at(start), &b)
				tk := s.Enqueue(&b)
				for deadline := time.Now().Add(10 * time.Second); s.Wait(context.Background(), tk) != nil; {
					if time.Now().After(deadline) {
						t.Fatalf("it never recovers: %+v", s.Stats())
					}
					time.Sleep(time.Millisecond)
				}
				if st := s.Stats(); st.LastError != nil || st.OwedTuples+st.OwedAlerts != 0 || st.Errors == 0 || st.Outbox != 1 {
					t.Errorf("afterwards %+v", st)
				}
				mustClose(t, s)
				wantState(t, dir, 1, "before", "during", "after")
			})
		}
	}
}

// wantState checks what is on disk.
func wantState(t *testing.T, dir string, alerts int, want ...string) {
	t.Helper()
	s, r := mustOpen(t, dir, Options{OnCorrupt: Stop})
	defer s.Close()
	_, m := mustRule(t, s, "r", tenDays)
	for _, w := range want {
		if _, ok := m.Peek(terms(w)); !ok {
			t.Errorf("%q is not on disk", w)
		}
	}
	if m.Len() != len(want) || r.Alerts != alerts {
		t.Errorf("%d tuples and %d alerts on disk, want %d and %d", m.Len(), r.Alerts, len(want), alerts)
	}
}

// A descriptor that turns into something else is found out before anything is
// written to it, and the store finds its file again.
func TestDescriptorGoneBad(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, m := mustRule(t, s, "r", tenDays)
	var b Batch
	m.Observe(terms("before"), at(start), &b)
	mustCommit(t, s, &b)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.io.Lock()
	f, err := os.OpenFile(other, os.O_RDWR, 0)
	if err == nil {
		err = unix.Dup3(int(f.Fd()), int(s.journal.file.Fd()), unix.O_CLOEXEC)
		f.Close()
	}
	s.io.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	m.Observe(terms("during"), at(start), &b)
	mustCommit(t, s, &b)
	mustClose(t, s)
	wantState(t, dir, 0, "before", "during")
	if left, _ := os.ReadFile(other); string(left) != "not ours" {
		t.Errorf("the other file holds %q", left)
	}
}

// A full disk is written to again in place, as soon as there is room, though
// there is none for a second journal.
func TestFullDiskNeedsNoSecondJournal(t *testing.T) {
	dir := t.TempDir()
	var full atomic.Bool
	s, _ := mustOpen(t, dir, Options{fault: func(at string) error {
		if full.Load() && at == "write" || at == "create" && full.Load() {
			return syscall.ENOSPC
		}
		return nil
	}})
	_, m := mustRule(t, s, "r", tenDays)
	var b Batch
	m.Observe(terms("before"), at(start), &b)
	mustCommit(t, s, &b)
	before, _ := os.Stat(filepath.Join(dir, stateName))
	full.Store(true)
	m.Observe(terms("during"), at(start), &b)
	if err := s.Commit(context.Background(), &b); !errors.Is(err, ErrOwed) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Commit: %v", err)
	}
	full.Store(false)
	m.Observe(terms("after"), at(start), &b)
	tk := s.Enqueue(&b)
	for s.Wait(context.Background(), tk) != nil {
		time.Sleep(time.Millisecond)
	}
	if after, err := os.Stat(filepath.Join(dir, stateName)); err != nil || !os.SameFile(before, after) {
		t.Errorf("the journal is another file: %v", err)
	}
	mustClose(t, s)
	wantState(t, dir, 0, "before", "during", "after")
}

// A journal cut, removed or replaced while it is in use must not take the
// process with it.
func TestFileChangedUnderfoot(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"removed":   os.Remove,
		"cut":       func(p string) error { return os.Truncate(p, 5000) },
		"emptied":   func(p string) error { return os.Truncate(p, 0) },
		"folder":    func(p string) error { return os.RemoveAll(filepath.Dir(p)) },
		"replaced":  func(p string) error { os.Remove(p); return os.WriteFile(p, []byte("hello"), 0o600) },
		"a symlink": func(p string) error { os.Remove(p); return os.Symlink("/etc/passwd", p) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			s, _ := mustOpen(t, dir, Options{})
			_, m := mustRule(t, s, "r", tenDays)
			var b Batch
			for i := range 500 {
				m.Observe(terms(fmt.Sprint(i)), at(start), &b)
			}
			b.AddAlert(OutboxEntry{Body: []byte("earlier")})
			mustCommit(t, s, &b)
			if err := harm(filepath.Join(dir, stateName)); err != nil {
				t.Fatal(err)
			}
			m.Observe(terms("during"), at(start), &b)
			b.AddAlert(OutboxEntry{Body: []byte("x")})
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			err := s.Commit(ctx, &b)
			t.Log(err)
			if err != nil && !errors.Is(err, ErrOwed) {
				t.Errorf("Commit: %v", err)
			}
			if name == "a symlink" {
				if err == nil {
					t.Error("a link was followed or replaced")
				}
				return // owed until somebody puts things right
			}
			for s.Wait(ctx, Ticket{gen: 3}) != nil {
				time.Sleep(time.Millisecond)
			}
			if _, _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
				t.Errorf("a second user of the folder: %v", err)
			}
			mustClose(t, s)
			s, r := mustOpen(t, dir, Options{OnCorrupt: Stop})
			least := 501 // the file lives on behind its descriptor
			if name == "cut" || name == "emptied" {
				least = 1
			}
			if r.Alerts != 2 || r.Tuples < least {
				t.Errorf("afterwards %+v", r)
			}
			if asides, _ := filepath.Glob(filepath.Join(dir, stateName+".*")); (len(asides) == 1) != (name == "cut" || name == "emptied" || name == "replaced") {
				t.Errorf("kept aside: %v", asides)
			}
			s.Close()
		})
	}
}

// A disk with seconds a sync holds nobody up for longer than asked.
func TestSlowDisk(t *testing.T) {
	release := make(chan struct{})
	var slow atomic.Bool
	s, _ := mustOpen(t, t.TempDir(), Options{
		CloseTimeout: 50 * time.Millisecond,
		fault: func(at string) error {
			if at == "sync" && slow.Load() {
				<-release
			}
			return nil
		},
	})
	_, m := mustRule(t, s, "r", tenDays)
	var b Batch
	m.Observe(terms("0"), at(start), &b)
	mustCommit(t, s, &b)
	slow.Store(true)
	for i := range 50 {
		m.Observe(terms(fmt.Sprint("slow", i)), at(start), &b)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		before := time.Now()
		if err := s.Commit(ctx, &b); !errors.Is(err, ErrPending) {
			t.Fatalf("Commit: %v", err)
		}
		cancel()
		if d := time.Since(before); d > time.Second {
			t.Errorf("it took %v", d)
		}
	}
	if st := s.Stats(); st.OwedTuples != 50 {
		t.Errorf("%d tuples owed", st.OwedTuples)
	}
	if err := s.Close(); !errors.Is(err, ErrPending) {
		t.Errorf("Close: %v", err)
	}
	slow.Store(false)
	close(release)
	<-s.stopped // so that no goroutine is left for goleak
}

// What is owed to a dead disk is bounded by what is in memory.
func TestOwedIsBounded(t *testing.T) {
	dir := t.TempDir()
	var dead atomic.Bool
	s, _ := mustOpen(t, dir, Options{MaxOutbox: 100, fault: func(at string) error {
		if dead.Load() {
			return syscall.ENOSPC
		}
		return nil
	}})
	_, m := mustRule(t, s, "r", MemoryConfig{MaxTuples: 1000, Window: 240 * time.Hour, Fields: 2})
	var b Batch
	m.Observe(terms("a", "b"), at(start), &b)
	mustCommit(t, s, &b)
	dead.Store(true)
	for i := range 100_000 {
		m.Observe(terms("mallory", fmt.Sprint(i)), at(start+int64(i)), &b)
		b.AddAlert(OutboxEntry{Severity: uint8(i % 3), Body: []byte("x")})
		if len(b.ops) > 50 {
			s.Enqueue(&b)
		}
	}
	st := s.Stats()
	if st.OwedTuples > 20_000 || st.Outbox > 100 || st.Dropped == 0 || st.Outbox+int(st.Dropped)+len(b.alerts) != 100_000 {
		t.Errorf("owed: %+v", st)
	}
	dead.Store(false)
	tk := s.Enqueue(&b)
	for s.Wait(context.Background(), tk) != nil {
		time.Sleep(time.Millisecond)
	}
	var left []OutboxEntry
	s.Outbox(func(e OutboxEntry) error { left = append(left, e); return nil })
	for _, e := range left {
		if e.Severity != 2 {
			t.Errorf("of the severest hundred one has severity %d", e.Severity)
			break
		}
	}
	if len(left) != 100 {
		t.Errorf("%d alerts are left", len(left))
	}
	n := m.Len()
	mustClose(t, s)
	s, r := mustOpen(t, dir, Options{OnCorrupt: Stop})
	if r.Tuples != n || r.Alerts != len(left) {
		t.Errorf("on disk %d tuples and %d alerts, want %d and %d", r.Tuples, r.Alerts, n, len(left))
	}
	s.Close()
}

// Many at once share transactions, and each finds its own on disk.
func TestGroupCommit(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	const users, each = 16, 40
	var wg sync.WaitGroup
	for u := range users {
		_, m := mustRule(t, s, fmt.Sprint("r", u), tenDays)
		wg.Go(func() {
			var b Batch
			for i := range each {
				m.Observe(terms(fmt.Sprint(i)), at(start), &b)
				b.AddAlert(OutboxEntry{Rule: fmt.Sprint("r", u), Body: []byte("x")})
				if err := s.Commit(context.Background(), &b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := s.Stats().Commits; n >= users*each {
		t.Errorf("%d commits for %d batches", n, users*each)
	}
	mustClose(t, s)
	s, r := mustOpen(t, dir, Options{OnCorrupt: Stop})
	if r.Tuples != users*each || r.Alerts != users*each || r.Rules != users {
		t.Errorf("on disk: %+v", r)
	}
	s.Close()
}
