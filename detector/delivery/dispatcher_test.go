package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/sink"
	"fluent-bit-newterms/detector/telemetry"
)

// testSink takes what it is told to take.
type testSink struct {
	mu     sync.Mutex
	got    []string
	answer func(n int) (int, error) // nil: takes all
	panics bool
	block  chan struct{}
	closed int
}

func (s *testSink) Name() string { return "test" }

func (s *testSink) Deliver(ctx context.Context, records []sink.Record) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	if s.panics {
		s.panics = false
		panic("a bug")
	}
	n, err := len(records), error(nil)
	if s.answer != nil {
		n, err = s.answer(n)
	}
	for _, r := range records[:min(max(n, 0), len(records))] {
		s.got = append(s.got, string(r.Body))
	}
	return n, err
}

func (s *testSink) Close() error { s.closed++; return nil }

func (s *testSink) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// rig is a delivery over a store in memory.
type rig struct {
	store *seen.Store
	d     *Dispatcher
	host  *testHost
}

func newRig(o seen.Options, sinks ...sink.Sink) *rig {
	r := &rig{store: seen.OpenMemory(o), host: &testHost{}}
	r.d = NewDispatcher(r.store, r.host, telemetry.NewRateLimited(r.host), sinks)
	r.d.start(nil)
	return r
}

// add hands over alerts as the engine does.
func (r *rig) add(severity uint8, bodies ...string) {
	var b seen.Batch
	var alerts []*Item
	for _, body := range bodies {
		a := &Item{OutboxEntry: seen.OutboxEntry{Rule: "r", Severity: severity, Body: []byte(body)}, RuleName: "Rule"}
		b.AddAlert(a.OutboxEntry)
		alerts = append(alerts, a)
	}
	ticket := r.store.Enqueue(&b)
	first, _ := b.AlertIDs()
	for i, a := range alerts {
		a.ID, a.Ticket = first+uint64(i), ticket
		r.d.Add(a)
	}
}

func (r *rig) matched(bodies ...string) {
	for _, body := range bodies {
		r.d.Add(&Item{OutboxEntry: seen.OutboxEntry{Rule: "r", Body: []byte(body)}, Matched: true})
	}
}

func (r *rig) outbox() int { return r.store.Stats().Outbox }

// TestDelivery: alerts leave in order, once, and leave the outbox when the sink
// has them; matching records leave with them and were never in it.
func TestDelivery(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := &testSink{}
	r := newRig(seen.Options{}, s)
	r.add(0, "1", "2")
	r.matched("m")
	r.add(0, "3")
	eventually(t, "all have left", func() bool { return len(s.taken()) == 4 })
	if got := fmt.Sprint(s.taken()); got != "[1 2 m 3]" {
		t.Errorf("got %s", got)
	}
	r.d.Acknowledge()
	if n := r.outbox(); n != 0 {
		t.Errorf("%d in the outbox", n)
	}
	r.d.Close()
	if s.closed != 1 {
		t.Errorf("closed %d times", s.closed)
	}
}

// TestSinkInPart: what a sink did not take is offered again, and nothing twice
// that it took, whatever it answers and even if it has a bug.
func TestSinkInPart(t *testing.T) {
	defer goleak.VerifyNone(t)
	tries := 0
	s := &testSink{panics: true}
	s.answer = func(n int) (int, error) {
		tries++
		switch tries {
		case 1:
			return 0, errors.New("the link is down")
		case 2:
			return min(1, n), errors.New("the link broke")
		}
		return n, nil
	}
	r := newRig(seen.Options{}, s)
	r.add(0, "1", "2", "3")
	eventually(t, "all have left", func() bool { return len(s.taken()) == 3 })
	r.d.Close()
	if got := fmt.Sprint(s.taken()); got != "[1 2 3]" {
		t.Errorf("got %s", got)
	}
	if r.outbox() != 0 || !r.host.logged("alerts cannot leave and are kept", "a bug") || !r.host.logged("leave again") {
		t.Errorf("%d in the outbox; log %q", r.outbox(), r.host.lines)
	}
}

