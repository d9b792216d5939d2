package detector

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// meters copy totals into the host's metrics. Names follow the Prometheus
// conventions; the host puts its own namespace before them, and the instance's
// name among the labels. What there is by rule is not there in sum as well: a
// query adds it up.
type meters struct {
	d        *Detector
	counters []counterOf
	gauges   []gaugeOf
	commits  Counter // seconds of them
	spent    time.Duration
	rules    *ruleMeters // nil on a host without metrics
}

type counterOf struct {
	counter Counter
	total   func() uint64
	last    uint64
}

type gaugeOf struct {
	gauge Gauge
	value func() float64
}

// newMeters registers the metrics; a host without metrics gets none.
func newMeters(d *Detector) *meters {
	m := &meters{d: d}
	reg := d.host.Metrics()
	if reg == nil {
		return m
	}
	c := d.engine.Counts()
	counter := func(name, help string, total func() uint64) {
		m.counters = append(m.counters, counterOf{counter: reg.Counter(name, help), total: total})
	}
	counter("records_total", "Records read.", c.Records.Load)
	counter("events_total", "Events found in records.", c.Events.Load)
	counter("skipped_records_total", "Records, or parts of them, that hold no event.", c.Skipped.Load)
	counter("malformed_chunks_total", "Chunks that broke off.", c.Malformed.Load)
	counter("excepted_matches_total", "Matches that an exception took out.", c.Excepted.Load)
	counter("readmitted_tuples_total", "New tuples that were known from under an exception that was let go.", c.Readmitted.Load)
	counter("passed_records_total", "Matching records passed along (emit = matched).", c.Passed.Load)
	counter("dropped_records_total", "Matching records that could not leave and were dropped.", d.delivery.lost)
	counter("dropped_alerts_total", "Alerts that the full outbox dropped.", func() uint64 { return d.store.Stats().Dropped })
	counter("state_commits_total", "Transactions written to the state.", func() uint64 { return d.store.Stats().Commits })
	m.commits = reg.Counter("state_commit_seconds_total", "Time spent on writing them to disk.")
	counter("state_errors_total", "Tries to write the state that failed.", func() uint64 { return d.store.Stats().Errors })
	counter("rule_reloads_total", "Times that changed rules were taken up.", d.reloads.done.Load)
	counter("rule_reload_errors_total", "Times that changed rules could not be taken up.", d.reloads.failed.Load)
	counter("truncated_combinations_total", "Combinations of an event's terms that were not looked at.", c.Truncated.Load)
	counter("clamped_times_total", "Event times ahead of the clock.", c.Clamped.Load)
	gauge := func(name, help string, value func() float64) {
		m.gauges = append(m.gauges, gaugeOf{reg.Gauge(name, help), value})
	}
	gauge("outbox_alerts", "Alerts that have not left.", func() float64 { return float64(d.delivery.depth()) })
	gauge("outbox_bytes", "Size of the alerts in the outbox.", func() float64 { return float64(d.store.Stats().OutboxBytes) })
	gauge("outbox_age_seconds", "How long the oldest alert has waited that has not left.", func() float64 {
		if t := d.delivery.oldest(); !t.IsZero() {
			return max(time.Since(t).Seconds(), 0)
		}
		return 0
	})
	gauge("state_owed_tuples", "Tuples that are in memory and not yet on disk.", func() float64 { return float64(d.store.Stats().OwedTuples) })
	gauge("goroutines", "Goroutines of the plugin, all its instances together.", func() float64 { return float64(runtime.NumGoroutine()) })
	gauge("memory_bytes", "Memory that the plugin's Go runtime holds, all its instances together.", runtimeMemory)
	gauge("rules", "Rules that run.", func() float64 { return float64(len(d.engine.Rules())) })
	m.share(counter, gauge)
	m.rules = newRuleMeters(reg)
	for i := range m.counters {
		m.counters[i].counter.Add(0) // a rate needs a start
	}
	m.commits.Add(0)
	return m
}

func (m *meters) update() {
	for i := range m.counters {
		c := &m.counters[i]
		if total := c.total(); total != c.last {
			c.counter.Add(float64(total - c.last))
			c.last = total
		}
	}
	for _, g := range m.gauges {
		g.gauge.Set(g.value())
	}
	if m.rules == nil {
		return
	}
	spent := m.d.store.Stats().CommitTime
	m.commits.Add((spent - m.spent).Seconds())
	m.spent = spent
	m.rules.update(m.d.engine.ruleStatuses())
}

// runtimeMemory returns how many bytes of memory Go's runtime holds and has not
// given back to the system.
func runtimeMemory() float64 {
	m := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(m)
	return float64(m[0].Value.Uint64()) - float64(m[1].Value.Uint64())
}
