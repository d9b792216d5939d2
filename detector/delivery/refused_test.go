package delivery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/sink"
)

// pickySink refuses what it does not like.
type pickySink struct {
	testSink
	refuses func(body []byte) bool
}

func (s *pickySink) Deliver(ctx context.Context, records []sink.Record) (int, error) {
	for i, r := range records {
		if s.refuses(r.Body) {
			n, _ := s.testSink.Deliver(ctx, records[:i])
			return n, fmt.Errorf("test: %w", sink.ErrRefused)
		}
	}
	return s.testSink.Deliver(ctx, records)
}

// TestRefused: an alert that a sink refuses for good does not hold up the
// others. The sink has it shortened, or it is given up; another sink has all.
func TestRefused(t *testing.T) {
	long := fmt.Sprintf(`{"id":1,"event":%q}`, strings.Repeat("x", 2*limits.RefusedAlertBytes))
	poison := `{"poison":true}`
	synctest.Test(t, func(t *testing.T) {
		s := &pickySink{refuses: func(body []byte) bool {
			return len(body) > limits.RefusedAlertBytes || string(body) == poison
		}}
		other := &testSink{}
		r := newRig(seen.Options{}, s, other)
		r.add(0, `{"id":0}`, long, poison, poison, `{"id":2}`, `{"id":3}`)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := s.taken(), []string{`{"id":0}`, `{"id":1,"newterms.removed":["event"]}`, `{"id":2}`, `{"id":3}`}; !slices.Equal(got, want) {
			t.Errorf("got %.200q, want %q", got, want)
		}
		if n := len(other.taken()); n != 6 || other.taken()[1] != long {
			t.Errorf("the other sink has %d", n)
		}
		if givenUp, shortened := r.d.Refused(); givenUp != 2 || shortened != 1 {
			t.Errorf("%d given up, %d shortened", givenUp, shortened)
		}
		r.d.Close()
		if n := r.outbox(); n != 0 {
			t.Errorf("%d in the outbox", n)
		}
		if !r.host.logged("test refuses an alert", `"Rule" (r)`, "shortened") || !r.host.logged("given up") {
			t.Errorf("log %.300q", r.host.lines)
		}
	})
}

// TestRefusesAll: a sink that refuses everything for a while loses nothing, and
// nothing is shortened.
func TestRefusesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		s := &pickySink{refuses: func([]byte) bool { return away.Load() }}
		r := newRig(seen.Options{}, s)
		var want []string
		for i := range 1000 {
			want = append(want, fmt.Sprintf(`{"id":%d}`, i))
		}
		r.add(0, want...)
		time.Sleep(time.Hour)
		synctest.Wait()
		away.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		r.d.Close()
		if got := s.taken(); !sameElements(got, want) {
			t.Errorf("%d arrived, want %d", len(got), len(want))
		}
		if givenUp, shortened := r.d.Refused(); givenUp+shortened != 0 {
			t.Errorf("%d given up, %d shortened", givenUp, shortened)
		}
		if n := r.outbox(); n != 0 {
			t.Errorf("%d in the outbox", n)
		}
	})
}

func sameElements(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// TestCloseOfSinkThatHangs: a sink that answers to nothing, neither when it
// delivers nor when it closes, does not hold up the exit.
func TestCloseOfSinkThatHangs(t *testing.T) {
	for _, where := range []string{"Deliver", "Close"} {
		t.Run(where, func(t *testing.T) {
			s := &deafSink{where: where, free: make(chan struct{})}
			r := newRig(seen.Options{}, s)
			r.add(0, "1")
			eventually(t, "it is asked", func() bool { return where != "Deliver" || r.d.Depth() == 1 })
			ended := make(chan struct{})
			go func() {
				r.d.Close()
				close(ended)
			}()
			<-ended // the test's own time-out is the failure
			if !r.host.logged("deaf", "hangs", "left behind") {
				t.Errorf("log %q", r.host.lines)
			}
			close(s.free)
			r.d.workers.Wait()
			if n := r.outbox(); where == "Deliver" && n != 1 {
				t.Errorf("%d in the outbox, want 1", n)
			}
		})
	}
}

// deafSink waits for ever, whatever the context says.
type deafSink struct {
	where string
	free  chan struct{}
}

func (s *deafSink) Name() string { return "deaf" }

func (s *deafSink) Deliver(_ context.Context, records []sink.Record) (int, error) {
	if s.where == "Deliver" {
		<-s.free
	}
	return len(records), nil
}

func (s *deafSink) Close() error {
	if s.where == "Close" {
		<-s.free
	}
	return nil
}

// TestShortenedInOutbox: what the full outbox has shortened while it waited is
// sent short.
func TestShortenedInOutbox(t *testing.T) {
	s := &testSink{block: make(chan struct{})}
	r := newRig(seen.Options{MaxOutboxBytes: 3000}, s)
	defer r.d.Close()
	var b seen.Batch
	for i := range 4 {
		b.AddAlert(seen.OutboxEntry{Rule: "r", Body: []byte(strings.Repeat("x", 1000)), Short: fmt.Appendf(nil, "short %d", i)})
	}
	ticket := r.store.Enqueue(&b)
	first, _ := b.AlertIDs()
	for i := range uint64(4) {
		r.d.Add(&Item{OutboxEntry: seen.OutboxEntry{ID: first + i, Rule: "r", Body: []byte(strings.Repeat("x", 1000))}, Ticket: ticket})
	}
	close(s.block)
	eventually(t, "all have left", func() bool { return len(s.taken()) == 4 })
	if n := strings.Count(strings.Join(s.taken(), " "), "short"); n == 0 || uint64(n) != r.store.Stats().Shortened {
		t.Errorf("%d came short, %d were shortened", n, r.store.Stats().Shortened)
	}
}
