package delivery

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/sink"
	"fluent-bit-newterms/detector/telemetry"
)

const (
	// commitWait is how long items wait for their commit.
	commitWait = 5 * time.Second
	// hungWait is how long they wait once one before has waited in vain: a
	// disk that hangs must not hold up each of them.
	hungWait = 50 * time.Millisecond
	// drainTime is how long Close lets sinks finish.
	drainTime = 3 * time.Second
	// abandonTime is how long it then waits for them: a sink that hangs, as on
	// a disk that does not answer, must not hold up the exit of the host.
	abandonTime = time.Second
)

// Dispatcher gives the items of one detector to its sinks and to the alerts
// inputs of the process. It is safe for concurrent use.
type Dispatcher struct {
	store *seen.Store
	host  telemetry.Host
	log   *telemetry.RateLimited

	mu       sync.Mutex
	wake     *sync.Cond
	pending  []*Item // added, their commits not yet waited for
	matched  int     // of pending, what is no alert
	sinks    []*worker
	queues   []*queue // where items go
	unrouted []*Item  // that no queue takes
	acks     []uint64 // delivered, to be removed from the outbox
	dropped  uint64   // matching records that there was no room for

	refused, refusedShortened uint64 // alerts that a sink refused: given up; delivered shortened

	outboxDropped uint64         // what the outbox had dropped when forget last looked
	added         bool           // since then; what was added may have been dropped before
	forgotten     map[string]int // alerts that Prune has to report, by rule

	started bool          // Start was called
	closing bool          // Close was called: what fails now is not tried again
	drained bool          // nothing more comes to the queues
	closed  chan struct{} // closing, for those who wait for something else

	hung bool // the last wait for the store was in vain; of dispatch alone

	ctx     context.Context    // that sinks work under
	stop    context.CancelFunc // of it
	workers sync.WaitGroup
}

// NewDispatcher returns a dispatcher for the outbox of store. It closes the
// sinks when it is closed.
func NewDispatcher(store *seen.Store, host telemetry.Host, log *telemetry.RateLimited, sinks []sink.Sink) *Dispatcher {
	d := &Dispatcher{store: store, host: host, log: log, closed: make(chan struct{})}
	d.wake = sync.NewCond(&d.mu)
	d.ctx, d.stop = context.WithCancel(context.Background())
	for _, s := range sinks {
		w := newWorker(d, s)
		d.sinks, d.queues = append(d.sinks, w), append(d.queues, w.queue)
		d.workers.Go(w.run)
	}
	return d
}

// start starts to deliver to these inputs and the sinks. What was added before
// waits for it: an alert must not leave the outbox before everyone who is to
// have it is known.
func (d *Dispatcher) start(inputs []*Input) {
	for _, in := range inputs {
		d.addInput(in)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.started = true
	d.workers.Go(func() {
		for !d.dispatch() {
		}
	})
}

// Add takes an item. It does not block.
func (d *Dispatcher) Add(it *Item) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if it.Matched {
		if d.matched >= limits.MatchedItems {
			d.dropped++
			return
		}
		d.matched++
	}
	if it.Since.IsZero() {
		it.Since = time.Now()
	}
	if it.size = len(it.Body); !it.Matched {
		it.Body, it.Short, it.Terms = nil, nil, nil
	}
	d.pending, d.added = append(d.pending, it), true
	d.wake.Broadcast()
}

// dispatch gives the pending items to the queues, in order, when their commits
// are done. It waits for items, and tells that none will come any more.
func (d *Dispatcher) dispatch() (end bool) {
	defer d.log.Recover("the dispatch of alerts")
	d.mu.Lock()
	for len(d.pending) == 0 && !d.closing {
		d.wake.Wait()
	}
	items := d.pending
	d.pending, d.matched = nil, 0
	d.drained = len(items) == 0
	d.mu.Unlock()
	defer d.wake.Broadcast()
	if len(items) == 0 {
		return true
	}
	d.waitForCommits(items)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, it := range items {
		d.route(it)
	}
	d.forget()
	return false
}

// waitForCommits waits for the commits of items: for that of the last, which
// comes after all others. An error means that the disk owes them: they go out
// all the same. It does not wait for long if the disk was late the last time
// too.
func (d *Dispatcher) waitForCommits(items []*Item) {
	for _, it := range slices.Backward(items) {
		if it.Ticket == (seen.Ticket{}) {
			continue
		}
		most := commitWait
		if d.hung {
			most = hungWait
		}
		ctx, cancel := context.WithTimeout(d.ctx, most)
		d.hung = errors.Is(d.store.Wait(ctx, it.Ticket), seen.ErrPending)
		cancel()
		return
	}
}

// pause waits, and tells whether to go on: not when the dispatcher closes.
func (d *Dispatcher) pause(t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.closed:
		return false
	}
}

// route puts an item into every queue that takes it. The lock is held.
func (d *Dispatcher) route(it *Item) {
	x := &delivery{Item: it}
	full := false
	for _, q := range d.queues {
		if q.input == nil || q.input.takes(it) {
			full = !q.put(x) || full
		}
	}
	switch {
	case full:
		d.dropped++
	case x.left == 0 && !it.Matched:
		d.unrouted = append(d.unrouted, it)
	}
}

