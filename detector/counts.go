package detector

import (
	"sync/atomic"

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
	New, Learned, Held        atomic.Uint64 // new tuples: alerted, learned, over the limit
	Suppressed                atomic.Uint64 // alerts counted with the first of their group
	Readmitted                atomic.Uint64 // tuples known from under an exception that was let go
	Alerts, Summaries         atomic.Uint64
	KnownElsewhere            atomic.Uint64 // tuples new to this node that others knew
	AlertedElsewhere          atomic.Uint64 // alerts held back and struck off: another node has alerted
	Alone                     atomic.Uint64 // alerts without the shared store's word; another node may alert too
	Passed                    atomic.Uint64 // matching records passed along (emit = matched)
	Evicted, EvictedInsideWin atomic.Uint64
}

// sum adds what a pass read and found.
func (c *Counts) sum(p *pass, records, events, skipped uint64) {
	// Matches before events: see unmatched.
	c.Matched.Add(p.counts.matched)
	c.Excepted.Add(p.counts.excepted)
	c.Records.Add(records)
	c.Events.Add(events)
	c.Skipped.Add(skipped)
	c.Truncated.Add(p.counts.truncated)
	c.Clamped.Add(p.counts.clamped)
	for i, n := range p.matches {
		if n > 0 {
			p.set.rules[i].counts.Matches.Add(n)
			p.matches[i] = 0
		}
	}
}

// RuleCounts are a rule's totals since it was taken up: when the process
// started, or when its query or fields changed.
type RuleCounts struct {
	Matches                   atomic.Uint64 // events that matched
	Alerts, Summaries         atomic.Uint64
	Learned, Held             atomic.Uint64 // new tuples: learned, over the limit
	Suppressed                atomic.Uint64 // alerts counted with the first of their group
	Evicted, EvictedInsideWin atomic.Uint64 // tuples forgotten to make room; while they were still known
}

// ruleStatus is how a rule is doing.
type ruleStatus struct {
	live     *liveRule
	id, name string
	known    int // tuples
	learning bool
}

// ruleStatuses returns how the rules are doing that run.
func (e *Engine) ruleStatuses() []ruleStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.opts.Clock().UnixMilli()
	list := make([]ruleStatus, 0, len(e.live))
	for id, l := range e.live {
		list = append(list, ruleStatus{l, id, l.info.Name, l.memory.Len(), l.gov.Learning(now)})
	}
	return list
}

// evicted counts the tuple that made room for another.
func (c *RuleCounts) evicted(out *seen.Outcome) {
	if out.Evicted {
		c.Evicted.Add(1)
	}
	if out.EvictedInsideWindow {
		c.EvictedInsideWin.Add(1)
	}
}
