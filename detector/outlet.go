package detector

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fluent-bit-newterms/detector/sink"
)

// outlet is one place that alerts go to. It is guarded by its delivery's lock.
type outlet struct {
	d     *delivery
	sink  sink.Sink // nil for an alerts input
	input *Input
	queue []*parcel // in order of ID

	matched, matchedBytes int // of the queue, what is no alert

	settling []settling // what an input has handed over; oldest first
}

// settling are parcels that Fluent Bit has been given and may yet lose.
type settling struct {
	parcels []*parcel
	at      time.Time
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

// Bounds of the matching records that wait for an outlet. Alerts are bounded
// by the outbox.
const (
	maxMatched      = 10_000
	maxMatchedBytes = 16 << 20
)

// put queues a parcel; false if it is no alert and there is no room.
func (o *outlet) put(p *parcel) bool {
	if p.alert.Matched {
		if o.matched >= maxMatched || o.matchedBytes >= maxMatchedBytes {
			return false
		}
		o.matched++
		o.matchedBytes += len(p.alert.Body)
	}
	o.queue = append(o.queue, p)
	p.left++
	return true
}

// take returns the next parcels, which stay queued until done. The list is the
// caller's.
func (o *outlet) take(most, bytes int) []*parcel {
	n := 0
	for n < len(o.queue) && n < most && bytes > 0 {
		bytes -= len(o.queue[n].alert.Body)
		n++
	}
	return append([]*parcel(nil), o.queue[:n]...)
}

// done says that parcels which take returned have arrived.
func (o *outlet) done(parcels []*parcel) { o.arrived(o.dequeue(parcels)) }

// dequeue takes parcels that take returned off the queue. One that is not in
// it any more was dropped meanwhile.
func (o *outlet) dequeue(parcels []*parcel) []*parcel {
	n := 0
	taken := parcels[:0]
	for _, p := range parcels {
		if n == len(o.queue) || o.queue[n] != p {
			continue
		}
		o.queue[n] = nil
		n++
		o.forget(p)
		taken = append(taken, p)
	}
	if o.queue = o.queue[n:]; len(o.queue) == 0 {
		o.queue = nil
	}
	return taken
}

// arrived has alerts leave the outbox that no other outlet waits for.
func (o *outlet) arrived(parcels []*parcel) {
	for _, p := range parcels {
		if p.left--; p.left == 0 && !p.alert.Matched {
			o.d.acks = append(o.d.acks, p.alert.ID)
		}
	}
}

// handOver says that an input has handed parcels over.
func (o *outlet) handOver(parcels []*parcel, now time.Time) {
	if parcels = o.dequeue(parcels); len(parcels) > 0 {
		o.settling = append(o.settling, settling{slices.Clone(parcels), now})
	}
}

// settle says that the input has run until a time: what it had handed over
// settleTime before that has arrived.
func (o *outlet) settle(ran time.Time) {
	n := 0
	for n < len(o.settling) && ran.Sub(o.settling[n].at) >= settleTime {
		o.arrived(o.settling[n].parcels)
		n++
	}
	o.settling = slices.Delete(o.settling, 0, n)
}

// forget takes a parcel that leaves the queue out of the count.
func (o *outlet) forget(p *parcel) {
	if p.alert.Matched {
		o.matched--
		o.matchedBytes -= len(p.alert.Body)
	}
}

// run delivers an outlet's alerts to its sink until the delivery closes.
func (o *outlet) run(ctx context.Context) {
	d := o.d
	wait, failing := time.Duration(0), false
	for {
		d.mu.Lock()
		for len(o.queue) == 0 && !d.released {
			d.wake.Wait()
		}
		if len(o.queue) == 0 || d.closing && failing {
			d.mu.Unlock()
			return
		}
		parcels := o.take(maxBatch, maxBatchBytes)
		d.mu.Unlock()
		records := make([]sink.Record, len(parcels))
		for i, p := range parcels {
			records[i] = sink.Record{ID: p.alert.ID, Tag: p.alert.Tag, Time: p.alert.Time, Body: p.alert.Body}
		}

		n, err := o.deliver(ctx, records)
		d.mu.Lock()
		o.done(parcels[:n])
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
			if !d.pause(ctx, wait) {
				return
			}
		}
	}
}

// deliver asks the sink, whose panic is an error like any other: the plugin
// can recover those of its own callbacks only.
func (o *outlet) deliver(ctx context.Context, records []sink.Record) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, fmt.Errorf("%s: a bug, please report it: %v", o.sink.Name(), r)
		}
	}()
	n, err = o.sink.Deliver(ctx, records)
	return min(max(n, 0), len(records)), err
}
