package engine

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// Engine finds new combinations in events. It is safe for concurrent use.
//
// Locks are taken in this order: reload, gen, mu, and then those of the store
// and of whoever takes alerts.
type Engine struct {
	opts  Options
	store *seen.Store
	build builder
	disk  diskWaiter

	reload sync.Mutex   // one SetRules at a time
	gen    sync.RWMutex // held for reading by whoever uses rules, for writing to change them
	rules  atomic.Pointer[generation]
	idle   idleFlushes

	// mu guards the states of rules and batch: what is decided about
	// combinations. Nothing under it waits for disk or network.
	mu      sync.Mutex
	states  map[string]*ruleState // by rule_id; written under reload as well
	batch   seen.Batch
	givenUp map[uint64]bool // alerts of the batch that was handed over last
	now     int64           // ms: the latest time of an event, where EventTime counts

	peers *Peers // nil without a shared store

	toldUnmatched atomic.Bool // see unmatched
	counts        Counts
}

// New returns an engine without rules that keeps its state in store, which stays
// the caller's to close, after the engine is no longer used.
func New(o Options, store *seen.Store) *Engine {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.MaxTerms <= 0 {
		o.MaxTerms = DefaultMaxTerms
	}
	if o.AlertTag == "" {
		o.AlertTag = DefaultAlertTag
	}
	e := &Engine{opts: o, store: store, states: make(map[string]*ruleState)}
	e.build = builder{opts: &e.opts, counts: &e.counts}
	e.disk.store = store
	e.givenUp = make(map[uint64]bool)
	e.batch.GivenUp = e.giveUp
	if o.Shared != nil {
		e.peers = newPeers(e)
		e.build.peers = e.peers
	}
	none, _ := newGeneration(nil, &e.opts) // no rule, no error
	e.rules.Store(none)
	return e
}

// Counts returns the engine's totals.
func (e *Engine) Counts() *Counts { return &e.counts }

// Rules returns the rules that run.
func (e *Engine) Rules() []*rule.Rule {
	list := e.rules.Load().list
	rules := make([]*rule.Rule, len(list))
	for i, r := range list {
		rules[i] = r.Source
	}
	return rules
}

// RuleName returns the name of a rule that runs, "" for another.
func (e *Engine) RuleName(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.states[id]; s != nil {
		return s.info.Name
	}
	return ""
}

// Known returns how many combinations the rules know.
func (e *Engine) Known() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, s := range e.states {
		n += s.memory.Len()
	}
	return n
}

// Peers returns what shares the engine's memory with other nodes, nil without a
// shared store.
func (e *Engine) Peers() *Peers { return e.peers }

// Chunk takes the records of a Fluent Bit chunk that came under a tag. It
// returns when what it found is on disk, or the time for it has passed; owed then
// says why. A chunk that breaks off is an error, after what came before the
// break has been taken.
func (e *Engine) Chunk(tag string, chunk []byte) (owed, err error) {
	ticket, err := e.read(tag, chunk)
	return e.disk.wait(ticket), err
}

func (e *Engine) read(tag string, chunk []byte) (seen.Ticket, error) {
	e.gen.RLock()
	defer e.gen.RUnlock()
	f := e.beginFlush()
	f.tag = tag
	err := f.worker.Chunk(chunk)
	if err != nil {
		e.counts.Malformed.Add(1)
	}
	return f.end(), err
}

// Batch takes events as lines of JSON, many at a time. Rules cannot change
// before its End. The tag is given to End: alerts that had to be decided before,
// because the batch holds very much, are without.
type Batch struct{ f *flush }

// NewBatch begins a batch of lines.
func (e *Engine) NewBatch() *Batch {
	e.gen.RLock()
	return &Batch{e.beginFlush()}
}

// Line takes one line, which must not change before End. index is its place,
// for Source; ns its time in nanoseconds since the epoch, 0 to look for it in
// the event. The error says why the line holds no event.
func (b *Batch) Line(line []byte, ns int64, index int) error {
	return b.f.worker.Line(line, ns, index)
}

// Stamp says what time, in nanoseconds since the epoch, the next events have
// that are looked for one and hold none.
func (b *Batch) Stamp(ns int64) { b.f.worker.DefaultTime(ns) }

// End decides about what the lines held; see Chunk.
func (b *Batch) End(tag string) (owed error) {
	e := b.f.engine
	b.f.tag = tag
	ticket := b.f.end()
	e.gen.RUnlock()
	return e.disk.wait(ticket)
}

// Tick makes the summaries whose time has come, and lets go of exceptions that
// have expired; the detector calls it every second or so. It returns what a user
// should know.
func (e *Engine) Tick() (notes []string) {
	if note := e.expireExceptions(); note != "" {
		notes = append(notes, note)
	}
	e.mu.Lock()
	alerts := e.dueSummaries(e.clock(), false)
	ticket := e.handOver(alerts)
	e.mu.Unlock()
	if len(alerts) > 0 {
		_ = e.disk.wait(ticket)
	}
	if note := e.unmatched(); note != "" {
		notes = append(notes, note)
	}
	return notes
}

// unmatchedAfter is after how many events it is said that no rule has matched.
const unmatchedAfter = 10_000

// unmatched says, once, that no rule has matched any of many events: rare things
// may be looked for, but the mapping may also be another than the events have.
func (e *Engine) unmatched() string {
	n := e.counts.Events.Load()
	if n < unmatchedAfter || !e.toldUnmatched.CompareAndSwap(false, true) || e.counts.Matched.Load()+e.counts.Excepted.Load() > 0 {
		return ""
	}
	return fmt.Sprintf("no rule has matched any of the first %d events; if that is not to be expected, look at mapping (%s) and at the rules' index and query: newterms query shows which events a query matches", n, e.opts.Mapping.Mode)
}

// Finish makes all summaries that are still to come: at the end of a replay.
func (e *Engine) Finish() (owed error) {
	e.mu.Lock()
	ticket := e.handOver(e.dueSummaries(e.clock(), true))
	e.mu.Unlock()
	return e.disk.wait(ticket)
}

// EndLearning ends the learning of all rules, whether or not they have matched
// anything: what they know now is what is known, their baseline. It is kept in
// the state, so that whoever opens it next alerts from the first record on.
func (e *Engine) EndLearning() (owed error) {
	e.mu.Lock()
	for _, r := range e.rules.Load().list {
		if !r.Source.IsQuery() {
			r.endLearning(e.opts.Clock(), &e.batch)
		}
	}
	ticket := e.handOver(nil)
	e.mu.Unlock()
	return e.disk.wait(ticket)
}

// FlushLastSeen writes the last sightings that are only in memory: at the very
// end, before the store is closed. What it cannot write in time is no loss: a
// combination then stays known a little longer than its window.
func (e *Engine) FlushLastSeen() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var memories []*seen.Memory
	for _, s := range e.states {
		memories = append(memories, s.memory)
		if s.history != nil {
			memories = append(memories, s.history.memory)
		}
	}
	return e.disk.settle(memories)
}

// clock returns the time by which intervals are counted. The lock is held.
func (e *Engine) clock() int64 {
	if e.opts.EventTime {
		return e.now
	}
	return e.opts.Clock().UnixMilli()
}
