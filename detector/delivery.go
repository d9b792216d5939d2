package detector

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/sink"
)

// delivery takes alerts from the engine to where they go: sinks of its own,
// and the alerts inputs of the process. An alert is delivered once its commit
// is done, or has failed for good, and leaves the outbox when everyone who is
// to have it has it.
type delivery struct {
	store *seen.Store
	log   func(Level, string)

	mu      sync.Mutex
	wake    *sync.Cond
	queue   []*Alert  // handed over by the engine, not yet released
	matched int       // of queue, what is no alert
	outlets []*outlet // where released alerts go
	strays  []*Alert  // that no outlet takes
	acks    []uint64
	dropped uint64 // matching records that there was no room for

	shed      uint64 // what the outbox had dropped when forget last looked
	added     bool   // since then; what was added may have been dropped before
	forgotten int    // alerts that prune has to report

	begun    bool          // begin was called
	closing  bool          // close was called: what fails now is not tried again
	released bool          // nothing more comes to the outlets
	closed   chan struct{} // closing, for those who wait for something else

	hung bool // the last wait for the store was in vain; of release alone

	ctx     context.Context    // that sinks work under
	stop    context.CancelFunc // of it
	workers sync.WaitGroup
}

func newDelivery(store *seen.Store, log func(Level, string), sinks []sink.Sink) *delivery {
	d := &delivery{store: store, log: log, closed: make(chan struct{})}
	d.wake = sync.NewCond(&d.mu)
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	for _, s := range sinks {
		o := &outlet{d: d, sink: s}
		d.outlets = append(d.outlets, o)
		d.workers.Go(func() { o.run(ctx) })
	}
	d.ctx = ctx
	return d
}

// begin starts to deliver to these inputs and the sinks. What was added before
// waits for it: an alert must not leave the outbox before everyone who is to
// have it is known.
func (d *delivery) begin(inputs []*Input) {
	for _, in := range inputs {
		d.addInput(in)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = true
	d.workers.Go(func() { d.release(d.ctx) })
}

// add takes an alert from the engine. It does not block.
func (d *delivery) add(a *Alert) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.Matched {
		if d.matched >= maxMatched {
			d.dropped++
			return
		}
		d.matched++
	}
	if a.since = time.Now(); !a.stored && !a.Matched {
		a.since = time.UnixMilli(a.Time) // of an earlier process: at the latest since then
	}
	d.queue, d.added = append(d.queue, a), true
	d.wake.Broadcast()
}

// release gives alerts to the outlets, in order, each when its commit is done.
func (d *delivery) release(ctx context.Context) {
	for {
		d.mu.Lock()
		for len(d.queue) == 0 && !d.closing {
			d.wake.Wait()
		}
		if len(d.queue) == 0 {
			d.released = true
			d.mu.Unlock()
			d.wake.Broadcast()
			return
		}
		alerts := d.queue
		d.queue, d.matched = nil, 0
		d.mu.Unlock()
		d.waitFor(ctx, alerts)
		d.mu.Lock()
		for _, a := range alerts {
			d.route(a)
		}
		d.forget()
		d.mu.Unlock()
		d.wake.Broadcast()
	}
}

// waitFor waits for the commits of alerts: for that of the last, which comes
// after all others. An error means that the disk owes them: they go out all the
// same, for the process may not live to see them there. It does not wait for
// long if the disk was late the last time too.
func (d *delivery) waitFor(ctx context.Context, alerts []*Alert) {
	for i := len(alerts) - 1; i >= 0; i-- {
		if !alerts[i].stored {
			continue
		}
		most := commitWait
		if d.hung {
			most = hungWait
		}
		wait, cancel := context.WithTimeout(ctx, most)
		d.hung = errors.Is(d.store.Wait(wait, alerts[i].ticket), seen.ErrPending)
		cancel()
		return
	}
}

// pause waits, and tells whether to go on: not when the delivery closes.
func (d *delivery) pause(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.closed:
		return false
	case <-ctx.Done():
		return false
	}
}

// route queues an alert with every outlet that takes it.
func (d *delivery) route(a *Alert) {
	p := &parcel{alert: a}
	full := false
	for _, o := range d.outlets {
		if o.input == nil || o.input.takes(a) {
			full = !o.put(p) || full
		}
	}
	switch {
	case full:
		d.dropped++
	case p.left == 0 && !a.Matched:
		d.strays = append(d.strays, a)
	}
}

