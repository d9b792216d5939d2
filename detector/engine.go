package detector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// commitWait is how long a flush waits for its tuples and alerts to be on
// disk. A disk that is slower, or broken, does not stop the pipeline: what is
// owed to it stays in memory and is written when it can be.
const commitWait = 5 * time.Second

// EngineOptions set up an Engine.
type EngineOptions struct {
	Mapping   mapping.Options
	MaxTerms  int           // tuples that a rule keeps
	Learn     time.Duration // how long a rule without a baseline learns
	MaxAlerts int           // alerts an interval and rule; 0: as the rule says, below 0: no limit
	Interval  time.Duration // 0: as the rule says

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

	// Alert is told of every alert and summary, in order, once it has been
	// handed to the store. It must not block, nor call the engine.
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
	ticket   seen.Ticket // its commit
	stored   bool        // the ticket counts: the alert was made by this process
}

// Engine finds new tuples in events. It is safe for concurrent use.
type Engine struct {
	opts  EngineOptions
	store *seen.Store

	set    atomic.Pointer[ruleset]
	passes sync.Pool // of *pass; those of an old ruleset are dropped

	// mu guards the rules' memories and governors, and batch: what is decided
	// about tuples. Nothing under it waits for disk or network.
	mu    sync.Mutex
	live  map[string]*liveRule // by rule_id
	batch seen.Batch
	now   int64 // ms: the latest time of an event, where EventTime counts

	counts Counts
}

// Counts are totals since the engine was made.
type Counts struct {
	Records, Events, Skipped  atomic.Uint64 // read; events in them; passed over
	Malformed                 atomic.Uint64 // chunks that broke off
	Matched                   atomic.Uint64 // matches of a rule
	Truncated                 atomic.Uint64 // combinations not looked at
	Clamped                   atomic.Uint64 // times ahead of the clock
	New, Learned, Held        atomic.Uint64 // new tuples: alerted, learned, over the limit
	Alerts, Summaries         atomic.Uint64
	Evicted, EvictedInsideWin atomic.Uint64
}

