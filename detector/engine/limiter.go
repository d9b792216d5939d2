package engine

import (
	"fmt"
	"time"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/seen"
)

// alertLimits are how a rule's alerts are held back.
type alertLimits struct {
	MaxAlerts int           // alerts an interval; 0 is no limit
	Interval  time.Duration // how long one is; default 5m
	Learn     time.Duration // how long the rule learns from its first match; 0 not at all
	// Suppress is how long a group of alerts stays suppressed after its first
	// one; 0 is to the end of the interval.
	Suppress time.Duration
}

// A flood leaves room for everybody else: a quarter of the alerts of an interval
// is kept for combinations outside the noisy groups, and for groups that have
// had less than their share of alerts, a twentieth.
//
// A group is noisy from a tenth of the limit on, and ten.
const (
	noisyReserve = 4
	noisyShare   = 20
	noisyFrom    = 10
)

// learnSummaryEvery is how often a learning rule says what it learned.
const learnSummaryEvery = time.Hour

const defaultInterval = 5 * time.Minute

// limiter holds back the alerts of one rule: while it learns, over its limit,
// and where they are suppressed. For a new tuple ask, in this order, Learn,
// Suppressed and Allow, after Due has been asked for what came before.
//
// Its state survives a restart through State and Restore. Times are in unix
// ms: at is the time of an event, now the time by which intervals and learning
// are counted.
type limiter struct {
	limits alertLimits
	s      limiterState
	dirty  bool

	crowd   crowd
	crowdOf int64 // the interval that crowd counts

	byKey      map[string]int // the open groups' places, nil if they have to be found
	groupBytes int            // of the open groups
	ended      int            // groups before this place have ended
}

// limiterState is what is written to disk.
type limiterState struct {
	Interval  int64         `json:"interval,omitempty"` // start of the interval at hand
	Raised    int           `json:"raised,omitempty"`   // alerts in it
	Held      *tally        `json:"held,omitempty"`     // tuples over the limit in it
	Since     int64         `json:"since,omitempty"`    // first match
	Until     int64         `json:"until,omitempty"`    // learning ends
	Learned   *tally        `json:"learned,omitempty"`  // since the last summary
	LearnedAt int64         `json:"learned_at,omitempty"`
	Groups    []group       `json:"groups,omitempty"`   // suppressed, oldest first
	Variants  *variantTally `json:"variants,omitempty"` // since the last summary
	Total     uint64        `json:"total,omitempty"`    // alerts ever
}

// newLimiter returns a limiter without a past.
func newLimiter(l alertLimits) *limiter {
	made := &limiter{}
	made.SetLimits(l)
	return made
}

// SetLimits changes the limits; what was counted stays.
func (l *limiter) SetLimits(to alertLimits) {
	if to.Interval <= 0 {
		to.Interval = defaultInterval
	}
	l.limits = to
	if to.Learn == 0 {
		l.EndLearning()
	}
}

// numbers keeps numbers as they are written: terms may be integers that a
// float cannot hold.
var numbers = jsoniter.Config{EscapeHTML: true, SortMapKeys: true, ValidateJsonRawMessage: true, UseNumber: true}.Froze()

// Restore takes up the state of an earlier process; nothing is none. On an
// error the limiter stays as it was.
func (l *limiter) Restore(state []byte) error {
	if len(state) == 0 {
		return nil
	}
	var s limiterState
	if err := numbers.Unmarshal(state, &s); err != nil {
		return fmt.Errorf("limits and learning: %w", err)
	}
	l.s, l.byKey = s, nil
	return nil
}