// prune forgets the alerts that the outbox had to drop: it is bounded, and so
// must be what waits here. It returns how many were forgotten since it last
// did.
func (d *delivery) prune() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget()
	n := d.forgotten
	d.forgotten = 0
	return n
}

// forget is prune without a report. The lock is held, so that whatever waits
// here has been in the store before the store is asked.
func (d *delivery) forget() {
	n := d.store.Stats().Dropped
	if n == d.shed && (n == 0 || !d.added) {
		return
	}
	d.shed, d.added = n, false
	held := d.store.Held()
	gone := make(map[uint64]bool)
	note := func(a *Alert) bool {
		if a.Matched || held[a.ID] {
			return false
		}
		gone[a.ID] = true
		return true
	}
	d.queue = slices.DeleteFunc(d.queue, note)
	d.strays = slices.DeleteFunc(d.strays, note)
	for _, o := range d.outlets {
		o.queue = slices.DeleteFunc(o.queue, func(p *parcel) bool { return note(p.alert) })
	}
	d.forgotten += len(gone)
}

// addInput makes an alerts input an outlet. Alerts that had nowhere to go are
// tried again.
func (d *delivery) addInput(in *Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outlets = append(d.outlets, &outlet{d: d, input: in})
	strays := d.strays
	d.strays = nil
	for _, a := range strays {
		d.route(a)
	}
}

// removeInput takes an alerts input away. What it had not handed over counts
// as not delivered: it stays in the outbox and leaves at the next start.
func (d *delivery) removeInput(in *Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outlets = slices.DeleteFunc(d.outlets, func(o *outlet) bool { return o.input == in })
}

// unsettle says that what an input has handed over may still be lost.
func (d *delivery) unsettle(in *Input, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.outlets {
		if o.input == in {
			for i := range o.settling {
				o.settling[i].at = now
			}
		}
	}
}

// ack removes delivered alerts from the outbox, and those that an input has
// handed over and that have settled. It does not wait for the disk:
// what the disk is late with, or owed, is written by the store in time, and
// until then the worst that can happen is that an alert comes twice.
func (d *delivery) ack() {
	d.mu.Lock()
	for _, o := range d.outlets {
		if o.input != nil {
			o.settle(o.input.ranUntil())
		}
	}
	acks := d.acks
	d.acks = nil
	d.mu.Unlock()
	if len(acks) > 0 {
		var b seen.Batch
		b.Ack(acks...)
		d.store.Enqueue(&b)
	}
}

// depth returns how many alerts have not left yet.
func (d *delivery) depth() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	most := len(d.queue) + len(d.strays)
	for _, o := range d.outlets {
		most = max(most, len(o.queue))
	}
	return most
}

// oldest returns since when the alert waits that has waited longest, the zero
// Time if none does.
func (d *delivery) oldest() (t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := func(a *Alert) {
		if !a.Matched && (t.IsZero() || a.since.Before(t)) {
			t = a.since
		}
	}
	// Each is in the order of the alerts, but for matching records among them.
	for _, list := range [][]*Alert{d.queue, d.strays} {
		for _, a := range list {
			if first(a); !a.Matched {
				break
			}
		}
	}
	for _, o := range d.outlets {
		for _, p := range o.queue {
			if first(p.alert); !p.alert.Matched {
				break
			}
		}
	}
	return t
}

// lost returns how many matching records there was no room for.
func (d *delivery) lost() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dropped
}

// drainTime is how long close lets sinks finish.
const drainTime = 3 * time.Second

// close lets the sinks take what they can, and stops. What has not left stays
// in the outbox.
func (d *delivery) close() {
	d.mu.Lock()
	d.closing = true
	d.released = d.released || !d.begun
	close(d.closed)
	d.mu.Unlock()
	d.wake.Broadcast()
	timer := time.AfterFunc(drainTime, d.stop)
	d.workers.Wait()
	timer.Stop()
	d.stop()
	for _, o := range d.outlets {
		if o.sink != nil {
			if err := o.sink.Close(); err != nil {
				d.log(LevelWarn, err.Error())
			}
		}
	}
	d.ack()
}
