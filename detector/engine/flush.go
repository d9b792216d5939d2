package engine

import (
	"runtime"
	"sync"

	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/seen"
)

// flush is one flush on its way through the engine: its worker reads the events,
// and what the worker has gathered is decided when it is much, and at the end.
type flush struct {
	engine *Engine
	rules  *generation
	worker *match.Worker
	tag    string
	ticket seen.Ticket // of what was decided so far
	now    int64       // ms, when it began

	decisions []decision // of the batch at hand, by combination
	documents documents  // of its events
	spent     int        // bytes of the alerts on it
}

// beginFlush begins a flush. The engine's gen is held for reading until its end.
func (e *Engine) beginFlush() *flush {
	rules := e.rules.Load()
	f := e.idle.take(rules)
	if f == nil {
		f = &flush{engine: e, rules: rules}
		f.worker = rules.NewWorker(f.decide)
	}
	now := e.opts.Clock()
	f.tag, f.ticket, f.now = "", seen.Ticket{}, now.UnixMilli()
	f.worker.Begin(now)
	return f
}

// decide has a batch decided.
func (f *flush) decide(b *match.Batch) {
	if len(b.Combinations) > 0 {
		f.engine.decide(f, b)
	}
}

// end decides about what is left, and keeps the flush for the next one.
func (f *flush) end() seen.Ticket {
	e := f.engine
	e.counts.add(f.worker.Counts())
	for i, n := range f.worker.Counts().ByRule {
		if n > 0 {
			f.rules.list[i].counts.Matches.Add(n)
		}
	}
	f.decide(f.worker.Batch())
	ticket := f.ticket
	f.worker.Reset() // what it refers to is not ours any more
	if cap(f.decisions) > keptDecisions {
		f.decisions = nil
	}
	e.idle.give(f)
	return ticket
}

// keptDecisions bounds the memory that is kept from one flush to the next.
const keptDecisions = 1 << 14

// idleFlushes are the flushes that are not in use. They are kept for good, as
// the collector would not let a sync.Pool do: a worker has learned what the
// events are like, and would have to learn it again after every other collection.
type idleFlushes struct {
	mu   sync.Mutex
	free []*flush
}

// take returns a flush for a generation of rules, nil if there is none. Those of
// others are let go.
func (l *idleFlushes) take(rules *generation) *flush {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := len(l.free); n > 0; n-- {
		f := l.free[n-1]
		l.free[n-1], l.free = nil, l.free[:n-1]
		if f.rules == rules {
			return f
		}
	}
	return nil
}

// give takes a flush back. No more are kept than can run at once.
func (l *idleFlushes) give(f *flush) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) < runtime.GOMAXPROCS(0) {
		l.free = append(l.free, f)
	}
}
