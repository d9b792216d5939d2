package main

import (
	"cmp"
	"maps"
	"slices"

	"fluent-bit-newterms/detector/cmd/newterms/report"
	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
)

// eventTime reads the time of events, as their fields say.
type eventTime struct {
	reader *mapping.Reader
	fields []record.Field
	ns     int64 // of the event at hand
}

// newEventTime returns an eventTime for events of a shape, whose time is in
// the first of the fields that they have.
func newEventTime(o mapping.Options, fields []string) *eventTime {
	plan := mapping.NewPlan(o)
	t := &eventTime{}
	for _, path := range fields {
		f, _ := plan.Field(path)
		t.fields = append(t.fields, f)
	}
	t.reader = plan.NewReader()
	return t
}

// Event implements mapping.Handler.
func (t *eventTime) Event(ev *mapping.Event) {
	if t.ns != 0 {
		return // the first event of a list stands for all
	}
	for _, f := range t.fields {
		if i := ev.View.Head(f); i != 0 {
			if ns, ok := mapping.Time(ev.View.At(i)); ok {
				t.ns = ns
				return
			}
		}
	}
}

// of returns the time of an event in ns. stamp is the time beside it, 0 if
// there is none; so is the answer if it is not known.
func (t *eventTime) of(event []byte, stamp int64) int64 {
	t.ns = 0
	_ = t.reader.Line(event, 0, 0, t) // the engine will say what is wrong with it
	if t.ns == 0 {
		return stamp
	}
	return t.ns
}

// timeline counts what an engine finds by time. The engine only has totals, so
// whenever an event belongs to another bucket of time than the one before it,
// the batch is ended and what the totals grew by belongs to the bucket that is
// over.
type timeline struct {
	counts  *engine.Counts
	buckets buckets
	ns      int64 // of the event at hand, 0 if it is not known
	at      int64 // ms: the time of the bucket at hand
	matches uint64
	fresh   uint64
}

func newTimeline(counts *engine.Counts) *timeline {
	return &timeline{counts: counts, buckets: newBuckets()}
}

// turns tells whether an event of a time, in ns, belongs to another bucket
// than the one before it.
func (t *timeline) turns(ns int64) bool {
	if t.ns = ns; ns == 0 {
		return false
	}
	next := t.buckets.floor(ns / 1e6)
	if t.at == 0 {
		t.at = next
	}
	return next != t.at
}

// settle gives what was found since the last time to the bucket that is over,
// and goes on to that of the event at hand.
func (t *timeline) settle() {
	matches := t.counts.Matched.Load()
	fresh := t.counts.New.Load() + t.counts.Learned.Load() + t.counts.Held.Load() + t.counts.Suppressed.Load()
	if t.at != 0 {
		t.buckets.add(t.at, matches-t.matches, fresh-t.fresh)
	}
	t.matches, t.fresh = matches, fresh
	if t.ns != 0 {
		t.at = t.buckets.floor(t.ns / 1e6)
	}
}

// bucketSteps are the lengths that a bucket may have, in ms; each is a
// multiple of the one before.
var bucketSteps = []int64{10e3, 30e3, 60e3, 300e3, 900e3, 3600e3, 6 * 3600e3, 24 * 3600e3, 7 * 24 * 3600e3, 28 * 24 * 3600e3}

// maxBuckets is how many buckets there may be before they are made longer.
const maxBuckets = 4096

// buckets counts by time, in buckets that grow as the time covered does, so
// that there are never too many.
type buckets struct {
	steps []int64
	by    map[int64]report.Activity
}

func newBuckets() buckets {
	return buckets{steps: bucketSteps, by: make(map[int64]report.Activity)}
}

func (b *buckets) step() int64 { return b.steps[0] }

// floor returns the time of the bucket that a time belongs to.
func (b *buckets) floor(ms int64) int64 { return ms - ms%b.step() }

func (b *buckets) add(ms int64, matches, fresh uint64) {
	if matches == 0 && fresh == 0 {
		return
	}
	t := b.floor(ms)
	a := b.by[t]
	b.by[t] = report.Activity{Time: t, Matches: a.Matches + matches, New: a.New + fresh}
	if len(b.by) > maxBuckets {
		b.widen()
	}
}

// widen makes the buckets longer by one step.
func (b *buckets) widen() {
	if len(b.steps) == 1 {
		return
	}
	old := b.by
	b.steps, b.by = b.steps[1:], make(map[int64]report.Activity, len(old)/2)
	for t, a := range old {
		b.add(t, a.Matches, a.New)
	}
}

// fit widens the buckets until the time between start and end has at most n.
func (b *buckets) fit(start, end int64, n int64) {
	for len(b.steps) > 1 && (end-start)/b.step() > n {
		b.widen()
	}
}

// list returns the buckets in the order of time.
func (b *buckets) list() []report.Activity {
	return slices.SortedFunc(maps.Values(b.by), func(x, y report.Activity) int { return cmp.Compare(x.Time, y.Time) })
}
