package detector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
)

const (
	// commitWait is how long a flush waits for its tuples and alerts to be on
	// disk. A disk that is slower, or broken, does not stop the pipeline: what
	// is owed to it stays in memory and is written when it can be.
	commitWait = 5 * time.Second
	// hungWait is how long a flush waits once one before it has waited in
	// vain: a disk that hangs must not hold up each of them.
	hungWait = 50 * time.Millisecond
)

// EngineOptions set up an Engine.
type EngineOptions struct {
	Mapping   mapping.Options
	MaxTerms  int           // tuples that a rule keeps
	Learn     time.Duration // how long a rule without a baseline learns
	MaxAlerts int           // alerts an interval and rule; 0: as the rule says, below 0: no limit
	Interval  time.Duration // 0: as the rule says
	Matched   bool          // pass along every match, not only alerts

	// LearnUntil, in unix ms, if not 0: events up to then only teach.
	LearnUntil int64

	// EventTime makes the engine count by the events' own times, for records
	// of the past: TimeFields name the fields to look for it, first one
	// first; alerts are dated by it, and so are intervals.
	EventTime  bool
	TimeFields []string

	Instance string           // named in alerts, "" outside Fluent Bit
	AlertTag string           // template of the tag of alerts
	Clock    func() time.Time // nil: time.Now

	// Shared, if not nil, is the memory that this node shares with others.
	Shared *remote.Store

	// Alert is told of every alert and summary, in order, once it has been
	// handed to the store; and, where Matched is set, of matching records. It
	// must not block, nor call the engine.
	Alert func(a *Alert)
	// Source, if not nil, adds to an alert where its event came from: index
	// is the place that was given with the event.
	Source func(index int) map[string]any
	// Skip, if not nil, is told of records that hold no event.
	Skip func(index int, err error)
}

// Alert is an alert on its way out.
type Alert struct {
	seen.OutboxEntry
	RuleName string
	// Matched: a matching record that is no alert. It is in no outbox.
	Matched bool

	ticket seen.Ticket     // its commit
	stored bool            // the ticket counts: the alert was made by this process
	held   *remote.Request // not nil: another node has claimed the tuple
}

// Engine finds new tuples in events. It is safe for concurrent use.
//
// Locks are taken in this order: reload, gen, mu, and then those of the store
// and of the alerts' way out.
type Engine struct {
	opts  EngineOptions
	store *seen.Store

	reload sync.Mutex   // one SetRules at a time
	gen    sync.RWMutex // held for reading by whoever uses set, for writing to change it
	set    atomic.Pointer[ruleset]
	passes passes // not in use

	// mu guards the rules' memories and governors, and batch: what is decided
	// about tuples. Nothing under it waits for disk or network.
	mu      sync.Mutex
	live    map[string]*liveRule // by rule_id; written under reload as well
	batch   seen.Batch
	givenUp map[uint64]bool // alerts of the batch that was handed over last
	now     int64           // ms: the latest time of an event, where EventTime counts

	sharing *sharing // nil without a shared store

	hung    atomic.Bool // the last wait for the disk was in vain
	doubted atomic.Bool // see unmatched
	counts  Counts
}

// NewEngine returns an engine without rules that keeps its state in store,
// which stays the caller's to close, after the engine is no longer used.
func NewEngine(o EngineOptions, store *seen.Store) *Engine {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.MaxTerms <= 0 {
		o.MaxTerms = defaultMaxTerms
	}
	if o.AlertTag == "" {
		o.AlertTag = defaultAlertTag
	}
	e := &Engine{opts: o, store: store, live: make(map[string]*liveRule)}
	e.givenUp = make(map[uint64]bool)
	e.batch.GivenUp = e.giveUp
	if o.Shared != nil {
		e.sharing = newSharing(e)
	}
	set, _ := newRuleset(nil, &e.opts, o.Clock()) // no rule, no error
	e.set.Store(set)
	return e
}

// Counts returns the engine's totals.
func (e *Engine) Counts() *Counts { return &e.counts }

// Rules returns the rules that run.
func (e *Engine) Rules() []*rule.Rule {
	set := e.set.Load()
	rules := make([]*rule.Rule, len(set.rules))
	for i, c := range set.rules {
		rules[i] = c.rule
	}
	return rules
}

// Known returns how many tuples the rules know.
func (e *Engine) Known() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, l := range e.live {
		n += l.memory.Len()
	}
	return n
}

// ruleName returns the name of a rule that runs, "" for another.
func (e *Engine) ruleName(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l := e.live[id]; l != nil {
		return l.info.Name
	}
	return ""
}

// Chunk takes the records of a Fluent Bit chunk that came under a tag. It
// returns when what it found is on disk, or commitWait has passed; owed then
// says why. A chunk that breaks off is an error, after what came before the
// break has been taken.
func (e *Engine) Chunk(tag string, chunk []byte) (owed, err error) {
	ticket, err := e.read(tag, chunk)
	return e.wait(ticket), err
}

