package engine

import (
	"sync/atomic"

	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/seen"
)

// Counts are totals since the engine was made.
type Counts struct {
	Records, Events, Skipped  atomic.Uint64 // read; events in them; passed over
	Malformed                 atomic.Uint64 // chunks that broke off
	Matched                   atomic.Uint64 // matches of a rule
	Excepted                  atomic.Uint64 // matches that an exception took out
	Truncated                 atomic.Uint64 // combinations not looked at
	Clamped                   atomic.Uint64 // times ahead of the clock
	New, Learned, Held        atomic.Uint64 // new combinations: alerted, learned, over the limit
	Suppressed                atomic.Uint64 // alerts counted with the first of their group
	Readmitted                atomic.Uint64 // combinations known from under an exception that was let go
	Variants                  atomic.Uint64 // variants of known combinations, in summaries
	Alerts, Summaries         atomic.Uint64
	KnownElsewhere            atomic.Uint64 // combinations new to this node that others knew
	AlertedElsewhere          atomic.Uint64 // alerts held back and acknowledged: another node has alerted
	Alone                     atomic.Uint64 // alerts without the shared store's word; another node may alert too
	Passed                    atomic.Uint64 // matching records passed along (emit = matched)
	Evicted, EvictedInsideWin atomic.Uint64
}

// add adds what a worker read and found in a flush.
func (c *Counts) add(w *match.Counts) {
	// Matches before events: see unmatched.
	c.Matched.Add(w.Matched)
	c.Excepted.Add(w.Excepted)
	c.Records.Add(w.Records)
	c.Events.Add(w.Events)
	c.Skipped.Add(w.Skipped)
	c.Truncated.Add(w.Truncated)
	c.Clamped.Add(w.Clamped)
}

// RuleCounts are a rule's totals since its state was made: when the process
// started, or when its query or fields changed.
type RuleCounts struct {
	Matches                   atomic.Uint64 // events that matched
	Alerts, Summaries         atomic.Uint64
	Learned, Held             atomic.Uint64 // new combinations: learned, over the limit
	Suppressed                atomic.Uint64 // alerts counted with the first of their group
	Variants                  atomic.Uint64 // variants of known combinations, in summaries
	Evicted, EvictedInsideWin atomic.Uint64 // combinations forgotten to make room; while they were still known
}

// RuleStatus is how a rule is doing.
type RuleStatus struct {
	ID, Name string
	Known    int // combinations
	Learning bool
	// Counts are the rule's own: the same pointer as long as its state lives.
	Counts *RuleCounts
}

// RuleStatuses returns how the rules are doing that run.
func (e *Engine) RuleStatuses() []RuleStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.opts.Clock().UnixMilli()
	list := make([]RuleStatus, 0, len(e.states))
	for id, s := range e.states {
		list = append(list, RuleStatus{id, s.info.Name, s.memory.Len(), s.limiter.Learning(now), &s.counts})
	}
	return list
}

// evicted counts the combination that made room for another.
func (c *RuleCounts) evicted(out *seen.Outcome) {
	if out.Evicted {
		c.Evicted.Add(1)
	}
	if out.EvictedInsideWindow {
		c.EvictedInsideWin.Add(1)
	}
}
