package seen

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fluent-bit-newterms/detector/record"
)

func TestInspectWhileInUse(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, m := mustRule(t, s, "r1", MemoryConfig{MaxTuples: 1 << 20, Window: time.Hour, Fields: 2})
	var b Batch
	n := record.IntValue(7)
	m.Observe(AppendTerm(terms("bob"), &n), Sighting{start, start + 5, 3}, &b)
	b.AddAlert(OutboxEntry{Rule: "r1", Body: []byte("{}")})
	mustCommit(t, s, &b)

	snap, problems, err := Inspect(dir)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	if snap.Pid != os.Getpid() {
		t.Errorf("held by %d", snap.Pid)
	}
	rules := snap.Rules()
	if len(rules) != 1 || rules[0].ID != "r1" || rules[0].Tuples != 1 || len(rules[0].Fields) != 3 || len(snap.Outbox()) != 1 {
		t.Errorf("%+v", rules)
	}
	err = snap.Tuples("r1", func(u Tuple) error {
		if fmt.Sprint(u.Terms) != "[bob 7]" || u.Sighting != (Sighting{start, start + 5, 3}) {
			t.Errorf("%+v", u)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := snap.Tuples("r2", nil); err == nil {
		t.Error("a rule that is not there has tuples")
	}
	snap.Close()
	if _, err := Forget(dir, "r1", nil); !errors.Is(err, ErrLocked) {
		t.Errorf("Forget: %v", err)
	}
	if _, _, err := Compact(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("Compact: %v", err)
	}

	// Read while it is written: never a problem, and never less than before.
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			for j := range 100 {
				m.Observe(terms("x", fmt.Sprint(i, j)), at(start), &b)
			}
			mustCommit(t, s, &b)
		}
	})
	last := 0
	for end := time.Now().Add(5 * time.Second); last < 1000 && time.Now().Before(end); {
		snap, problems, err := Inspect(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		now := snap.Rules()[0].Tuples
		if now < last {
			t.Errorf("%d tuples, then %d", last, now)
		}
		last = now
		snap.Close()
	}
	close(stop)
	wg.Wait()
	if last < 101 {
		t.Errorf("only %d tuples were ever seen", last)
	}
}

func TestForgetAndCompact(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, m := mustRule(t, s, "r", MemoryConfig{MaxTuples: 1 << 20, Window: time.Hour, Fields: 2})
	var b Batch
	for i := range 20_000 {
		m.Observe(terms([]string{"bob", "eve"}[i%2], fmt.Sprint(i)), at(start), &b)
	}
	b.AddAlert(OutboxEntry{Body: []byte("x")})
	mustCommit(t, s, &b)
	mustClose(t, s)
	n, err := Forget(dir, "r", func(u Tuple) bool { return u.Terms[0] == "eve" || u.Terms[1].(string) > "5" })
	if err != nil || n < 10_000 {
		t.Fatalf("%d forgotten, %v", n, err)
	}
	before, after, err := Compact(dir)
	if err != nil || after > before/2 {
		t.Errorf("from %d to %d bytes, %v", before, after, err)
	}
	problems, err := Verify(dir)
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	snap, _, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	left := 0
	snap.Tuples("r", func(u Tuple) error {
		left++
		if u.Terms[0] != "bob" {
			t.Fatalf("%v is still there", u.Terms)
		}
		return nil
	})
	if left != 20_000-n || len(snap.Outbox()) != 1 {
		t.Errorf("%d left", left)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 2 {
		t.Errorf("the folder holds %v", names)
	}
}

func TestInspectNothing(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Inspect(dir); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "no state") {
		t.Error(err)
	}
	if _, err := Forget(dir, "r", nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 0 {
		t.Errorf("looking made %v", names)
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, m := mustRule(t, s, "r", tenDays)
	var b Batch
	m.Observe(terms("a"), at(start), &b)
	mustCommit(t, s, &b)
	ro, r, err := Open(dir, Options{ReadOnly: true})
	if err != nil || r.Tuples != 1 {
		t.Fatal(r, err)
	}
	_, m2 := mustRule(t, ro, "r", tenDays)
	if _, ok := m2.Peek(terms("a")); !ok {
		t.Error("the tuple cannot be read")
	}
	m2.Observe(terms("b"), at(start), &b)
	if err := ro.Commit(t.Context(), &b); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	mustClose(t, ro)
}

func TestMemoryOnly(t *testing.T) {
	s := OpenMemory(Options{})
	_, m := mustRule(t, s, "r", tenDays)
	var b Batch
	m.Observe(terms("a"), at(start), &b)
	b.AddAlert(OutboxEntry{Body: []byte("x")})
	mustCommit(t, s, &b)
	if first, n := b.AlertIDs(); first != 1 || n != 1 || s.Stats().Outbox != 1 {
		t.Error(first, n, s.Stats())
	}
	b.Ack(1)
	mustCommit(t, s, &b)
	if s.Stats().Outbox != 0 {
		t.Error(s.Stats())
	}
	mustClose(t, s)
}
