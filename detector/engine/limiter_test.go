package engine

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/limits"
)

const minute = int64(time.Minute / time.Millisecond)

// base is a whole number of intervals after the epoch.
const base = 1_000_000 * 5 * minute

func terms(s string) []any { return []any{s} }

// judge is what an engine does with a new tuple.
func judge(g *limiter, name string, now int64) string {
	g.Matched(now)
	if g.Learn(terms(name), len(name), 0, now, now) {
		return "learned"
	}
	if !g.Allow(terms(name), len(name), 0, now, now) {
		return "held"
	}
	return "raised"
}

func TestLimit(t *testing.T) {
	g := newLimiter(alertLimits{MaxAlerts: 2, Interval: 5 * time.Minute})
	for i, want := range []string{"raised", "raised", "held", "held"} {
		if got := judge(g, fmt.Sprint(i), base+int64(i)); got != want {
			t.Errorf("tuple %d is %s, want %s", i, got, want)
		}
	}
	if due := g.Due(base+5*minute-1, false); due != nil {
		t.Fatalf("a summary before the interval is over: %v", due)
	}
	due := g.Due(base+5*minute, false)
	if len(due) != 1 {
		t.Fatalf("%d summaries, want 1", len(due))
	}
	s := due[0]
	if s.Kind != alert.Limited || s.Count != 2 || !reflect.DeepEqual(s.Terms, [][]any{{"2"}, {"3"}}) ||
		s.Start.UnixMilli() != base || s.End.UnixMilli() != base+5*minute || s.First.UnixMilli() != base+2 || s.MaxAlerts != 2 {
		t.Errorf("summary %+v", s)
	}
	if due := g.Due(base+100*minute, true); due != nil {
		t.Errorf("the summary came twice: %v", due)
	}
	if got := judge(g, "next", base+5*minute); got != "raised" {
		t.Errorf("in the next interval a tuple is %s", got)
	}
	if g.Total() != 3 {
		t.Errorf("%d alerts in all, want 3", g.Total())
	}
}

func TestNoLimit(t *testing.T) {
	g := newLimiter(alertLimits{})
	for i := range 1000 {
		if got := judge(g, "x", base); got != "raised" {
			t.Fatalf("tuple %d is %s", i, got)
		}
	}
}

// TestClockPutRight: a clock that was years ahead for a moment must not hold
// alerts back for years.
func TestClockPutRight(t *testing.T) {
	const year = 365 * 24 * 60 * minute
	g := newLimiter(alertLimits{MaxAlerts: 1})
	judge(g, "a", base+year)
	if got := judge(g, "b", base+year); got != "held" {
		t.Fatalf("over the limit a tuple is %s", got)
	}
	if due := g.Due(base, false); len(due) != 1 {
		t.Errorf("%d summaries once the clock is right, want 1", len(due))
	}
	if got := judge(g, "c", base); got != "raised" {
		t.Errorf("once the clock is right a tuple is %s", got)
	}
	g.Suppress("k", nil, "u", base+year, base+year)
	if g.Suppressed("k", terms("d"), 1, 0, base, base) {
		t.Error("a group of the future suppresses")
	}
}

// TestClockBack: a clock that steps back a little does not begin the interval
// anew.
func TestClockBack(t *testing.T) {
	g := newLimiter(alertLimits{MaxAlerts: 1})
	judge(g, "a", base)
	if got := judge(g, "b", base-1); got != "held" {
		t.Errorf("a millisecond back a tuple is %s, want held", got)
	}
}

func TestLearning(t *testing.T) {
	g := newLimiter(alertLimits{Learn: 2 * time.Hour})
	if !g.Since().IsZero() || !g.Until().IsZero() {
		t.Error("it learns before anything matched")
	}
	if got := judge(g, "a", base); got != "learned" {
		t.Fatalf("the first tuple is %s", got)
	}
	if got := judge(g, "b", base+119*minute); got != "learned" {
		t.Errorf("a tuple in the second hour is %s", got)
	}
	due := g.Due(base+60*minute, false)
	if len(due) != 1 || due[0].Kind != alert.Learned || due[0].Count != 2 {
		t.Fatalf("after an hour: %+v", due)
	}
	judge(g, "c", base+119*minute)
	if due := g.Due(base+120*minute, false); len(due) != 1 || due[0].Count != 1 {
		t.Errorf("at the end: %+v, want the rest", due)
	}
	if got := judge(g, "d", base+120*minute); got != "raised" {
		t.Errorf("after the learning a tuple is %s", got)
	}
	if g.Since().UnixMilli() != base || g.Until().UnixMilli() != base+120*minute {
		t.Errorf("from %v to %v", g.Since(), g.Until())
	}
}

func TestLearningEnds(t *testing.T) {
	for name, end := range map[string]func(g *limiter){
		"baseline":  (*limiter).EndLearning,
		"learn off": func(g *limiter) { g.SetLimits(alertLimits{}) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newLimiter(alertLimits{Learn: time.Hour})
			judge(g, "a", base)
			end(g)
			if got := judge(g, "b", base+1); got != "raised" {
				t.Errorf("a tuple is %s", got)
			}
			if due := g.Due(base+1, false); len(due) != 1 || due[0].Kind != alert.Learned {
				t.Errorf("what was learned is not summed up: %v", due)
			}
		})
	}
}