// entry returns an item as it is to be sent; false if it was given up.
func (d *Dispatcher) entry(it *Item) (seen.OutboxEntry, bool) {
	if it.Matched {
		return it.OutboxEntry, true
	}
	return d.store.Alert(it.ID)
}

// Prune forgets the alerts that the outbox had to give up: it is bounded, and
// so must be what waits here. It returns how many alerts of which rules, by
// name, were forgotten since it last did.
func (d *Dispatcher) Prune() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget()
	rules := d.forgotten
	d.forgotten = nil
	return rules
}

// forget is Prune without a report. The lock is held, so that whatever waits
// here has been in the store before the store is asked.
func (d *Dispatcher) forget() {
	n := d.store.Stats().Dropped
	if n == d.outboxDropped && (n == 0 || !d.added) {
		return
	}
	d.outboxDropped, d.added = n, false
	held := d.store.Held()
	gone := make(map[uint64]bool)
	note := func(it *Item) bool {
		if it.Matched || held[it.ID] {
			return false
		}
		if !gone[it.ID] {
			gone[it.ID] = true
			if d.forgotten == nil {
				d.forgotten = make(map[string]int)
			}
			d.forgotten[cmp.Or(it.RuleName, it.Rule)]++
		}
		return true
	}
	d.pending = slices.DeleteFunc(d.pending, note)
	d.unrouted = slices.DeleteFunc(d.unrouted, note)
	for _, q := range d.queues {
		q.waiting = slices.DeleteFunc(q.waiting, func(x *delivery) bool { return note(x.Item) })
	}
}

// addInput makes an alerts input a queue. Alerts that had nowhere to go are
// tried again.
func (d *Dispatcher) addInput(in *Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queues = append(d.queues, &queue{d: d, input: in})
	unrouted := d.unrouted
	d.unrouted = nil
	for _, it := range unrouted {
		d.route(it)
	}
}

// removeInput takes an alerts input away. What it had not handed over counts
// as not delivered: it stays in the outbox and leaves at the next start.
func (d *Dispatcher) removeInput(in *Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queues = slices.DeleteFunc(d.queues, func(q *queue) bool { return q.input == in })
}

// unsettle says that what an input has handed over may still be lost.
func (d *Dispatcher) unsettle(in *Input, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.queues {
		if q.input == in {
			for i := range q.settling {
				q.settling[i].at = now
			}
		}
	}
}

// Acknowledge removes delivered alerts from the outbox, and those that an input
// has handed over and that have settled. It does not wait for the disk: what
// the disk is late with, or owes, is written by the store in time, and until
// then the worst that can happen is that an alert comes twice.
func (d *Dispatcher) Acknowledge() {
	d.mu.Lock()
	for _, q := range d.queues {
		if q.input != nil {
			q.settle(q.input.ranUntil())
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

// Depth returns how many items have not left yet.
func (d *Dispatcher) Depth() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	most := len(d.pending) + len(d.unrouted)
	for _, q := range d.queues {
		most = max(most, len(q.waiting))
	}
	return most
}

// Oldest returns since when the alert waits that has waited longest, the zero
// Time if none does.
func (d *Dispatcher) Oldest() (t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// look takes one item of a list, and tells whether to look further: each
	// list is in the order of the alerts, but for matching records among them.
	look := func(it *Item) (further bool) {
		if !it.Matched && (t.IsZero() || it.Since.Before(t)) {
			t = it.Since
		}
		return it.Matched
	}
	for _, list := range [][]*Item{d.pending, d.unrouted} {
		for _, it := range list {
			if !look(it) {
				break
			}
		}
	}
	for _, q := range d.queues {
		for _, x := range q.waiting {
			if !look(x.Item) {
				break
			}
		}
	}
	return t
}

// DroppedMatches returns how many matching records there was no room for.
func (d *Dispatcher) DroppedMatches() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dropped
}

// Refused returns how many alerts a sink has refused for good: those that were
// given up there, and those that it has in a shortened form.
func (d *Dispatcher) Refused() (givenUp, shortened uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused, d.refusedShortened
}

// Close lets the sinks take what they can, and stops. What has not left stays
// in the outbox. It takes drainTime and abandonTime at most.
func (d *Dispatcher) Close() {
	d.mu.Lock()
	d.closing = true
	d.drained = d.drained || !d.started
	close(d.closed)
	d.mu.Unlock()
	d.wake.Broadcast()
	timer := time.AfterFunc(drainTime, d.stop)
	done := make(chan struct{})
	go func() {
		d.workers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(drainTime + abandonTime):
		d.host.Log(telemetry.LevelWarn, "a place that alerts go to hangs, and is left behind: "+d.working()+"; what it has not answered for is delivered at the next start")
	}
	timer.Stop()
	d.stop()
	d.Acknowledge()
}

// working names the sinks whose workers have not ended.
func (d *Dispatcher) working() string {
	var names []string
	for _, w := range d.sinks {
		if !w.ended.Load() {
			names = append(names, w.sink.Name())
		}
	}
	return strings.Join(names, ", ")
}
