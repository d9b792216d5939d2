package delivery

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/sink"
	"fluent-bit-newterms/detector/telemetry"
)

// The pause between tries of a sink that fails doubles from the first to the
// longest.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 30 * time.Second
)

// worker delivers the items of one queue to a sink.
type worker struct {
	d       *Dispatcher
	queue   *queue
	sink    sink.Sink
	failing bool          // the last delivery failed
	wait    time.Duration // before the next one, while failing

	ended atomic.Bool // run has returned

	refused  *delivery // what the sink has refused last
	refusals int       // how often
}

func newWorker(d *Dispatcher, s sink.Sink) *worker {
	return &worker{d: d, queue: &queue{d: d}, sink: s}
}

// run delivers until the dispatcher closes, and closes the sink.
func (w *worker) run() {
	defer w.ended.Store(true)
	for w.deliverNext() {
	}
	if err := w.close(); err != nil {
		w.d.host.Log(telemetry.LevelWarn, err.Error())
	}
}

func (w *worker) close() (err error) {
	defer w.d.log.Recover("the closing of a sink")
	return w.sink.Close()
}

// deliverNext waits for items and delivers a batch of them, and tells whether
// to go on.
func (w *worker) deliverNext() (more bool) {
	more = true // after a panic
	defer w.d.log.Recover("the delivery of alerts")
	list := w.next()
	if len(list) == 0 {
		return false
	}
	n, err := w.deliver(list)
	w.delivered(list[:n])
	if n < len(list) && errors.Is(err, sink.ErrRefused) && w.passRefused(list[n]) {
		err = nil
	}
	d := w.d
	switch {
	case err == nil:
		if w.failing {
			d.host.Log(telemetry.LevelInfo, "alerts leave again: "+w.sink.Name())
		}
		w.failing, w.wait = false, 0
		return true
	case d.ctx.Err() != nil:
		return false
	}
	if !w.failing {
		d.host.Log(telemetry.LevelError, fmt.Sprintf("alerts cannot leave and are kept: %v", err))
	}
	w.failing = true
	w.wait = min(max(2*w.wait, firstPause), longestPause)
	return d.pause(w.wait)
}

// next waits for items and returns the first of them; none when it is time to
// end.
func (w *worker) next() []*delivery {
	d := w.d
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(w.queue.waiting) == 0 && !d.drained {
		d.wake.Wait()
	}
	if d.closing && w.failing {
		return nil
	}
	return w.queue.peek(limits.DeliveryItems, limits.DeliveryBytes)
}

func (w *worker) delivered(list []*delivery) {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	w.queue.delivered(list)
}

// maxRefusals is how often an alert is refused before it is no longer sent
// whole: a server that is being restarted refuses some.
const maxRefusals = 3

// passRefused deals with an item that the sink refuses, and tells whether the
// others can go on. The sink has the item in its shortened form, if it takes
// that. Otherwise the item is given up, but only if the sink takes another one:
// one that takes none is merely out of order.
func (w *worker) passRefused(x *delivery) bool {
	if w.refused != x {
		w.refused, w.refusals = x, 0
	}
	if w.refusals++; w.refusals < maxRefusals {
		return false
	}
	e, ok := w.d.entry(x.Item)
	if !ok {
		return false // given up; the next try does without it
	}
	what := fmt.Sprintf("%s refuses an alert of %d bytes of rule %q (%s)", w.sink.Name(), len(e.Body), x.RuleName, e.Rule)
	short, ok := e.Short, e.Short != nil
	if !ok {
		short, ok = sink.Shorten(e.Body)
	}
	if ok {
		if n, _ := w.trySend(sink.Record{ID: e.ID, Tag: e.Tag, Time: e.Time, Body: short}); n == 1 {
			w.d.log.Warnf("%s, and has it shortened to %d bytes; raise the size that the receiver takes", what, len(short))
			w.settled(&w.d.refusedShortened, x)
			return true
		}
	}
	w.d.mu.Lock()
	probe := w.queue.smallestBut(x)
	w.d.mu.Unlock()
	if probe == nil {
		return false
	}
	if n, _ := w.deliver([]*delivery{probe}); n == 0 {
		return false
	}
	w.d.log.Warnf("%s and takes others, so the alert is given up there; raise the size that the receiver takes", what)
	w.settled(&w.d.refused, x, probe)
	return true
}

// settled takes items off the queue that go no further, and counts them.
func (w *worker) settled(count *uint64, list ...*delivery) {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	*count++
	for _, x := range list {
		w.queue.remove(x)
	}
}

// deliver gives items to the sink, and returns how many of them are done with.
func (w *worker) deliver(list []*delivery) (n int, err error) {
	var records []sink.Record
	var places []int // of the records, in list
	for i, x := range list {
		if e, ok := w.d.entry(x.Item); ok {
			records = append(records, sink.Record{ID: e.ID, Tag: e.Tag, Time: e.Time, Body: e.Body})
			places = append(places, i)
		}
	}
	n, err = w.trySend(records...)
	if n == len(records) {
		return len(list), err
	}
	return places[n], err
}

// trySend asks the sink, whose panic is an error like any other, and whose
// answer is made one that can be.
func (w *worker) trySend(records ...sink.Record) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			w.d.log.Panicked("the delivery of alerts", v)
			n, err = 0, fmt.Errorf("%s: a bug, please report it: %v", w.sink.Name(), v)
		}
	}()
	if len(records) == 0 {
		return 0, nil
	}
	n, err = w.sink.Deliver(w.d.ctx, records)
	return min(max(n, 0), len(records)), err
}