// TestLimiterRestart: what State says is what Restore takes up.
func TestLimiterRestart(t *testing.T) {
	l := alertLimits{MaxAlerts: 1, Learn: time.Minute, Suppress: time.Hour}
	g := newLimiter(l)
	judge(g, "learned", base)
	judge(g, "raised", base+minute)
	g.Allow([]any{"held", int64(9007199254740993), nil, true, 1.5}, 9, 0, base+minute, base+minute)
	g.Suppress("key", []alert.SuppressionTerm{{Field: "host.name", Value: []any{"a", int64(5)}}}, "uuid", base, base+minute)
	g.Suppressed("key", terms("later"), 5, 0, base+minute, base+minute)
	if !g.Changed() {
		t.Fatal("nothing changed")
	}
	state := g.State()
	if g.Changed() {
		t.Error("it changed by being written")
	}
	again := newLimiter(l)
	if err := again.Restore(state); err != nil {
		t.Fatal(err)
	}
	if string(again.State()) != string(state) {
		t.Errorf("state\n%s\nbecame\n%s", state, again.State())
	}
	if got := judge(again, "x", base+minute); got != "held" {
		t.Errorf("over the limit after a restart a tuple is %s", got)
	}
	if !again.Suppressed("key", terms("y"), 1, 0, base+2*minute, base+2*minute) {
		t.Error("the group is forgotten")
	}
	due := again.Due(base+100*minute, false)
	if len(due) != 3 {
		t.Fatalf("%d summaries, want of the limit, of what was learned and of the group: %+v", len(due), due)
	}
	if got := fmt.Sprint(due[0].Terms[0]); got != "[held 9007199254740993 <nil> true 1.5]" {
		t.Errorf("terms %s", got)
	}
	if s := due[2].Suppression; due[2].UUID != "uuid" || s.Docs != 2 || s.End.UnixMilli() != base+2*minute {
		t.Errorf("group %+v %+v", due[2], s)
	}
}

func TestRestoreOfNonsense(t *testing.T) {
	g := newLimiter(alertLimits{MaxAlerts: 1})
	judge(g, "a", base)
	if err := g.Restore([]byte("{")); err == nil {
		t.Error("no error")
	}
	if err := g.Restore(nil); err != nil {
		t.Error(err)
	}
	if got := judge(g, "b", base); got != "held" {
		t.Errorf("a failed restore lost the count: %s", got)
	}
}

// TestTallyIsBounded: lists end, counts do not.
func TestTallyIsBounded(t *testing.T) {
	g := newLimiter(alertLimits{MaxAlerts: 1})
	for i := range 5000 {
		g.Allow(terms(fmt.Sprint(i)), 10, 0, base, base)
	}
	s := g.Due(base, true)[0]
	if s.Count != 4999 || len(s.Terms) != limits.SummaryTuples {
		t.Errorf("%d counted, %d listed; want 4999 and %d", s.Count, len(s.Terms), limits.SummaryTuples)
	}
	g.Allow(terms("x"), 10, 0, base, base)
	g.Allow(terms("big"), limits.SummaryBytes+1, 0, base, base)
	if s := g.Due(base, true)[0]; s.Count != 2 || len(s.Terms) != 1 {
		t.Errorf("%d counted, %d listed; want 2 and 1", s.Count, len(s.Terms))
	}
}

func TestGroups(t *testing.T) {
	g := newLimiter(alertLimits{Interval: 5 * time.Minute})
	g.Suppress("a", []alert.SuppressionTerm{{Field: "f", Value: "x"}}, "ua", base, base+minute)
	if g.Suppressed("b", terms("1"), 1, 0, base, base+minute) {
		t.Error("another group is suppressed")
	}
	if !g.Suppressed("a", terms("2"), 1, 0, base-7, base+4*minute) || !g.Suppressed("a", terms("3"), 1, 0, base+9, base+4*minute) {
		t.Error("the group is not suppressed")
	}
	if g.Suppressed("a", terms("4"), 1, 0, base, base+5*minute) {
		t.Error("the group outlives its interval")
	}
	due := g.Due(base+5*minute, false)
	if len(due) != 1 {
		t.Fatalf("%d updates, want 1", len(due))
	}
	s := due[0].Suppression
	if s.Docs != 2 || s.Start.UnixMilli() != base-7 || s.End.UnixMilli() != base+9 || due[0].UUID != "ua" {
		t.Errorf("update %+v %+v", due[0], s)
	}
	// A group that suppressed nothing ends without a word.
	g.Suppress("c", nil, "uc", base, base+6*minute)
	if due := g.Due(base+60*minute, false); len(due) != 0 {
		t.Errorf("an update without news: %+v", due)
	}
}

// TestGroupsAreBounded: over the bound the oldest ends early, with its count.
func TestGroupsAreBounded(t *testing.T) {
	g := newLimiter(alertLimits{Suppress: time.Hour})
	for i := range limits.Groups {
		g.Suppress(fmt.Sprint(i), nil, fmt.Sprint("u", i), base, base)
	}
	g.Suppressed("0", terms("x"), 1, 0, base, base)
	g.Suppress("one more", nil, "u", base, base)
	if g.Suppressed("0", terms("x"), 1, 0, base, base) {
		t.Error("the oldest is still open")
	}
	due := g.Due(base, false)
	if len(due) != 1 || due[0].UUID != "u0" || due[0].Count != 1 {
		t.Errorf("due %+v, want the oldest's update", due)
	}
	if len(g.s.Groups) != limits.Groups {
		t.Errorf("%d groups, want %d", len(g.s.Groups), limits.Groups)
	}
}
