package detector

import (
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/detector/seen"
)

// registry is a host's registry of metrics: series by name and labels.
type registry map[string]float64

type registered struct {
	r    registry
	name string
}

func (r registry) Counter(name, _ string, _ ...string) Counter { return registered{r, name} }
func (r registry) Gauge(name, _ string, _ ...string) Gauge     { return registered{r, name} }

func (m registered) series(labels []string) string {
	return strings.Join(append([]string{m.name}, labels...), "|")
}
func (m registered) Add(v float64, labels ...string) { m.r[m.series(labels)] += v }
func (m registered) Set(v float64, labels ...string) { m.r[m.series(labels)] = v }

func (r registry) want(t *testing.T, values map[string]float64) {
	t.Helper()
	for series, want := range values {
		if got, ok := r[series]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", series, got, ok, want)
		}
	}
}

// TestRuleMeters follows a rule through its life: it counts, is renamed, has
// its query changed, and goes.
func TestRuleMeters(t *testing.T) {
	r := registry{}
	m := newRuleMeters(r)
	live := &liveRule{}
	m.update([]ruleStatus{{live, "id", "old", 0, true}})
	r.want(t, map[string]float64{"alerts_total|id|old": 0, "known_tuples|id|old": 0, "rule_learning|id|old": 1})

	live.counts.Alerts.Add(3)
	live.counts.evicted(&seen.Outcome{Evicted: true, EvictedInsideWindow: true})
	live.counts.evicted(&seen.Outcome{Evicted: true})
	m.update([]ruleStatus{{live, "id", "old", 7, false}})
	m.update([]ruleStatus{{live, "id", "old", 7, false}})
	r.want(t, map[string]float64{"alerts_total|id|old": 3, "known_tuples|id|old": 7, "rule_learning|id|old": 0,
		"evicted_tuples_total|id|old": 2, "evicted_inside_window_total|id|old": 1, "matches_total|id|old": 0})

	live.counts.Alerts.Add(1)
	m.update([]ruleStatus{{live, "id", "new", 8, false}})
	r.want(t, map[string]float64{"alerts_total|id|old": 3, "alerts_total|id|new": 1, "known_tuples|id|old": 0, "known_tuples|id|new": 8})

	again := &liveRule{}
	again.counts.Alerts.Add(2)
	m.update([]ruleStatus{{again, "id", "new", 1, true}})
	r.want(t, map[string]float64{"alerts_total|id|new": 3, "known_tuples|id|new": 1, "rule_learning|id|new": 1})

	m.update(nil)
	r.want(t, map[string]float64{"alerts_total|id|new": 3, "known_tuples|id|new": 0, "rule_learning|id|new": 0})
	if len(m.rules) != 0 {
		t.Errorf("%d rules are kept", len(m.rules))
	}
}

// TestOutboxAge has alerts of this process and of an earlier one, and matching
// records, which do not count.
func TestOutboxAge(t *testing.T) {
	d := newDelivery(seen.OpenMemory(seen.Options{}), func(Level, string) {}, nil)
	defer d.close()
	if !d.oldest().IsZero() {
		t.Error("an empty outbox has an oldest alert")
	}
	before := time.Now()
	d.add(&Alert{Matched: true, OutboxEntry: seen.OutboxEntry{Time: 1}})
	if !d.oldest().IsZero() {
		t.Error("a matching record counts")
	}
	d.add(&Alert{stored: true, OutboxEntry: seen.OutboxEntry{ID: 2, Time: 1}})
	if at := d.oldest(); at.Before(before) || at.After(time.Now()) {
		t.Errorf("an alert of now waits since %s", at)
	}
	old := newDelivery(seen.OpenMemory(seen.Options{}), func(Level, string) {}, nil)
	defer old.close()
	old.add(&Alert{OutboxEntry: seen.OutboxEntry{ID: 1, Time: 5000}})
	old.add(&Alert{stored: true, OutboxEntry: seen.OutboxEntry{ID: 2, Time: 1}})
	if at := old.oldest(); !at.Equal(time.UnixMilli(5000)) {
		t.Errorf("an alert of an earlier process waits since %s", at)
	}
}