// liveRule is the part of a rule that lives on when rules are loaded anew.
type liveRule struct {
	fingerprint string

	info   alert.Rule
	state  seen.RuleState
	memory *seen.Memory
	gov    *alert.Governor
	rank   uint8 // of its severity
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
	return &Engine{opts: o, store: store, live: make(map[string]*liveRule)}
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

// SetRules makes the engine run these rules. Those that ran before and have
// the same query and fields keep their memory; the others take up what the
// store knows of them. notes say what a user should know about it. On an error
// the rules stay as they were.
func (e *Engine) SetRules(rules []*rule.Rule) (notes []string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	live := make([]*liveRule, len(rules))
	for i, r := range rules {
		l, note, err := e.takeUp(r)
		if err != nil {
			return notes, fmt.Errorf("rule %s (%s): %w", r.Name, r.ID, err)
		}
		if note != "" {
			notes = append(notes, note)
		}
		live[i] = l
	}
	set, err := newRuleset(rules, live, e.opts.Mapping, e.opts.Clock(), e.opts.TimeFields)
	if err != nil {
		return notes, err
	}
	e.live = make(map[string]*liveRule, len(live))
	for i, l := range live {
		e.live[rules[i].ID] = l
	}
	e.set.Store(set)
	return notes, nil
}

// takeUp finds or makes the living part of a rule.
func (e *Engine) takeUp(r *rule.Rule) (*liveRule, string, error) {
	limits := e.limits(r)
	if old := e.live[r.ID]; old != nil && old.fingerprint == r.Fingerprint() {
		l := *old
		if l.state.Meta.BaselineDone != 0 {
			limits.Learn = 0
		}
		l.info, l.rank = ruleInfo(r, limits.Interval), severityRank(r.Severity)
		l.gov.SetLimits(limits)
		return &l, "", nil
	}
	state, err := e.store.Rule(r.ID, seen.RuleOptions{Fingerprint: r.Fingerprint(), Name: r.Name, Fields: r.Terms})
	if err != nil {
		return nil, "", err
	}
	maxTerms := e.opts.MaxTerms
	if r.MaxTerms > 0 {
		maxTerms = r.MaxTerms
	}
	l := &liveRule{fingerprint: r.Fingerprint(), info: ruleInfo(r, limits.Interval), state: state, rank: severityRank(r.Severity)}
	l.memory = seen.NewMemory(seen.MemoryConfig{MaxTuples: maxTerms, Window: r.Window, Fields: len(r.Terms)})
	if state.Meta.BaselineDone != 0 {
		limits.Learn = 0
	}
	l.gov = alert.NewGovernor(limits)
	note := ""
	if state.FingerprintChanged {
		note = fmt.Sprintf("rule %s (%s): its query or fields have changed, so it starts a new memory", r.Name, r.ID)
	} else if err := l.gov.Restore(state.Meta.Extra); err != nil {
		note = fmt.Sprintf("rule %s (%s): %v; they start anew", r.Name, r.ID, err)
	}
	if state.Meta.BaselineDone != 0 {
		l.gov.EndLearning()
	}
	if _, err := e.store.Load(state, l.memory); err != nil {
		return nil, note, err
	}
	return l, note, nil
}

func (e *Engine) limits(r *rule.Rule) alert.Limits {
	l := alert.Limits{MaxAlerts: r.MaxSignals, Interval: r.Interval, Learn: e.opts.Learn}
	if e.opts.MaxAlerts != 0 {
		l.MaxAlerts = max(e.opts.MaxAlerts, 0)
	}
	if r.MaxAlerts > 0 {
		l.MaxAlerts = r.MaxAlerts
	}
	if e.opts.Interval > 0 {
		l.Interval = e.opts.Interval
	}
	if r.Learn != nil {
		l.Learn = *r.Learn
	}
	return l
}

func ruleInfo(r *rule.Rule, interval time.Duration) alert.Rule {
	return alert.Rule{
		ID: r.ID, UUID: alert.RuleUUID(r.ID), Name: r.Name, Description: r.Description,
		Severity: r.Severity, RiskScore: r.RiskScore, Tags: r.Tags, Threat: r.Threat,
		References: r.References, Parameters: r.Raw, Interval: rule.FormatSpan(interval),
		Window: rule.FormatSpan(r.Window), Fields: r.Terms, Building: r.BuildingBlock,
	}
}

// Severities, from the least.
var severities = []string{"low", "medium", "high", "critical"}

func severityRank(s string) uint8 {
	for i, name := range severities {
		if name == s {
			return uint8(i)
		}
	}
	return 0
}

// Chunk takes the records of a Fluent Bit chunk that came under a tag. It
// returns when what it found is on disk, or commitWait has passed; owed then
// says why. A chunk that breaks off is an error, after what came before the
// break has been taken.
func (e *Engine) Chunk(tag string, chunk []byte) (owed, err error) {
	p := e.begin()
	before := p.reader.Stats()
	err = p.reader.Chunk(chunk, p)
	e.count(p, before)
	if err != nil {
		e.counts.Malformed.Add(1)
	}
	return e.end(p, tag), err
}

// Batch takes events as lines of JSON, many at a time.
type Batch struct {
	e *Engine
	p *pass
	s mapping.Stats
}

// NewBatch begins a batch of lines.
func (e *Engine) NewBatch() *Batch {
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
	b.e.count(b.p, b.s)
	return b.e.end(b.p, tag)
}

func (e *Engine) begin() *pass {
	set := e.set.Load()
	p, _ := e.passes.Get().(*pass)
	if p == nil || p.set != set {
		p = newPass(set)
		p.reader.Skip = e.opts.Skip
	}
	p.begin(e.opts.Clock())
	return p
}

func (e *Engine) count(p *pass, before mapping.Stats) {
	after := p.reader.Stats()
	c := &e.counts
	c.Records.Add(after.Records - before.Records)
	c.Events.Add(after.Events - before.Events)
	c.Skipped.Add(after.Skipped - before.Skipped)
	c.Matched.Add(p.counts.matched)
	c.Truncated.Add(p.counts.truncated)
	c.Clamped.Add(p.counts.clamped)
}

// end decides, commits and gives the pass back.
func (e *Engine) end(p *pass, tag string) (owed error) {
	if len(p.fold.tuples) > 0 {
		owed = e.decide(p, tag)
	}
	e.passes.Put(p)
	return owed
}

// Tick raises the summaries whose time has come; the detector calls it every
// second or so.
func (e *Engine) Tick() {
	e.mu.Lock()
	now := e.opts.Clock().UnixMilli()
	if e.opts.EventTime {
		now = e.now
	}
	alerts := e.due(now, false)
	ticket := e.handOver(alerts)
	e.mu.Unlock()
	if len(alerts) > 0 {
		_ = e.wait(ticket)
	}
}

// Finish raises all summaries that are still to come: at the end of a replay.
func (e *Engine) Finish() (owed error) {
	e.mu.Lock()
	ticket := e.handOver(e.due(e.now, true))
	e.mu.Unlock()
	return e.wait(ticket)
}

// Baseline ends the learning of all rules, whether or not they have matched
// anything: what they know now is what is known. It is kept in the state, so
// that whoever opens it next alerts from the first record on.
func (e *Engine) Baseline() (owed error) {
	e.mu.Lock()
	for _, c := range e.set.Load().rules {
		c.gov.EndLearning()
		c.state.Meta.BaselineDone = e.opts.Clock().UnixMilli()
		c.state.Meta.Extra = c.gov.State()
		e.batch.SetMeta(c.state.Num, c.state.Meta)
	}
	ticket := e.handOver(nil)
	e.mu.Unlock()
	return e.wait(ticket)
}

func (e *Engine) wait(t seen.Ticket) error {
	ctx, cancel := context.WithTimeout(context.Background(), commitWait)
	defer cancel()
	return e.store.Wait(ctx, t)
}

// Owed tells whether an error of Chunk or End means that something is still
// to be written, rather than lost.
func Owed(err error) bool {
	return errors.Is(err, seen.ErrOwed) || errors.Is(err, seen.ErrPending)
}
