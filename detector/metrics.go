package detector

import (
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/telemetry"
	"fluent-bit-newterms/detector/version"
)

// instanceMetrics are the metrics of one detector. What there is by rule is not there in
// sum as well: a query adds it up.
type instanceMetrics struct {
	*telemetry.Totals
	engine *engine.Engine
	rules  *telemetry.RuleTotals // nil on a host without metrics
}

// newMetrics registers the metrics; a host without metrics gets none.
func newMetrics(d *Detector) *instanceMetrics {
	m := d.host.Metrics()
	t := &instanceMetrics{Totals: telemetry.NewTotals(m), engine: d.engine}
	c := d.engine.Counts()
	t.Counter("records_total", "Records read.", c.Records.Load)
	t.Counter("events_total", "Events found in records.", c.Events.Load)
	t.Counter("skipped_records_total", "Records, or parts of them, that hold no event.", c.Skipped.Load)
	t.Counter("malformed_chunks_total", "Chunks that broke off.", c.Malformed.Load)
	t.Counter("excepted_matches_total", "Matches that an exception took out.", c.Excepted.Load)
	t.Counter("readmitted_tuples_total", "New combinations that were known from under an exception that was let go.", c.Readmitted.Load)
	t.Counter("passed_records_total", "Matching records passed along (emit = matched).", c.Passed.Load)
	t.Counter("dropped_records_total", "Matching records that could not leave and were dropped.", d.dispatcher.DroppedMatches)
	t.Counter("dropped_alerts_total", "Alerts that the full outbox dropped.", func() uint64 { return d.store.Stats().Dropped })
	t.Counter("refused_alerts_total", "Alerts that a receiver refused for good and that were given up there.", func() uint64 { n, _ := d.dispatcher.Refused(); return n })
	t.Counter("refused_shortened_alerts_total", "Alerts that a receiver refused for good and has in a shortened form.", func() uint64 { _, n := d.dispatcher.Refused(); return n })
	t.Counter("state_commits_total", "Transactions written to the state.", func() uint64 { return d.store.Stats().Commits })
	t.Seconds("state_commit_seconds_total", "Time spent on writing them to disk.", func() float64 { return d.store.Stats().CommitTime.Seconds() })
	t.Counter("state_errors_total", "Tries to write the state that failed.", func() uint64 { return d.store.Stats().Errors })
	t.Counter("rule_reloads_total", "Times that changed rules were taken up.", d.reloads.done.Load)
	t.Counter("rule_reload_errors_total", "Times that changed rules could not be taken up.", d.reloads.failed.Load)
	t.Counter("truncated_combinations_total", "Combinations of an event's terms that were not looked at.", c.Truncated.Load)
	t.Counter("clamped_times_total", "Event times ahead of the clock.", c.Clamped.Load)
	t.Gauge("outbox_alerts", "Alerts that have not left.", func() float64 { return float64(d.dispatcher.Depth()) })
	t.Gauge("outbox_bytes", "Size of the alerts in the outbox.", func() float64 { return float64(d.store.Stats().OutboxBytes) })
	t.Gauge("outbox_age_seconds", "How long the oldest alert has waited that has not left.", func() float64 {
		if at := d.dispatcher.Oldest(); !at.IsZero() {
			return max(time.Since(at).Seconds(), 0)
		}
		return 0
	})
	t.Gauge("state_owed_tuples", "Combinations that are in memory and not yet on disk.", func() float64 { return float64(d.store.Stats().OwedTuples) })
	t.Gauge("goroutines", "Goroutines of the plugin, all its instances together.", func() float64 { return float64(runtime.NumGoroutine()) })
	t.Gauge("memory_bytes", "Memory that the plugin's Go runtime holds, all its instances together.", runtimeMemory)
	t.Gauge("last_event_timestamp_seconds", "When the last event arrived, in seconds since the epoch; the start before there is one.", d.idle.last)
	t.Gauge("rules", "Rules that run.", func() float64 { return float64(len(d.engine.Rules())) })
	d.shareMetrics(t.Totals)
	if m != nil {
		t.rules = telemetry.NewRuleTotals(m, ruleCounters())
		v := version.Get()
		m.Gauge("build_info", "1, with the version, the commit and the Go that the plugin was built from as labels.", "version", "commit", "go").
			Set(1, v.Version, v.Commit, v.Go)
	}
	return t
}

// update tells the host what has changed.
func (t *instanceMetrics) update() {
	t.Update()
	if t.rules != nil {
		t.rules.Update(ruleStatuses(t.engine))
	}
}

// ruleTotals are the counters of each rule.
var ruleTotals = []struct {
	telemetry.RuleCounter
	total func(c *engine.RuleCounts) *atomic.Uint64
}{
	{telemetry.RuleCounter{Name: "matches_total", Help: "Events that matched a rule."}, func(c *engine.RuleCounts) *atomic.Uint64 { return &c.Matches }},
	{telemetry.RuleCounter{Name: "alerts_total", Help: "Alerts sent."}, func(c *engine.RuleCounts) *atomic.Uint64 { return &c.Alerts }},
	{telemetry.RuleCounter{Name: "summaries_total", Help: "Summaries sent."}, func(c *engine.RuleCounts) *atomic.Uint64 { return &c.Summaries }},
	{telemetry.RuleCounter{Name: "learned_tuples_total", Help: "New combinations that a learning rule recorded."}, func(c *engine.RuleCounts) *atomic.Uint64 { return &c.Learned }},
	{telemetry.RuleCounter{Name: "held_tuples_total", Help: "New combinations over a rule's limit of alerts, listed in summaries."}, func(c *engine.RuleCounts) *atomic.Uint64 { return &c.Held }},
	{telemetry.RuleCounter{Name: "suppressed_alerts_total", Help: "Alerts counted with the first of their group."}, func(c *engine.RuleCounts) *atomic.Uint64 { return &c.Suppressed }},
	{telemetry.RuleCounter{Name: "variants_total", Help: "Variants of known combinations, listed in summaries."}, func(c *engine.RuleCounts) *atomic.Uint64 { return &c.Variants }},
	{telemetry.RuleCounter{Name: "evicted_tuples_total", Help: "Combinations forgotten to make room."}, func(c *engine.RuleCounts) *atomic.Uint64 { return &c.Evicted }},
	{telemetry.RuleCounter{Name: "evicted_inside_window_total", Help: "Combinations forgotten to make room while they were still known."}, func(c *engine.RuleCounts) *atomic.Uint64 { return &c.EvictedInsideWin }},
}

func ruleCounters() (list []telemetry.RuleCounter) {
	for _, t := range ruleTotals {
		list = append(list, t.RuleCounter)
	}
	return list
}

// ruleStatuses says how the rules of an engine are doing.
func ruleStatuses(e *engine.Engine) (list []telemetry.RuleStatus) {
	for _, s := range e.RuleStatuses() {
		status := telemetry.RuleStatus{Key: s.Counts, ID: s.ID, Name: s.Name, Known: s.Known, Learning: s.Learning}
		for _, t := range ruleTotals {
			status.Totals = append(status.Totals, t.total(s.Counts).Load())
		}
		list = append(list, status)
	}
	return list
}

// runtimeMemory returns how many bytes of memory Go's runtime holds and has not
// given back to the system.
func runtimeMemory() float64 {
	m := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(m)
	return float64(m[0].Value.Uint64()) - float64(m[1].Value.Uint64())
}
