package detector

import "sync/atomic"

// ruleMeters are the metrics that there are for each rule. Their labels are
// the rule's id and name: as many as there are rules, and none that comes from
// an event.
type ruleMeters struct {
	counters []ruleCounter
	known    Gauge
	learning Gauge
	rules    map[*liveRule]*ruleMeter
}

type ruleCounter struct {
	counter Counter
	total   func(c *RuleCounts) *atomic.Uint64
}

// ruleMeter is what has been told of a rule so far.
type ruleMeter struct {
	id, name string
	last     []uint64 // by counter
	seen     bool     // in this update
}

func newRuleMeters(reg Metrics) *ruleMeters {
	labels := []string{"rule_id", "rule_name"}
	m := &ruleMeters{
		known:    reg.Gauge("known_tuples", "Tuples that a rule knows.", labels...),
		learning: reg.Gauge("rule_learning", "1 while a rule learns and raises no alerts.", labels...),
		rules:    make(map[*liveRule]*ruleMeter),
	}
	for _, c := range []struct {
		name, help string
		total      func(c *RuleCounts) *atomic.Uint64
	}{
		{"matches_total", "Events that matched a rule.", func(c *RuleCounts) *atomic.Uint64 { return &c.Matches }},
		{"alerts_total", "Alerts raised.", func(c *RuleCounts) *atomic.Uint64 { return &c.Alerts }},
		{"summaries_total", "Summaries raised.", func(c *RuleCounts) *atomic.Uint64 { return &c.Summaries }},
		{"learned_tuples_total", "New tuples that a learning rule recorded.", func(c *RuleCounts) *atomic.Uint64 { return &c.Learned }},
		{"held_tuples_total", "New tuples over a rule's limit of alerts, listed in summaries.", func(c *RuleCounts) *atomic.Uint64 { return &c.Held }},
		{"suppressed_alerts_total", "Alerts counted with the first of their group.", func(c *RuleCounts) *atomic.Uint64 { return &c.Suppressed }},
		{"evicted_tuples_total", "Tuples forgotten to make room.", func(c *RuleCounts) *atomic.Uint64 { return &c.Evicted }},
		{"evicted_inside_window_total", "Tuples forgotten to make room while they were still known.", func(c *RuleCounts) *atomic.Uint64 { return &c.EvictedInsideWin }},
	} {
		m.counters = append(m.counters, ruleCounter{reg.Counter(c.name, c.help, labels...), c.total})
	}
	return m
}

// update tells what has changed. A rule that runs no more knows nothing; what
// it has counted stays.
func (m *ruleMeters) update(list []ruleStatus) {
	for i := range list {
		s := &list[i]
		r := m.rules[s.live]
		if r == nil || r.name != s.name {
			fresh := &ruleMeter{id: s.id, name: s.name, last: make([]uint64, len(m.counters))}
			if r != nil { // renamed: what was counted was counted under the old name
				fresh.last = r.last
				m.silence(r)
			}
			for _, c := range m.counters {
				c.counter.Add(0, s.id, s.name) // a rate needs a start
			}
			m.rules[s.live], r = fresh, fresh
		}
		r.seen = true
		for k, c := range m.counters {
			if total := c.total(&s.live.counts).Load(); total != r.last[k] {
				c.counter.Add(float64(total-r.last[k]), r.id, r.name)
				r.last[k] = total
			}
		}
	}
	for live, r := range m.rules {
		if !r.seen {
			m.silence(r)
			delete(m.rules, live)
		}
	}
	// After the silence: a rule that started anew has the labels of the old.
	for i := range list {
		s := &list[i]
		m.rules[s.live].seen = false
		m.known.Set(float64(s.known), s.id, s.name)
		m.learning.Set(oneIf(s.learning), s.id, s.name)
	}
}

func (m *ruleMeters) silence(r *ruleMeter) {
	m.known.Set(0, r.id, r.name)
	m.learning.Set(0, r.id, r.name)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
