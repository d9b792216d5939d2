package match

import (
	"hash/maphash"
	"time"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
)

// Skew is how far ahead of the clock an event's time may be before it is
// clamped.
const Skew = 5 * time.Minute

// Worker reads the events of one flush after the other, matches them against the
// rules and gathers their distinct combinations in a Batch. It learns what the
// events of a pipeline are like and reuses its memory, so it is worth keeping. It
// is not safe for concurrent use.
type Worker struct {
	rules  *Rules
	reader *mapping.Reader
	memo   *kql.Memo
	decide func(*Batch)

	streams     streamGroups
	specializer specializer
	results     resultCache
	lookupFn    func(*mapping.Event) bool // w.lookup, made only once

	tried []uint32 // by rule: the event that it was tried on last
	event uint32   // the event at hand, counted
	text  []byte   // scratch: a value as a keyword has it

	now       int64 // ms, when the flush began
	lastTime  int64 // ns, of the last event that had one
	hasLast   bool  // there was one
	latest    int64 // ms, the latest time of an event, none far ahead of the clock
	hasLatest bool
	from, to  int64 // ms, the earliest and the latest time in the batch

	batch        Batch
	eventNumber  int32 // of the event at hand in the batch, -1 before it has one
	terms        []byte
	choices      []choices // by term field
	combinations int       // made of arrays in the flush

	counts        Counts
	read          mapping.Stats // by the reader, before the flush
	exceptionSets map[uint64][]uint64
}

// Counts are what a worker read and found in a flush.
type Counts struct {
	Records, Events, Skipped uint64   // read; found in them; passed over
	Matched, Excepted        uint64   // matches of a rule; those that an exception took out
	Truncated                uint64   // combinations that were not looked at
	Clamped                  uint64   // times ahead of the clock
	Cached                   uint64   // events whose result was remembered
	ByRule                   []uint64 // Matched, by rule
}

// NewWorker returns a worker. It calls decide with a batch that has to be decided
// before the flush has ended, since it holds very much.
func (s *Rules) NewWorker(decide func(*Batch)) *Worker {
	w := &Worker{
		rules:         s,
		reader:        s.NewReader(),
		memo:          s.compiler.NewMemo(),
		decide:        decide,
		tried:         make([]uint32, len(s.list)),
		exceptionSets: make(map[uint64][]uint64),
	}
	w.streams = streamGroups{rules: s, groups: make(map[stream]*group)}
	w.counts.ByRule = make([]uint64, len(s.list))
	w.batch.seed = maphash.MakeSeed()
	w.batch.exceptionSets = w.exceptionSets
	w.reader.Skip = s.opts.Skip
	w.lookupFn = w.lookup
	return w
}

// NewReader returns a reader of the fields that the rules ask for.
func (s *Rules) NewReader() *mapping.Reader { return s.plan.NewReader() }

// Rules returns the rules that the worker tries.
func (w *Worker) Rules() *Rules { return w.rules }

// Begin begins a flush at the time now.
func (w *Worker) Begin(now time.Time) {
	w.now = now.UnixMilli()
	w.hasLast, w.combinations, w.batch.Newest = false, 0, 0
	w.read = w.reader.Stats()
	clear(w.counts.ByRule)
	w.counts = Counts{ByRule: w.counts.ByRule}
	if len(w.exceptionSets) > MaxExceptionSets {
		clear(w.exceptionSets)
		w.results.forget(nil) // which refers to them
	}
	w.Reset()
}

// Chunk reads the records of a Fluent Bit chunk. A chunk that breaks off is an
// error, after what came before the break has been read.
func (w *Worker) Chunk(chunk []byte) error { return w.reader.Chunk(chunk, w) }

// Line reads one record as a line of JSON; see mapping.Reader.Line.
func (w *Worker) Line(line []byte, ns int64, index int) error {
	return w.reader.Line(line, ns, index, w)
}

// DefaultTime says what time, in nanoseconds since the epoch, the next events
// have that are looked for one and hold none.
func (w *Worker) DefaultTime(ns int64) { w.lastTime, w.hasLast = ns, true }

// Batch returns what has been gathered and not been decided.
func (w *Worker) Batch() *Batch { return &w.batch }

// Counts returns what the flush has read and found so far. It is valid until
// Begin.
func (w *Worker) Counts() *Counts {
	after := w.reader.Stats()
	w.counts.Records, w.counts.Events = after.Records-w.read.Records, after.Events-w.read.Events
	w.counts.Skipped = after.Skipped - w.read.Skipped
	return &w.counts
}

// Reset forgets the combinations, which have been decided, and lets go of the
// chunk and of the memory that few events need.
func (w *Worker) Reset() {
	w.batch.reset()
	w.eventNumber = -1
	for k := range w.choices {
		if cap(w.choices[k].values) > keptCombinations || cap(w.choices[k].terms) > keptBytes {
			w.choices[k] = choices{}
		}
	}
	if cap(w.text) > keptBytes {
		w.text = nil
	}
}

