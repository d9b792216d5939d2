package seen

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fillOutbox adds alerts on new tuples, a batch each, and keeps what the store
// gave up.
type outboxRig struct {
	t       *testing.T
	s       *Store
	st      RuleState
	m       *Memory
	b       Batch
	givenUp []OutboxEntry
}

func newOutboxRig(t *testing.T, dir string, o Options) *outboxRig {
	r := &outboxRig{t: t}
	r.s, _ = mustOpen(t, dir, o)
	r.st, r.m = mustRule(t, r.s, "r", tenDays)
	r.b.GivenUp = func(e OutboxEntry) {
		r.givenUp = append(r.givenUp, e)
		r.m.Forget(e.Terms, e.Seq)
	}
	return r
}

func (r *outboxRig) add(group uint64, severity uint8, name string, size, short int) {
	r.t.Helper()
	o := r.m.Observe(terms(name), at(start), &r.b)
	if o.Verdict != New {
		r.t.Fatalf("%s is %v", name, o.Verdict)
	}
	e := OutboxEntry{
		Rule: "r", Num: r.st.Num, Seq: o.Seq, Terms: terms(name), Group: group, Severity: severity,
		Tag: name, Body: []byte(strings.Repeat("x", size)),
	}
	if short > 0 {
		e.Short = []byte(strings.Repeat("s", short))
	}
	r.b.AddAlert(e)
	mustCommit(r.t, r.s, &r.b)
}

// left returns the alerts in the outbox, by tag, with the size of their bodies.
func (r *outboxRig) left() map[string]int {
	out := make(map[string]int)
	r.s.Outbox(func(e OutboxEntry) error { out[e.Tag] = len(e.Body); return nil })
	return out
}

// The largest noisy group pays for a full outbox, and not the oldest alert. What
// is given up is forgotten, in memory and on disk.
func TestFullOutboxGivesUpTheLargestGroup(t *testing.T) {
	dir := t.TempDir()
	r := newOutboxRig(t, dir, Options{MaxOutbox: 20})
	r.add(0, 0, "stolen token", 100, 0)
	for i := range 5 {
		r.add(2, 0, fmt.Sprint("second ", i), 100, 0)
	}
	for i := range 200 {
		r.add(1, 3, fmt.Sprint("flood ", i), 100, 0)
	}
	r.add(0, 0, "late", 100, 0)
	left := r.left()
	if left["stolen token"] == 0 || left["late"] == 0 || len(left) != 20 {
		t.Errorf("left: %v", left)
	}
	for i := range 5 {
		if left[fmt.Sprint("second ", i)] == 0 {
			t.Errorf("a smaller group paid: %v", left)
		}
	}
	if st := r.s.Stats(); st.Dropped != 187 || len(r.givenUp) != 187 {
		t.Errorf("%d dropped, %d reported", st.Dropped, len(r.givenUp))
	}
	check := func(m *Memory) {
		t.Helper()
		for _, e := range r.givenUp {
			if _, ok := m.Peek(e.Terms); ok {
				t.Errorf("%q was given up and is known", e.Tag)
			}
		}
		if m.Len() != 20 {
			t.Errorf("%d tuples are known, %d alerts wait", m.Len(), 20)
		}
	}
	check(r.m)
	mustClose(t, r.s)
	s, rep := mustOpen(t, dir, Options{MaxOutbox: 20, OnCorrupt: Stop})
	if rep.Alerts != 20 || rep.Tuples != 20 {
		t.Errorf("after a restart: %+v", rep)
	}
	_, m := mustRule(t, s, "r", tenDays)
	check(m)
}

// Over its bound in bytes the outbox shortens documents before it gives any
// alert up, those of the largest group first, and the short form is what a
// restart finds.
func TestFullOutboxShortensFirst(t *testing.T) {
	dir := t.TempDir()
	r := newOutboxRig(t, dir, Options{MaxOutboxBytes: 100_000})
	r.add(0, 0, "alone", 4000, 400)
	for i := range 60 {
		r.add(1, 0, fmt.Sprint("flood ", i), 4000, 400)
	}
	left := r.left()
	short := 0
	for _, n := range left {
		if n == 400 {
			short++
		}
	}
	if len(left) != 61 || left["alone"] != 4000 || short == 0 || len(r.givenUp) > 0 {
		t.Errorf("%d left, %d short, %d given up, alone has %d bytes", len(left), short, len(r.givenUp), left["alone"])
	}
	st := r.s.Stats()
	if st.OutboxBytes > 100_000 || int(st.Shortened) != short {
		t.Errorf("%+v", st)
	}
	mustClose(t, r.s)
	s, _ := mustOpen(t, dir, Options{MaxOutboxBytes: 100_000, OnCorrupt: Stop})
	r.s = s
	if again := r.left(); fmt.Sprint(again) != fmt.Sprint(left) {
		t.Errorf("after a restart %v, want %v", again, left)
	}
}

// Of alerts without a group the least severe goes first, then the largest.
func TestFullOutboxWithoutGroups(t *testing.T) {
	r := newOutboxRig(t, t.TempDir(), Options{MaxOutbox: 4})
	r.add(0, 1, "a", 10, 0)
	r.add(0, 0, "large", 500, 0)
	r.add(0, 0, "small", 10, 0)
	r.add(0, 3, "severe", 900, 0)
	r.add(0, 1, "b", 10, 0)
	if left := r.left(); len(left) != 4 || left["large"] != 0 {
		t.Errorf("left: %v", left)
	}
	r.add(0, 1, "c", 10, 0)
	if left := r.left(); len(left) != 4 || left["small"] != 0 {
		t.Errorf("left: %v", left)
	}
}

// What waits for a dead disk is bounded: the store says that it is full, and
// takes more once the disk is back.
func TestFull(t *testing.T) {
	dead := true
	s, _ := mustOpen(t, t.TempDir(), Options{MaxOwedBytes: 50_000, fault: func(at string) error {
		if dead && at == "write" {
			return syscall.ENOSPC
		}
		return nil
	}})
	_, m := mustRule(t, s, "r", tenDays)
	var b Batch
	n := 0
	for ; s.Full() == nil && n < 1000; n++ {
		m.Observe(terms(fmt.Sprint(n), strings.Repeat("x", 500)), at(start), &b)
		s.Enqueue(&b)
	}
	if err := s.Full(); err == nil || n < 50 {
		t.Errorf("after %d tuples: %v", n, err)
	}
	s.io.Lock()
	dead = false
	s.io.Unlock()
	for s.Full() != nil {
		time.Sleep(time.Millisecond)
	}
}
