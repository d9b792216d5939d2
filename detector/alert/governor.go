package alert

import (
	"fmt"
	"time"

	jsoniter "github.com/json-iterator/go"
)

// Limits are how a rule's alerts are held back.
type Limits struct {
	MaxAlerts int           // alerts an interval; 0 is no limit
	Interval  time.Duration // how long one is; default 5m
	Learn     time.Duration // how long the rule learns from its first match; 0 not at all
	// Suppress is how long a group of alerts stays suppressed after its first
	// one; 0 is to the end of the interval.
	Suppress time.Duration
}

// learnSummaryEvery is how often a learning rule says what it learned.
const learnSummaryEvery = time.Hour

const defaultInterval = 5 * time.Minute

// Governor holds back the alerts of one rule: while it learns, over its limit,
// and where they are suppressed. For a new tuple ask, in this order, Learn,
// Suppressed and Admit, after Due has been asked for what came before.
//
// Its state survives a restart through State and Restore. Times are in unix
// ms: at is the time of an event, now the time by which intervals and learning
// are counted.
type Governor struct {
	limits Limits
	s      governorState
	dirty  bool
}

// governorState is what is written to disk.
type governorState struct {
	Interval  int64   `json:"interval,omitempty"` // start of the interval at hand
	Raised    int     `json:"raised,omitempty"`   // alerts in it
	Held      *tally  `json:"held,omitempty"`     // tuples over the limit in it
	Since     int64   `json:"since,omitempty"`    // first match
	Until     int64   `json:"until,omitempty"`    // learning ends
	Learned   *tally  `json:"learned,omitempty"`  // since the last summary
	LearnedAt int64   `json:"learned_at,omitempty"`
	Groups    []group `json:"groups,omitempty"` // suppressed, oldest first
	Total     uint64  `json:"total,omitempty"`  // alerts ever
}

// NewGovernor returns a Governor without a past.
func NewGovernor(l Limits) *Governor {
	g := &Governor{}
	g.SetLimits(l)
	return g
}

// SetLimits changes the limits; what was counted stays.
func (g *Governor) SetLimits(l Limits) {
	if l.Interval <= 0 {
		l.Interval = defaultInterval
	}
	g.limits = l
	if l.Learn == 0 {
		g.EndLearning()
	}
}

// numbers keeps numbers as they are written: terms may be integers that a
// float cannot hold.
var numbers = jsoniter.Config{EscapeHTML: true, SortMapKeys: true, ValidateJsonRawMessage: true, UseNumber: true}.Froze()

// Restore takes up the state of an earlier process; nothing is none. On an
// error the Governor stays as it was.
func (g *Governor) Restore(state []byte) error {
	if len(state) == 0 {
		return nil
	}
	var s governorState
	if err := numbers.Unmarshal(state, &s); err != nil {
		return fmt.Errorf("limits and learning: %w", err)
	}
	g.s = s
	return nil
}

// State returns what Restore takes. It is to be kept whenever Changed says so.
func (g *Governor) State() []byte {
	g.dirty = false
	state, err := numbers.Marshal(&g.s)
	if err != nil {
		// A number without a form in JSON among the terms: the lists go, the
		// counts stay.
		s := g.s
		s.Held, s.Learned, s.Groups = bare(s.Held), bare(s.Learned), nil
		state, _ = numbers.Marshal(&s)
	}
	return state
}

func bare(t *tally) *tally {
	if t == nil {
		return nil
	}
	return &tally{Count: t.Count, First: t.First, Last: t.Last}
}

// Changed tells whether State has something new to say since it was last
// called.
func (g *Governor) Changed() bool { return g.dirty }

// Matched notes a match: the first one starts the learning.
func (g *Governor) Matched(now int64) {
	if g.s.Since != 0 {
		return
	}
	g.s.Since = max(now, 1)
	g.s.Until = g.s.Since + g.limits.Learn.Milliseconds()
	g.dirty = true
}

// Began notes that the rule first matched, and so began to learn, at since (unix
// ms): on another node that shares its memory, and earlier than here.
func (g *Governor) Began(since int64) {
	switch {
	case since <= 0 || g.s.Since != 0 && since >= g.s.Since:
		return
	case g.s.Since == 0:
		g.Matched(since)
		return
	}
	learns := g.s.Until - g.s.Since
	g.s.Since, g.s.Until = since, since+learns
	g.dirty = true
}

