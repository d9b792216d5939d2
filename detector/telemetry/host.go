// Package telemetry is what a user sees of a running detector: the log, with
// repeated lines held back, and the metrics.
//
// It knows neither rules nor alerts. Other packages say what they count; the
// host, which is Fluent Bit or a test, says where lines and numbers go.
package telemetry

// Level is how urgent a log line is, in Fluent Bit's numbers.
type Level int

// The levels.
const (
	LevelError Level = iota + 1
	LevelWarn
	LevelInfo
	LevelDebug
)

// Host is what a detector needs of the program that loads it. It is safe for
// concurrent use.
type Host interface {
	// Log prints one line. The host escapes what could break it.
	Log(level Level, msg string)
	// Enabled tells whether a line of a level would be printed.
	Enabled(level Level) bool
	// Metrics returns where metrics go, nil if the host has no such place.
	Metrics() Metrics
}

// Metrics makes counters and gauges in the host's own registry. A name that
// is asked for again gives the same one.
type Metrics interface {
	Counter(name, help string, labels ...string) Counter
	Gauge(name, help string, labels ...string) Gauge
}

// Counter only goes up.
type Counter interface {
	Add(n float64, labelValues ...string)
}

// Gauge is a value of the moment.
type Gauge interface {
	Set(v float64, labelValues ...string)
}