// TestDeadSink: a sink that never answers does not keep the delivery from
// closing, and its alerts stay in the outbox; another sink has them meanwhile.
func TestDeadSink(t *testing.T) {
	defer goleak.VerifyNone(t)
	dead, alive := &testSink{answer: func(int) (int, error) { return 0, errors.New("gone") }}, &testSink{}
	r := newRig(seen.Options{}, dead, alive)
	r.add(0, "1", "2")
	eventually(t, "the other has them", func() bool { return len(alive.taken()) == 2 })
	eventually(t, "the dead one was tried", func() bool { return r.host.logged("cannot leave") })
	start := time.Now()
	r.d.Close()
	if d := time.Since(start); d > drainTime+time.Second {
		t.Errorf("closing took %v", d)
	}
	if n := r.outbox(); n != 2 {
		t.Errorf("%d in the outbox, want 2", n)
	}
}

func TestSinkThatHangs(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := &testSink{block: make(chan struct{})}
	r := newRig(seen.Options{}, s)
	r.add(0, "1")
	start := time.Now()
	r.d.Close()
	if d := time.Since(start); d > drainTime+time.Second {
		t.Errorf("closing took %v", d)
	}
	if r.outbox() != 1 {
		t.Error("the alert left the outbox")
	}
}

// TestFullOutbox: what waits is bounded as the outbox is, and what that costs
// is counted; the severe stay.
func TestFullOutbox(t *testing.T) {
	s := &testSink{answer: func(int) (int, error) { return 0, errors.New("gone") }}
	r := newRig(seen.Options{MaxOutbox: 10}, s)
	defer r.d.Close()
	var low []string
	for i := range 50 {
		low = append(low, fmt.Sprint("low ", i))
	}
	r.add(3, "severe")
	r.add(0, low...)
	eventually(t, "they are released", func() bool { r.d.mu.Lock(); defer r.d.mu.Unlock(); return len(r.d.pending) == 0 })
	if n := r.d.Prune()["Rule"]; n != 41 {
		t.Errorf("%d dropped, want 41", n)
	}
	if n := r.d.Depth(); n != 10 {
		t.Errorf("%d wait, want 10", n)
	}
	s.mu.Lock()
	s.answer = nil
	s.mu.Unlock()
	eventually(t, "the rest leaves", func() bool { return len(s.taken()) == 10 })
	if got := s.taken(); got[0] != "severe" || got[1] != "low 0" {
		t.Errorf("got %v", got)
	}
}

// TestMatchedAreBounded: matching records that cannot leave are dropped, and
// push out no alert.
func TestMatchedAreBounded(t *testing.T) {
	s := &testSink{answer: func(int) (int, error) { return 0, errors.New("gone") }}
	r := newRig(seen.Options{}, s)
	defer r.d.Close()
	for range 3 {
		for range limits.MatchedItems {
			r.matched("m")
		}
		eventually(t, "they are released", func() bool { r.d.mu.Lock(); defer r.d.mu.Unlock(); return len(r.d.pending) == 0 })
	}
	r.add(0, "alert")
	eventually(t, "it waits", func() bool { return r.d.Depth() == limits.MatchedItems+1 })
	if n := r.d.DroppedMatches(); n != 2*limits.MatchedItems {
		t.Errorf("%d lost, want %d", n, 2*limits.MatchedItems)
	}
}

// testHost keeps what is logged.
type testHost struct {
	mu    sync.Mutex
	lines []string
}

func (h *testHost) Log(_ telemetry.Level, msg string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, msg)
}

func (h *testHost) Enabled(telemetry.Level) bool { return true }
func (h *testHost) Metrics() telemetry.Metrics   { return nil }

// logged tells whether a line holds all the texts.
func (h *testHost) logged(texts ...string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.lines, func(line string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) })
	})
}

// eventually waits for something that happens in the background.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}
