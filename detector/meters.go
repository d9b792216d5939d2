package detector

// meters copy the engine's totals into the host's metrics. Names follow the
// Prometheus conventions; the host puts its own namespace before them.
type meters struct {
	d        *Detector
	counters []counterOf
	gauges   []gaugeOf
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
	counter("matches_total", "Matches of an event with a rule.", c.Matched.Load)
	counter("excepted_matches_total", "Matches that an exception took out.", c.Excepted.Load)
	counter("alerts_total", "Alerts raised.", c.Alerts.Load)
	counter("summaries_total", "Summaries raised.", c.Summaries.Load)
	counter("learned_tuples_total", "New tuples that a learning rule recorded.", c.Learned.Load)
	counter("held_tuples_total", "New tuples over a rule's limit of alerts, listed in summaries.", c.Held.Load)
	counter("suppressed_alerts_total", "Alerts counted with the first of their group.", c.Suppressed.Load)
	counter("readmitted_tuples_total", "New tuples that were known from under an exception that was let go.", c.Readmitted.Load)
	counter("passed_records_total", "Matching records passed along (emit = matched).", c.Passed.Load)
	counter("dropped_records_total", "Matching records that could not leave and were dropped.", d.delivery.lost)
	counter("dropped_alerts_total", "Alerts that the full outbox dropped.", func() uint64 { return d.store.Stats().Dropped })
	counter("state_errors_total", "Tries to write the state that failed.", func() uint64 { return d.store.Stats().Errors })
	counter("rule_reloads_total", "Times that changed rules were taken up.", d.reloads.done.Load)
	counter("rule_reload_errors_total", "Times that changed rules could not be taken up.", d.reloads.failed.Load)
	counter("truncated_combinations_total", "Combinations of an event's terms that were not looked at.", c.Truncated.Load)
	counter("clamped_times_total", "Event times ahead of the clock.", c.Clamped.Load)
	counter("evicted_tuples_total", "Tuples forgotten to make room.", c.Evicted.Load)
	counter("evicted_inside_window_total", "Tuples forgotten to make room while they were still known.", c.EvictedInsideWin.Load)
	gauge := func(name, help string, value func() float64) {
		m.gauges = append(m.gauges, gaugeOf{reg.Gauge(name, help), value})
	}
	gauge("known_tuples", "Tuples that the rules know.", func() float64 { return float64(d.engine.Known()) })
	gauge("outbox_alerts", "Alerts that have not left.", func() float64 { return float64(d.delivery.depth()) })
	gauge("rules", "Rules that run.", func() float64 { return float64(len(d.engine.Rules())) })
	m.share(counter, gauge)
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
}
