package detector

// Getter reads the properties of one configuration section. Get returns ""
// for a property that is not there.
type Getter interface{ Get(key string) string }

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
	Log(level Level, msg string)
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

// Code is the answer to a flush, in Fluent Bit's numbers.
type Code int

// The answers. Error drops the chunk, and is never given: what is wrong with a
// chunk will be wrong with it the next time.
const (
	Error Code = iota
	OK
	Retry
)

// Where says which output instance a detector is.
type Where struct {
	Instance   string // such as newterms.0
	Alias      string // "" if it has none
	Match      string // the pattern of tags that it takes, "" if it is not known
	MatchRegex bool   // Match is a regular expression
}

// name is what the instance is called in alerts and metrics.
func (w Where) name() string {
	if w.Alias != "" {
		return w.Alias
	}
	return w.Instance
}

// InputWhere says which input instance an Input is.
type InputWhere struct {
	Instance string // such as newterms_alerts.0
	Tag      string // of its records, "" if it is not known
}
