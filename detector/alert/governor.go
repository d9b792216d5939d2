package alert

import (
	"fmt"
	"time"

	jsoniter "github.com/json-iterator/go"
)

// Verdict says what is to be done with a new tuple.
type Verdict uint8

// The verdicts of a Governor.
const (
	Raise Verdict = iota // an alert
	Learn                // the rule is learning: nothing, it is counted
	Hold                 // over the limit: nothing, the interval's summary lists it
)

// Limits are how a rule's alerts are held back.
type Limits struct {
	MaxAlerts int           // alerts an interval; 0 is no limit
	Interval  time.Duration // how long one is
	Learn     time.Duration // how long the rule learns from its first match; 0 not at all
}

// learnSummaryEvery is how often a learning rule says what it learned.
const learnSummaryEvery = time.Hour

// What a summary lists of its tuples. The tuples themselves are in the state.
const (
	maxListed      = 1000
	maxListedBytes = 256 << 10
)

// Governor holds back the alerts of one rule: while it learns, and over its
// limit. Its state survives a restart through State and Restore.
type Governor struct {
	limits Limits
	s      governorState
	dirty  bool
}

// governorState is what is written to disk. Times are in unix ms.
type governorState struct {
	Interval  int64  `json:"interval,omitempty"` // start of the interval at hand
	Raised    int    `json:"raised,omitempty"`   // alerts in it
	Held      *tally `json:"held,omitempty"`     // tuples over the limit in it
	Since     int64  `json:"since,omitempty"`    // first match
	Until     int64  `json:"until,omitempty"`    // learning ends
	Learned   *tally `json:"learned,omitempty"`  // since the last summary
	LearnedAt int64  `json:"learned_at,omitempty"`
}

// tally counts tuples and lists as many of them as a record can carry.
type tally struct {
	Count uint64  `json:"count"`
	Terms [][]any `json:"terms"`
	Bytes int     `json:"bytes"`
	First int64   `json:"first"` // unix ms, of the events
	Last  int64   `json:"last"`
}

func (t *tally) add(terms []any, size int, at int64) {
	if t.Count == 0 || at < t.First {
		t.First = at
	}
	t.Last = max(t.Last, at)
	t.Count++
	if len(t.Terms) < maxListed && t.Bytes+size <= maxListedBytes {
		t.Terms = append(t.Terms, terms)
		t.Bytes += size
	}
}

// NewGovernor returns a Governor without a past.
func NewGovernor(l Limits) *Governor {
	if l.Interval <= 0 {
		l.Interval = 5 * time.Minute
	}
	return &Governor{limits: l}
}

// SetLimits changes the limits; what was counted stays.
func (g *Governor) SetLimits(l Limits) {
	if l.Interval <= 0 {
		l.Interval = 5 * time.Minute
	}
	if l.Learn == 0 && g.Learning(g.s.Since) {
		g.s.Until = g.s.Since
		g.dirty = true
	}
	g.limits = l
}

// Restore takes up the state of an earlier process; "" is none.
func (g *Governor) Restore(state []byte) error {
	if len(state) == 0 {
		return nil
	}
	var s governorState
	if err := jsoniter.ConfigCompatibleWithStandardLibrary.Unmarshal(state, &s); err != nil {
		return fmt.Errorf("limits and learning: %w", err)
	}
	g.s = s
	return nil
}

// State returns what Restore takes. It is to be kept whenever Changed says so.
func (g *Governor) State() []byte {
	g.dirty = false
	state, err := jsoniter.ConfigCompatibleWithStandardLibrary.Marshal(g.s)
	if err != nil {
		return nil // cannot be: there is nothing but finite numbers and text in it
	}
	return state
}

// Changed tells whether State has something new to say since it was last
// called.
func (g *Governor) Changed() bool { return g.dirty }

// Matched notes a match at the time at (of the event, unix ms): the first one
// starts the learning.
func (g *Governor) Matched(at int64) {
	if g.s.Since != 0 {
		return
	}
	g.s.Since = max(at, 1)
	g.s.Until = g.s.Since + g.limits.Learn.Milliseconds()
	g.dirty = true
}

// Since returns when the rule first matched, the zero Time if it has not.
func (g *Governor) Since() time.Time {
	if g.s.Since == 0 {
		return time.Time{}
	}
	return time.UnixMilli(g.s.Since)
}

// Learning tells whether a match at that time (of the event, unix ms) only
// teaches.
func (g *Governor) Learning(at int64) bool {
	return g.limits.Learn > 0 && g.s.Since != 0 && at < g.s.Until
}

// EndLearning ends the learning: a baseline has been made.
func (g *Governor) EndLearning() {
	if g.s.Until > g.s.Since {
		g.s.Until = g.s.Since
		g.dirty = true
	}
}

// New takes a new tuple: size is what its terms need, at the time of its
// event, now the time by which intervals are counted, both in unix ms.
func (g *Governor) New(terms []any, size int, at, now int64) Verdict {
	g.dirty = true
	if g.Learning(at) {
		if g.s.Learned == nil {
			g.s.Learned = &tally{}
			g.s.LearnedAt = now
		}
		g.s.Learned.add(terms, size, at)
		return Learn
	}
	g.roll(now)
	if g.limits.MaxAlerts > 0 && g.s.Raised >= g.limits.MaxAlerts {
		if g.s.Held == nil {
			g.s.Held = &tally{}
		}
		g.s.Held.add(terms, size, at)
		return Hold
	}
	g.s.Raised++
	return Raise
}

// roll begins the interval that now lies in. What was held in the one before
// stays until Due takes it.
func (g *Governor) roll(now int64) {
	start := now - now%g.limits.Interval.Milliseconds()
	if start > g.s.Interval && g.s.Held == nil {
		g.s.Interval, g.s.Raised = start, 0
	}
}

// Summary is a record that stands for many tuples.
type Summary struct {
	Learned    bool // what a rule learned, else what was over its limit
	Count      uint64
	Terms      [][]any // as many as it can carry
	Start, End time.Time
	First      time.Time // of the events
	Last       time.Time
	MaxAlerts  int
}

// Due returns the summaries whose time has come by now (unix ms), and all that
// there are if all is set. Call it before New, so that an interval's summary
// comes before the alerts of the next.
func (g *Governor) Due(now int64, all bool) []Summary {
	var out []Summary
	if t := g.s.Held; t != nil {
		end := g.s.Interval + g.limits.Interval.Milliseconds()
		if all || now >= end {
			out = append(out, g.summary(t, false, g.s.Interval, end))
			g.s.Held = nil
			g.dirty = true
		}
	}
	if t := g.s.Learned; t != nil {
		end := g.s.LearnedAt + learnSummaryEvery.Milliseconds()
		if all || now >= end || now >= g.s.Until {
			out = append(out, g.summary(t, true, g.s.LearnedAt, min(end, now)))
			g.s.Learned = nil
			g.dirty = true
		}
	}
	return out
}

func (g *Governor) summary(t *tally, learned bool, start, end int64) Summary {
	return Summary{
		Learned: learned, Count: t.Count, Terms: t.Terms,
		Start: time.UnixMilli(start), End: time.UnixMilli(end),
		First: time.UnixMilli(t.First), Last: time.UnixMilli(t.Last),
		MaxAlerts: g.limits.MaxAlerts,
	}
}