// flushEarly has the batch decided and empties it.
func (w *Worker) flushEarly() {
	w.decide(&w.batch)
	w.Reset()
}

// Event implements mapping.Handler.
func (w *Worker) Event(ev *mapping.Event) {
	if w.batch.full() {
		w.flushEarly()
	}
	if ev.RecordTime == 0 && w.rules.timeFields != nil {
		// The time fields go before the event's own time.
		if ev.Time != 0 {
			w.DefaultTime(ev.Time)
		}
		ev.Time = w.eventTime(ev.View)
	}
	w.memo.Reset()
	if w.memo.Now = w.now; w.rules.timeFields != nil { // "now" in queries
		w.memo.Now = ev.Time / int64(time.Millisecond)
	}
	w.eventNumber = -1
	if w.event++; w.event == 0 {
		clear(w.tried)
		w.event = 1
	}
	g := w.groupFor(ev)
	if !ev.Focused() {
		w.results.pending = nil // the specialization does not fit
	}
	for i := range g.always {
		w.try(&g.always[i], ev)
	}
	for k := range g.indexes {
		idx := &g.indexes[k]
		for c := ev.View.Head(idx.field); c != 0; c = ev.View.Next(c) {
			filed := w.filed(idx, ev.View.At(c))
			for i := range filed {
				// An event may hold two of a rule's literals.
				if c := &filed[i]; w.tried[c.rule] != w.event {
					w.tried[c.rule] = w.event
					w.try(c, ev)
				}
			}
		}
	}
	w.store(ev)
}

// filed returns the rules that are filed under a value.
func (w *Worker) filed(idx *literalIndex, val *record.Value) []candidate {
	switch val.Kind {
	case record.String:
		return idx.rules[val.Str]
	case record.Bool, record.Int, record.Uint, record.Float:
		w.text = val.AppendText(w.text[:0])
		return idx.rules[string(w.text)]
	}
	return nil
}

// eventTime finds the time of an event that came without one: in the first of
// the time fields that holds one, else as the event before it.
func (w *Worker) eventTime(v *record.View) int64 {
	for _, f := range w.rules.timeFields {
		if i := v.Head(f); i != 0 {
			if ns, ok := mapping.Time(v.At(i)); ok {
				w.lastTime, w.hasLast = ns, true
				return ns
			}
		}
	}
	if !w.hasLast {
		return w.now * 1e6
	}
	return w.lastTime
}

// try tests one rule on the event at hand and adds the combinations that it
// yields to the batch.
func (w *Worker) try(r *candidate, ev *mapping.Event) {
	if !r.pred.Match(ev.View, w.memo) {
		return
	}
	c := w.rules.list[r.rule]
	ms, ok := w.timeOf(c, ev)
	if !ok {
		return
	}
	under := uint64(0)
	if c.excepted != nil && c.excepted.Match(ev.View, w.memo) {
		under = w.exceptionSet(c, ev.View)
	}
	w.countMatch(r.rule, under)
	w.batch.Newest = max(w.batch.Newest, ms)
	if len(w.batch.Combinations) == 0 {
		w.from, w.to = ms, ms
	}
	if w.from, w.to = min(w.from, ms), max(w.to, ms); w.to-w.from > w.rules.span {
		w.flushEarly()
		w.from, w.to = ms, ms
	}
	m := matched{rule: r.rule, c: c, ev: ev, ms: ms, under: under}
	w.results.addMatch(&m)
	w.combine(m)
}

func (w *Worker) countMatch(rule int32, under uint64) {
	if under != 0 {
		w.counts.Excepted++
		return
	}
	w.counts.Matched++
	w.counts.ByRule[rule]++
}

// timeOf returns the time that an event has for a rule. A rule whose fallback
// is disabled does not see an event without its timestamp_override.
func (w *Worker) timeOf(c *Rule, ev *mapping.Event) (ms int64, ok bool) {
	at := ev.Time
	if c.time != 0 {
		ns, found := int64(0), false
		if k := ev.View.Head(c.time); k != 0 {
			ns, found = mapping.Time(ev.View.At(k))
			w.results.pending = nil // results do not hold for events that differ in their time alone
		}
		switch {
		case found:
			at = ns
		case c.Source.TimestampFallbackDisabled:
			return 0, false
		}
	}
	ms = at / 1e6
	if w.rules.timeFields != nil {
		return w.clampPast(ms), true
	}
	if limit := w.now + Skew.Milliseconds(); ms > limit {
		ms = w.now
		w.counts.Clamped++
	}
	return ms, true
}

// clampPast clamps the time of an event of the past. A replay counts by the times
// of its events: one that lies ahead of the computer's clock would end every window.
// It has the latest time that another event had.
func (w *Worker) clampPast(ms int64) int64 {
	wall := time.Now().UnixMilli()
	if ms <= wall+Skew.Milliseconds() {
		if !w.hasLatest || ms > w.latest {
			w.latest, w.hasLatest = ms, true
		}
		return ms
	}
	w.counts.Clamped++
	if w.hasLatest {
		return w.latest
	}
	return wall
}
