package telemetry

// Totals copies totals into the host's metrics. Names follow the Prometheus
// conventions; the host puts its own namespace before them, and the instance's
// name among the labels. Its methods are called by one goroutine.
type Totals struct {
	metrics  Metrics // nil on a host without metrics
	counters []counterOf
	gauges   []gaugeOf
}

type counterOf struct {
	counter Counter
	total   func() float64
	last    float64
}

type gaugeOf struct {
	gauge Gauge
	value func() float64
}

// NewTotals returns totals that go to metrics, nowhere if that is nil.
func NewTotals(metrics Metrics) *Totals { return &Totals{metrics: metrics} }

// Counter registers a counter. total returns what it counts since the start.
func (t *Totals) Counter(name, help string, total func() uint64) {
	t.Seconds(name, help, func() float64 { return float64(total()) })
}

// Seconds registers a counter of a quantity that is no whole number.
func (t *Totals) Seconds(name, help string, total func() float64) {
	if t.metrics == nil {
		return
	}
	c := t.metrics.Counter(name, help)
	c.Add(0) // a rate needs a start
	t.counters = append(t.counters, counterOf{counter: c, total: total})
}

// Gauge registers a gauge.
func (t *Totals) Gauge(name, help string, value func() float64) {
	if t.metrics != nil {
		t.gauges = append(t.gauges, gaugeOf{t.metrics.Gauge(name, help), value})
	}
}

// Update tells the host what has changed.
func (t *Totals) Update() {
	for i := range t.counters {
		c := &t.counters[i]
		if total := c.total(); total > c.last {
			c.counter.Add(total - c.last)
			c.last = total
		}
	}
	for _, g := range t.gauges {
		g.gauge.Set(g.value())
	}
}
