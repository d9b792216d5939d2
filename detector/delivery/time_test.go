package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/telemetry"
)

// TestDeadSinkForAnHour: the sink takes nothing for an hour, under load. What
// waits is bounded, nobody waits for the sink, and what the bound has left
// comes in order when the sink is back.
func TestDeadSinkForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		dead := true
		s := &testSink{answer: func(n int) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if dead {
				return 0, errors.New("nobody is there")
			}
			return min(n, 7), nil // and it takes little at a time
		}}
		r := newRig(seen.Options{MaxOutbox: 1000, MaxOutboxBytes: 1 << 20}, s)
		defer r.d.Close()
		body := strings.Repeat("x", 500)
		for second := range 3600 {
			began := time.Now()
			for i := range 10 {
				r.add(uint8(second%2), fmt.Sprintf("%06d %s", second*10+i, body))
			}
			if took := time.Since(began); took != 0 { // in simulated time
				t.Fatalf("adding waited for %s", took)
			}
			time.Sleep(time.Second)
			r.d.Prune()
			if n := r.d.Depth(); n > 1000 {
				t.Fatalf("after %d s %d alerts wait", second, n)
			}
		}
		st := r.store.Stats()
		if st.OutboxBytes > 1<<20 || st.Dropped == 0 || st.Outbox+int(st.Dropped) != 36_000 {
			t.Errorf("the outbox: %+v", st)
		}
		mu.Lock()
		dead = false
		mu.Unlock()
		time.Sleep(time.Minute) // the longest wait between tries is half of that
		r.d.Acknowledge()
		got := s.taken()
		if len(got) != st.Outbox || !slices.IsSorted(got) {
			t.Errorf("%d alerts came, want %d, in order: %v", len(got), st.Outbox, slices.IsSorted(got))
		}
		if n := r.outbox(); n != 0 {
			t.Errorf("%d are still in the outbox", n)
		}
	})
}

// TestLessSevereThanTheOutbox: an outbox full of severe alerts drops what is
// less severe at once, and that must not pile up elsewhere.
func TestLessSevereThanTheOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &testSink{answer: func(int) (int, error) { return 0, errors.New("gone") }}
		r := newRig(seen.Options{MaxOutbox: 100}, s)
		defer r.d.Close()
		for i := range 100 {
			r.add(3, fmt.Sprint("severe ", i))
		}
		for i := range 5000 {
			r.add(0, fmt.Sprint("low ", i))
			if i%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		if n := r.d.Depth(); n != 100 {
			t.Errorf("%d alerts wait, want 100", n)
		}
		if n := r.d.Prune()["Rule"]; n != 5000 {
			t.Errorf("%d were dropped, want 5000", n)
		}
	})
}

// TestSettling: what an alerts input has handed over leaves the outbox only
// when the input has run for a while after it, and never if it is paused first.
func TestSettling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reg Registry
		in, err := OpenInput(&reg, &testHost{}, InputOptions{Tag: "alerts"})
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		r := &rig{store: seen.OpenMemory(seen.Options{}), host: &testHost{}}
		r.d = NewDispatcher(r.store, r.host, telemetry.NewRateLimited(r.host), nil)
		output := &Output{Dispatcher: r.d}
		if err := reg.Join(output, func([]*Input) error { return nil }); err != nil {
			t.Fatal(err)
		}
		collect := func(want bool) {
			t.Helper()
			synctest.Wait()
			if b := in.Collect(); (b != nil) != want {
				t.Fatalf("Collect returns %d bytes", len(b))
			}
			in.HandedOver()
			r.d.Acknowledge()
		}
		wantOutbox := func(n int) {
			t.Helper()
			if have := r.outbox(); have != n {
				t.Fatalf("%d in the outbox, want %d", have, n)
			}
		}
		r.add(0, `{"n":1}`)
		collect(true)
		wantOutbox(1)
		time.Sleep(settleTime - 1)
		collect(false)
		wantOutbox(1)
		time.Sleep(time.Nanosecond)
		collect(false)
		wantOutbox(0)

		r.add(0, `{"n":2}`)
		collect(true)
		time.Sleep(settleTime / 2)
		in.Pause()
		in.Pause()
		r.add(0, `{"n":3}`)
		collect(false) // for Fluent Bit would throw it away
		time.Sleep(time.Hour)
		collect(false)
		wantOutbox(2)
		in.Resume()
		collect(true) // the third
		wantOutbox(2)
		time.Sleep(settleTime)
		collect(false)
		wantOutbox(0)

		r.add(0, `{"n":4}`)
		collect(true)
		time.Sleep(settleTime)
		r.add(0, `{"n":5}`)
		synctest.Wait()
		if in.Collect() == nil {
			t.Fatal("the fifth does not come")
		}
		in.HandedOver()
		in.Pause()
		r.d.Close()
		reg.Leave(output)
		wantOutbox(1) // the fifth: it comes again at the next start
	})
}

// TestOutboxAge has alerts of this process and of an earlier one, and matching
// records, which do not count.
func TestOutboxAge(t *testing.T) {
	d := newRig(seen.Options{}).d
	defer d.Close()
	if !d.Oldest().IsZero() {
		t.Error("an empty outbox has an oldest alert")
	}
	before := time.Now()
	d.Add(&Item{Matched: true, OutboxEntry: seen.OutboxEntry{Time: 1}})
	if !d.Oldest().IsZero() {
		t.Error("a matching record counts")
	}
	d.Add(&Item{OutboxEntry: seen.OutboxEntry{ID: 2, Time: 1}})
	if at := d.Oldest(); at.Before(before) || at.After(time.Now()) {
		t.Errorf("an alert of now waits since %s", at)
	}
	old := newRig(seen.Options{}).d
	defer old.Close()
	old.Add(&Item{OutboxEntry: seen.OutboxEntry{ID: 1}, Since: time.UnixMilli(5000)})
	old.Add(&Item{OutboxEntry: seen.OutboxEntry{ID: 2, Time: 1}})
	if at := old.Oldest(); !at.Equal(time.UnixMilli(5000)) {
		t.Errorf("an alert of an earlier process waits since %s", at)
	}
}