func (e *Engine) read(tag string, chunk []byte) (seen.Ticket, error) {
	e.gen.RLock()
	defer e.gen.RUnlock()
	p := e.begin()
	p.tag = tag
	before := p.reader.Stats()
	err := p.reader.Chunk(chunk, p)
	if err != nil {
		e.counts.Malformed.Add(1)
	}
	return e.end(p, before), err
}

// Batch takes events as lines of JSON, many at a time. Rules cannot change
// before its End. The tag is given to End: alerts that had to be decided on
// before, because the batch holds very much, are without.
type Batch struct {
	e *Engine
	p *pass
	s mapping.Stats
}

// NewBatch begins a batch of lines.
func (e *Engine) NewBatch() *Batch {
	e.gen.RLock()
	p := e.begin()
	return &Batch{e: e, p: p, s: p.reader.Stats()}
}

// Line takes one line, which must not change before End. index is its place,
// for Source; ns its time in nanoseconds since the epoch, 0 to look for it in
// the event. The error says why the line holds no event.
func (b *Batch) Line(line []byte, ns int64, index int) error {
	return b.p.reader.Line(line, ns, index, b.p)
}

// Stamp says what time, in nanoseconds since the epoch, the next events have
// that are looked for one and hold none.
func (b *Batch) Stamp(ns int64) { b.p.lastTime = ns }

// End decides about what the lines held; see Chunk.
func (b *Batch) End(tag string) (owed error) {
	b.p.tag = tag
	ticket := b.e.end(b.p, b.s)
	b.e.gen.RUnlock()
	return b.e.wait(ticket)
}

func (e *Engine) begin() *pass {
	set := e.set.Load()
	p := e.passes.take(set)
	if p == nil {
		p = newPass(set)
		p.reader.Skip = e.opts.Skip
		p.spill = e.decide
	}
	p.begin(e.opts.Clock())
	return p
}

// end decides about what is left and gives the pass back.
func (e *Engine) end(p *pass, before mapping.Stats) seen.Ticket {
	after := p.reader.Stats()
	e.counts.sum(p, after.Records-before.Records, after.Events-before.Events, after.Skipped-before.Skipped)
	e.decide(p)
	ticket := p.ticket
	p.empty() // what it refers to is not ours any more
	e.passes.give(p)
	return ticket
}

// Tick raises the summaries whose time has come, and lets go of exceptions
// that have expired; the detector calls it every second or so. It returns what
// a user should know.
func (e *Engine) Tick() (notes []string) {
	if at := e.set.Load().expires; !at.IsZero() && !e.opts.Clock().Before(at) {
		if _, err := e.SetRules(e.Rules()); err != nil {
			notes = append(notes, "an exception has expired, and the rules cannot be set anew: "+err.Error())
		} else {
			notes = append(notes, "an exception has expired; what was seen under it counts as known")
		}
	}
	e.mu.Lock()
	alerts := e.due(e.clock(), false)
	ticket := e.handOver(alerts)
	e.mu.Unlock()
	if len(alerts) > 0 {
		_ = e.wait(ticket)
	}
	return append(notes, e.unmatched()...)
}

// unmatchedAfter is after how many events it is said that no rule has matched.
const unmatchedAfter = 10_000

// unmatched says, once, that no rule has matched any of many events: rare things
// may be looked for, but the mapping may also be another than the events have.
func (e *Engine) unmatched() []string {
	n := e.counts.Events.Load()
	if n < unmatchedAfter || !e.doubted.CompareAndSwap(false, true) || e.counts.Matched.Load()+e.counts.Excepted.Load() > 0 {
		return nil
	}
	return []string{fmt.Sprintf("no rule has matched any of the first %d events; if that is not to be expected, look at mapping (%s) and at the rules' index and query: newterms query shows which events a query matches", n, e.opts.Mapping.Mode)}
}

// Finish raises all summaries that are still to come: at the end of a replay.
func (e *Engine) Finish() (owed error) {
	e.mu.Lock()
	ticket := e.handOver(e.due(e.clock(), true))
	e.mu.Unlock()
	return e.wait(ticket)
}

// Settle writes the sightings that are only in memory: at the very end, before
// the store is closed. What it cannot write in time is no loss: a tuple then
// stays known a little longer than its window.
func (e *Engine) Settle() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var memories []*seen.Memory
	for _, l := range e.live {
		memories = append(memories, l.memory)
		if l.except != nil {
			memories = append(memories, l.except.memory)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitWait)
	defer cancel()
	return e.store.FlushLastSeen(ctx, memories...)
}

// clock returns the time by which intervals are counted. The lock is held.
func (e *Engine) clock() int64 {
	if e.opts.EventTime {
		return e.now
	}
	return e.opts.Clock().UnixMilli()
}

func (e *Engine) wait(t seen.Ticket) error {
	most := commitWait
	if e.hung.Load() {
		most = hungWait
	}
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	err := e.store.Wait(ctx, t)
	if hung := errors.Is(err, seen.ErrPending); hung != e.hung.Load() && t != (seen.Ticket{}) {
		e.hung.Store(hung)
	}
	return err
}

// Owed tells whether an error of Chunk or End means that something is still
// to be written, rather than lost.
func Owed(err error) bool {
	return errors.Is(err, seen.ErrOwed) || errors.Is(err, seen.ErrPending)
}