// Since returns when the rule first matched, the zero Time if it has not.
func (g *Governor) Since() time.Time {
	if g.s.Since == 0 {
		return time.Time{}
	}
	return time.UnixMilli(g.s.Since)
}

// Until returns when the learning ends or ended, the zero Time if it has not
// begun.
func (g *Governor) Until() time.Time {
	if g.s.Until == 0 {
		return time.Time{}
	}
	return time.UnixMilli(g.s.Until)
}

// Total returns how many alerts the rule has raised.
func (g *Governor) Total() uint64 { return g.s.Total }

// Learning tells whether a new tuple only teaches.
func (g *Governor) Learning(now int64) bool {
	return g.limits.Learn > 0 && g.s.Since != 0 && now < g.s.Until
}

// EndLearning ends the learning: a baseline has been made, or nothing is to be
// learned.
func (g *Governor) EndLearning() {
	if g.s.Until > g.s.Since {
		g.s.Until = g.s.Since
		g.dirty = true
	}
}

// Learn counts a new tuple as learned and returns true if the rule is
// learning. size is what the terms need, in bytes.
func (g *Governor) Learn(terms []any, size int, at, now int64) bool {
	if !g.Learning(now) {
		return false
	}
	g.dirty = true
	if g.s.Learned == nil {
		g.s.Learned = &tally{}
		g.s.LearnedAt = now
	}
	g.s.Learned.add(terms, size, at, maxLearned, maxLearnedBytes)
	return true
}

// Admit counts a new tuple against the limit and tells whether it is to be
// raised; if not, the interval's summary lists it.
func (g *Governor) Admit(terms []any, size int, at, now int64) bool {
	g.dirty = true
	g.roll(now)
	if g.limits.MaxAlerts > 0 && g.s.Raised >= g.limits.MaxAlerts {
		if g.s.Held == nil {
			g.s.Held = &tally{}
		}
		g.s.Held.add(terms, size, at, maxListed, maxListedBytes)
		return false
	}
	g.s.Raised++
	g.s.Total++
	return true
}

// roll begins the interval that now lies in, which is an earlier one if the
// clock was ahead and has been put right. What was held in the one before
// stays until Due takes it.
func (g *Governor) roll(now int64) {
	start := g.intervalOf(now)
	if start == g.s.Interval || g.s.Held != nil {
		return
	}
	if start > g.s.Interval || start < g.s.Interval-g.limits.Interval.Milliseconds() {
		g.s.Interval, g.s.Raised = start, 0
	}
}

func (g *Governor) intervalOf(now int64) int64 {
	return now - now%g.limits.Interval.Milliseconds()
}

// over tells whether a span that ends at end, and is length long, is over: it
// is also when now lies before it began, since a clock that was ahead must not
// hold alerts back for as long.
func over(now, end, length int64) bool { return now >= end || now < end-2*length }

// Due returns the summaries whose time has come, and all that there are if all
// is set. Call it before a new tuple is judged, so that the summary of an
// interval comes before the alerts of the next.
func (g *Governor) Due(now int64, all bool) []Summary {
	var out []Summary
	length := g.limits.Interval.Milliseconds()
	if t := g.s.Held; t != nil {
		if end := g.s.Interval + length; all || over(now, end, length) {
			out = append(out, g.summary(t, Limited, g.s.Interval, end))
			g.s.Held = nil
			g.dirty = true
		}
	}
	if t := g.s.Learned; t != nil {
		end := g.s.LearnedAt + learnSummaryEvery.Milliseconds()
		if all || over(now, end, learnSummaryEvery.Milliseconds()) || now >= g.s.Until {
			out = append(out, g.summary(t, Learned, g.s.LearnedAt, max(min(end, now), g.s.LearnedAt)))
			g.s.Learned = nil
			g.dirty = true
		}
	}
	return g.endGroups(out, now, all)
}

func (g *Governor) summary(t *tally, kind SummaryKind, start, end int64) Summary {
	return Summary{
		Kind: kind, Count: t.Count, Terms: t.Terms,
		Start: time.UnixMilli(start), End: time.UnixMilli(end),
		First: time.UnixMilli(t.First), Last: time.UnixMilli(t.Last),
		MaxAlerts: g.limits.MaxAlerts,
	}
}
