package telemetry

import (
	"strings"
	"testing"
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

// TestRuleTotals follows a rule through its life: it counts, is renamed, has
// its query changed, and goes.
func TestRuleTotals(t *testing.T) {
	r := registry{}
	m := NewRuleTotals(r, []RuleCounter{{"matches_total", ""}, {"alerts_total", ""}})
	live, again := new(int), new(int)
	m.Update([]RuleStatus{{live, "id", "old", 0, true, []uint64{0, 0}}})
	r.want(t, map[string]float64{"alerts_total|id|old": 0, "known_tuples|id|old": 0, "rule_learning|id|old": 1})

	for range 2 {
		m.Update([]RuleStatus{{live, "id", "old", 7, false, []uint64{0, 3}}})
	}
	r.want(t, map[string]float64{"matches_total|id|old": 0, "alerts_total|id|old": 3, "known_tuples|id|old": 7, "rule_learning|id|old": 0})

	m.Update([]RuleStatus{{live, "id", "new", 8, false, []uint64{0, 4}}})
	r.want(t, map[string]float64{"alerts_total|id|old": 3, "alerts_total|id|new": 1, "known_tuples|id|old": 0, "known_tuples|id|new": 8})

	m.Update([]RuleStatus{{again, "id", "new", 1, true, []uint64{0, 2}}})
	r.want(t, map[string]float64{"alerts_total|id|new": 3, "known_tuples|id|new": 1, "rule_learning|id|new": 1})

	m.Update(nil)
	r.want(t, map[string]float64{"alerts_total|id|new": 3, "known_tuples|id|new": 0, "rule_learning|id|new": 0})
	if len(m.rules) != 0 {
		t.Errorf("%d rules are kept", len(m.rules))
	}
}

// TestTotals: what was counted since the last update reaches the host, from
// the start on; a host without metrics does no harm.
func TestTotals(t *testing.T) {
	r, n := registry{}, uint64(0)
	for _, m := range []Metrics{r, nil} {
		totals := NewTotals(m)
		totals.Counter("n_total", "", func() uint64 { return n })
		totals.Gauge("g", "", func() float64 { return float64(2 * n) })
		r.want(t, map[string]float64{"n_total": float64(n)})
		n += 3
		totals.Update()
		totals.Update()
		if m != nil {
			r.want(t, map[string]float64{"n_total": 3, "g": 6})
		}
		n = 3
	}
}
