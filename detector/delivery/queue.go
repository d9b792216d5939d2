package delivery

import (
	"slices"
	"time"

	"fluent-bit-newterms/detector/limits"
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
		if q.matched >= limits.MatchedItems || q.matchedBytes >= limits.MatchedBytes {
			return false
		}
		q.matched++
		q.matchedBytes += x.size
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
		bytes -= q.waiting[n].size
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
		q.uncount(x)
		taken = append(taken, x)
	}
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	return taken
}

// remove takes one item off the queue, wherever it is.
func (q *queue) remove(x *delivery) {
	if i := slices.Index(q.waiting, x); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		q.uncount(x)
		q.arrived([]*delivery{x})
	}
}

// smallestBut returns the smallest of the first items, other than x; nil if
// there is none.
func (q *queue) smallestBut(x *delivery) (smallest *delivery) {
	for _, y := range q.waiting[:min(len(q.waiting), limits.DeliveryItems)] {
		if y != x && (smallest == nil || y.size < smallest.size) {
			smallest = y
		}
	}
	return smallest
}

func (q *queue) uncount(x *delivery) {
	if x.Matched {
		q.matched--
		q.matchedBytes -= x.size
	}
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
