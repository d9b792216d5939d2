package detector

import (
	"context"
	"fmt"
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
	outlets []*outlet // where released alerts go
	strays  []*Alert  // that no outlet takes
	acks    []uint64
	closing bool

	stop    context.CancelFunc // of the context that sinks work under
	workers sync.WaitGroup
}

// outlet is one place that alerts go to.
type outlet struct {
	d     *delivery
	sink  sink.Sink // nil for an alerts input
	input *Input
	queue []*parcel // in order of ID
}

// parcel is an alert that some outlets still have to take.
type parcel struct {
	alert *Alert
	left  int // outlets that do not have it yet
}

// Bounds of one delivery.
const (
	maxBatch      = 500
	maxBatchBytes = 2 << 20
)

func newDelivery(store *seen.Store, log func(Level, string), sinks []sink.Sink) *delivery {
	d := &delivery{store: store, log: log}
	d.wake = sync.NewCond(&d.mu)
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	for _, s := range sinks {
		o := &outlet{d: d, sink: s}
		d.outlets = append(d.outlets, o)
		d.workers.Go(func() { o.run(ctx) })
	}
	d.workers.Go(func() { d.release(ctx) })
	return d
}

// add takes an alert from the engine. It does not block.
func (d *delivery) add(a *Alert) {
	d.mu.Lock()
	d.queue = append(d.queue, a)
	d.mu.Unlock()
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
			d.mu.Unlock()
			return
		}
		alerts := d.queue
		d.queue = nil
		d.mu.Unlock()
		for _, a := range alerts {
			if a.stored {
				// An error means that the disk owes the alert: it goes out
				// all the same, for the process may not live to see it there.
				wait, cancel := context.WithTimeout(ctx, commitWait)
				_ = d.store.Wait(wait, a.ticket)
				cancel()
			}
			d.mu.Lock()
			d.route(a)
			d.mu.Unlock()
		}
		d.wake.Broadcast()
	}
}

// route queues an alert with every outlet that takes it.
func (d *delivery) route(a *Alert) {
	p := &parcel{alert: a}
	for _, o := range d.outlets {
		if o.input == nil || o.input.takes(a) {
			o.queue = append(o.queue, p)
			p.left++
		}
	}
	if p.left == 0 {
		d.strays = append(d.strays, a)
	}
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

// take returns the next parcels of an outlet, which stay queued until done.
func (o *outlet) take(most, bytes int) []*parcel {
	n := 0
	for n < len(o.queue) && n < most && bytes > 0 {
		bytes -= len(o.queue[n].alert.Body)
		n++
	}
	return o.queue[:n:n]
}

// done says that the first n parcels of an outlet have arrived.
func (o *outlet) done(n int) {
	for _, p := range o.queue[:n] {
		if p.left--; p.left == 0 {
			o.d.acks = append(o.d.acks, p.alert.ID)
		}
	}
	if o.queue = o.queue[n:]; len(o.queue) == 0 {
		o.queue = nil
	}
}

// run delivers an outlet's alerts to its sink until the delivery closes.
func (o *outlet) run(ctx context.Context) {
	d := o.d
	wait, failing := time.Duration(0), false
	for {
		d.mu.Lock()
		for len(o.queue) == 0 && !d.closing {
			d.wake.Wait()
		}
		if len(o.queue) == 0 || d.closing && failing {
			d.mu.Unlock()
			return
		}
		parcels := o.take(maxBatch, maxBatchBytes)
		records := make([]sink.Record, len(parcels))
		for i, p := range parcels {
			records[i] = sink.Record{ID: p.alert.ID, Tag: p.alert.Tag, Time: p.alert.Time, Body: p.alert.Body}
		}
		d.mu.Unlock()

		n, err := o.sink.Deliver(ctx, records)
		d.mu.Lock()
		o.done(n)
		d.mu.Unlock()
		switch {
		case err == nil:
			if failing {
				d.log(LevelInfo, fmt.Sprintf("alerts leave again: %s", o.sink.Name()))
			}
			wait, failing = 0, false
		case ctx.Err() != nil:
			return
		default:
			if !failing {
				d.log(LevelError, fmt.Sprintf("alerts cannot leave and are kept: %v", err))
			}
			failing = true
			wait = min(max(2*wait, 100*time.Millisecond), 30*time.Second)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
	}
}

// ack removes delivered alerts from the outbox.
func (d *delivery) ack() error {
	d.mu.Lock()
	acks := d.acks
	d.acks = nil
	d.mu.Unlock()
	if len(acks) == 0 {
		return nil
	}
	var b seen.Batch
	b.Ack(acks...)
	ctx, cancel := context.WithTimeout(context.Background(), commitWait)
	defer cancel()
	return d.store.Commit(ctx, &b)
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

// drainTime is how long close lets sinks finish.
const drainTime = 3 * time.Second

// close lets the sinks take what they can, and stops. What has not left stays
// in the outbox.
func (d *delivery) close() {
	d.mu.Lock()
	d.closing = true
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
	if err := d.ack(); err != nil {
		d.log(LevelWarn, fmt.Sprintf("delivered alerts could not be struck off, and come again at the next start: %v", err))
	}
}
