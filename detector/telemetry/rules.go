package telemetry

// RuleTotals are the metrics that there are for each rule. Their labels are
// the rule's id and name: as many as there are rules, and none that comes from
// an event.
type RuleTotals struct {
	counters []Counter
	known    Gauge
	learning Gauge
	rules    map[any]*ruleTotals // by RuleStatus.Key
}

// RuleCounter describes a counter that every rule has.
type RuleCounter struct{ Name, Help string }

// RuleStatus is how a rule is doing.
type RuleStatus struct {
	Key      any // comparable; another one is a rule that counts from zero
	ID, Name string
	Known    int // combinations
	Learning bool
	Totals   []uint64 // in the order of the counters
}

// ruleTotals is what the host was told of a rule.
type ruleTotals struct {
	id, name string
	last     []uint64 // by counter
	seen     bool     // in this update
}

// NewRuleTotals registers the metrics of rules.
func NewRuleTotals(metrics Metrics, counters []RuleCounter) *RuleTotals {
	labels := []string{"rule_id", "rule_name"}
	t := &RuleTotals{
		known:    metrics.Gauge("known_tuples", "Combinations that a rule knows.", labels...),
		learning: metrics.Gauge("rule_learning", "1 while a rule learns and sends no alerts.", labels...),
		rules:    make(map[any]*ruleTotals),
	}
	for _, c := range counters {
		t.counters = append(t.counters, metrics.Counter(c.Name, c.Help, labels...))
	}
	return t
}

// Update tells the host what has changed. A rule that runs no more knows
// nothing; what it has counted stays.
func (t *RuleTotals) Update(list []RuleStatus) {
	for i := range list {
		s := &list[i]
		r := t.rules[s.Key]
		if r == nil || r.name != s.Name {
			fresh := &ruleTotals{id: s.ID, name: s.Name, last: make([]uint64, len(t.counters))}
			if r != nil { // renamed: what was counted was counted under the old name
				fresh.last = r.last
				t.clear(r)
			}
			for _, c := range t.counters {
				c.Add(0, s.ID, s.Name) // a rate needs a start
			}
			t.rules[s.Key], r = fresh, fresh
		}
		r.seen = true
		for k, c := range t.counters {
			if total := s.Totals[k]; total != r.last[k] {
				c.Add(float64(total-r.last[k]), r.id, r.name)
				r.last[k] = total
			}
		}
	}
	for key, r := range t.rules {
		if !r.seen {
			t.clear(r)
			delete(t.rules, key)
		}
	}
	// After the clearing: a rule that started anew has the labels of the old.
	for i := range list {
		s := &list[i]
		t.rules[s.Key].seen = false
		t.known.Set(float64(s.Known), s.ID, s.Name)
		t.learning.Set(oneIf(s.Learning), s.ID, s.Name)
	}
}

func (t *RuleTotals) clear(r *ruleTotals) {
	t.known.Set(0, r.id, r.name)
	t.learning.Set(0, r.id, r.name)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
