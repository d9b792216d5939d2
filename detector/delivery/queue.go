package delivery

import (
	"slices"
	"time"
)

// Bounds of one delivery.
const (
	maxBatch      = 500
	maxBatchBytes = 2 << 20
)

// Bounds of the matching records that wait in a queue. Alerts are bounded by
// the outbox.
const (
	maxMatched      = 10_000
	maxMatchedBytes = 16 << 20
)

// queue is what waits for one place that alerts go to: a sink, or an alerts
// input. It is guarded by its dispatcher's lock.
type queue struct {
	d       *Dispatcher
	input   *Input      // nil for a sink
	waiting []*delivery // in order of ID

	matched, matchedBytes int // of those waiting, what is no alert

	settling []settling // what an input has handed over; oldest first
}

// settling is what Fluent Bit has been given and may yet lose.
type settling struct {
	list []*delivery
	at   time.Time
}

// put adds an item; false if it is no alert and there is no room.
func (q *queue) put(x *delivery) bool {
	if x.Matched {
		if q.matched >= maxMatched || q.matchedBytes >= maxMatchedBytes {
			return false
		}
		q.matched++
		q.matchedBytes += len(x.Body)
	}
	q.waiting = append(q.waiting, x)
	x.left++
	return true
}

// peek returns the next items, which wait on until they are delivered. The
// list is the caller's.
func (q *queue) peek(most, bytes int) []*delivery {
	n := 0
	for n < len(q.waiting) && n < most && bytes > 0 {
		bytes -= len(q.waiting[n].Body)
		n++
	}
	return append([]*delivery(nil), q.waiting[:n]...)
}

// delivered says that items which peek returned have arrived.
func (q *queue) delivered(list []*delivery) { q.arrived(q.dequeue(list)) }

// dequeue takes items that peek returned off the queue. One that is not in it
// any more was dropped meanwhile.
func (q *queue) dequeue(list []*delivery) []*delivery {
	n := 0
	taken := list[:0]
	for _, x := range list {
		if n == len(q.waiting) || q.waiting[n] != x {
			continue
		}
		q.waiting[n] = nil
		n++
		if x.Matched {
			q.matched--
			q.matchedBytes -= len(x.Body)
		}
		taken = append(taken, x)
	}
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	return taken
}

// arrived has alerts leave the outbox that no other queue has to deliver.
func (q *queue) arrived(list []*delivery) {
	for _, x := range list {
		if x.left--; x.left == 0 && !x.Matched {
			q.d.acks = append(q.d.acks, x.ID)
		}
	}
}

// handOver says that an input has handed items over.
func (q *queue) handOver(list []*delivery, now time.Time) {
	if list = q.dequeue(list); len(list) > 0 {
		q.settling = append(q.settling, settling{slices.Clone(list), now})
	}
}

// settle says that the input has run until a time: what it had handed over
// settleTime before that has arrived.
func (q *queue) settle(ran time.Time) {
	n := 0
	for n < len(q.settling) && ran.Sub(q.settling[n].at) >= settleTime {
		q.arrived(q.settling[n].list)
		n++
	}
	q.settling = slices.Delete(q.settling, 0, n)
}