// State returns what Restore takes. It is to be kept whenever Changed says so.
func (l *limiter) State() []byte {
	l.dirty = false
	state, err := numbers.Marshal(&l.s)
	if err != nil {
		// A number without a form in JSON among the terms: the lists go, the
		// counts stay.
		s := l.s
		s.Held, s.Learned, s.Groups = bare(s.Held), bare(s.Learned), nil
		if s.Variants != nil {
			v := *s.Variants
			v.tally = *bare(&v.tally)
			s.Variants = &v
		}
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
func (l *limiter) Changed() bool { return l.dirty }

// Matched notes a match: the first one starts the learning.
func (l *limiter) Matched(now int64) {
	if l.s.Since != 0 {
		l.clockWasAhead(now)
		return
	}
	l.s.Since = max(now, 1)
	l.s.Until = l.s.Since + l.limits.Learn.Milliseconds()
	l.dirty = true
}

// clockWasAhead begins the learning anew where it began in what is now the
// future: the clock was ahead then, and the learning must not last for as long as
// the error was large.
func (l *limiter) clockWasAhead(now int64) {
	if now = max(now, 1); l.s.Since <= now+match.Skew.Milliseconds() {
		return
	}
	l.s.Since, l.s.Until = now, now+max(l.s.Until-l.s.Since, 0)
	l.dirty = true
}

// Began notes that the rule first matched, and so began to learn, at since (unix
// ms): on another node that shares its memory, and earlier than here.
func (l *limiter) Began(since int64) {
	switch {
	case since <= 0 || l.s.Since != 0 && since >= l.s.Since:
		return
	case l.s.Since == 0:
		l.Matched(since)
		return
	}
	learns := l.s.Until - l.s.Since
	l.s.Since, l.s.Until = since, since+learns
	l.dirty = true
}

// Since returns when the rule first matched, the zero Time if it has not.
func (l *limiter) Since() time.Time {
	if l.s.Since == 0 {
		return time.Time{}
	}
	return time.UnixMilli(l.s.Since)
}

// Until returns when the learning ends or ended, the zero Time if it has not
// begun.
func (l *limiter) Until() time.Time {
	if l.s.Until == 0 {
		return time.Time{}
	}
	return time.UnixMilli(l.s.Until)
}

// Total returns how many alerts the rule has raised.
func (l *limiter) Total() uint64 { return l.s.Total }

// Learning tells whether a new tuple only teaches.
func (l *limiter) Learning(now int64) bool {
	return l.limits.Learn > 0 && l.s.Since != 0 && now < l.s.Until
}

// EndLearning ends the learning: a baseline has been made, or nothing is to be
// learned.
func (l *limiter) EndLearning() {
	l.limits.Learn = 0
	if l.s.Until > l.s.Since {
		l.s.Until = l.s.Since
		l.dirty = true
	}
}

// Learn counts a new tuple as learned and returns true if the rule is
// learning. size is what the terms need, in bytes.
func (l *limiter) Learn(terms []any, size int, group uint64, at, now int64) bool {
	if !l.Learning(now) {
		return false
	}
	l.dirty = true
	if l.s.Learned == nil {
		l.s.Learned = &tally{}
		l.s.LearnedAt = now
	}
	l.s.Learned.add(terms, size, group, at, limits.LearnedTuples, limits.LearnedBytes)
	return true
}

// Allow counts a new tuple against the limit and tells whether it is to be
// raised; if not, the interval's summary lists it.
func (l *limiter) Allow(terms []any, size int, group uint64, at, now int64) bool {
	l.dirty = true
	l.roll(now)
	if !l.fits(group) {
		if l.s.Held == nil {
			l.s.Held = &tally{}
		}
		l.s.Held.add(terms, size, group, at, limits.SummaryTuples, limits.SummaryBytes)
		return false
	}
	l.s.Raised++
	if group != 0 {
		l.crowd.raised[group]++
	}
	l.s.Total++
	return true
}

// NewCombination counts a new combination, its terms as bytes, in the interval
// that now lies in. It returns the noisy group that it belongs to, 0 for none.
func (l *limiter) NewCombination(terms []byte, now int64) (group uint64) {
	if start := l.intervalOf(now); start != l.crowdOf {
		l.crowd.reset()
		l.crowdOf = start
	}
	return l.crowd.add(terms, max(l.limits.MaxAlerts/noisyFrom, noisyFrom))
}

// fits tells whether one more alert of a noisy group, 0 for none, is inside the
// limit.
func (l *limiter) fits(group uint64) bool {
	most := l.limits.MaxAlerts
	if most <= 0 || group == 0 || l.crowd.raised[group] < max(most/noisyShare, 1) {
		return most <= 0 || l.s.Raised < most
	}
	return l.s.Raised < most-max(most/noisyReserve, 1)
}

// roll begins the interval that now lies in, which is an earlier one if the
// clock was ahead and has been put right. What was held in the one before
// stays until Due takes it.
func (l *limiter) roll(now int64) {
	start := l.intervalOf(now)
	if start == l.s.Interval || l.s.Held != nil {
		return
	}
	if start > l.s.Interval || start < l.s.Interval-l.limits.Interval.Milliseconds() {
		l.s.Interval, l.s.Raised = start, 0
	}
}

func (l *limiter) intervalOf(now int64) int64 {
	return now - now%l.limits.Interval.Milliseconds()
}

// over tells whether a span that ends at end, and is length long, is over: it
// is also when now lies before it began, since a clock that was ahead must not
// hold alerts back for as long.
func over(now, end, length int64) bool { return now >= end || now < end-2*length }

// Due returns the summaries whose time has come, and all that there are if all
// is set. Call it before a new tuple is judged, so that the summary of an
// interval comes before the alerts of the next.
func (l *limiter) Due(now int64, all bool) []alert.Summary {
	var out []alert.Summary
	length := l.limits.Interval.Milliseconds()
	if t := l.s.Held; t != nil {
		if end := l.s.Interval + length; all || over(now, end, length) {
			out = append(out, l.summary(t, alert.Limited, l.s.Interval, end))
			l.s.Held = nil
			l.dirty = true
		}
	}
	if t := l.s.Learned; t != nil {
		end := l.s.LearnedAt + learnSummaryEvery.Milliseconds()
		if all || over(now, end, learnSummaryEvery.Milliseconds()) || now >= l.s.Until {
			out = append(out, l.summary(t, alert.Learned, l.s.LearnedAt, max(min(end, now), l.s.LearnedAt)))
			l.s.Learned = nil
			l.dirty = true
		}
	}
	if t := l.s.Variants; t != nil {
		end := t.Since + learnSummaryEvery.Milliseconds()
		if all || over(now, end, learnSummaryEvery.Milliseconds()) {
			out = append(out, t.summary(l.summary(&t.tally, alert.Variants, t.Since, max(min(end, now), t.Since))))
			l.s.Variants = nil
			l.dirty = true
		}
	}
	return l.endGroups(out, now, all)
}

func (l *limiter) summary(t *tally, kind alert.SummaryKind, start, end int64) alert.Summary {
	return alert.Summary{
		Kind: kind, Count: t.Count, Terms: t.Terms, Noisy: t.noisy(),
		Start: time.UnixMilli(start), End: time.UnixMilli(end),
		First: time.UnixMilli(t.First), Last: time.UnixMilli(t.Last),
		MaxAlerts: l.limits.MaxAlerts,
	}
}

// LearningState returns what a rule's metadata holds in Extra when the rule began
// to learn, and will end, at the times that m says, and nothing else is known.
func LearningState(m seen.RuleMeta) []byte {
	span := max(m.LearningUntil-m.LearningSince, 0)
	l := newLimiter(alertLimits{Learn: time.Duration(span) * time.Millisecond})
	l.Matched(m.LearningSince)
	return l.State()
}
