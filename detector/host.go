package detector

import (
	"fluent-bit-newterms/detector/delivery"
	"fluent-bit-newterms/detector/telemetry"
)

// Getter reads the properties of one configuration section. Get returns ""
// for a property that is not there.
type Getter interface{ Get(key string) string }

// What a host implements; see package telemetry.
type (
	Host    = telemetry.Host
	Metrics = telemetry.Metrics
	Counter = telemetry.Counter
	Gauge   = telemetry.Gauge
	Level   = telemetry.Level
)

// The levels.
const (
	LevelError = telemetry.LevelError
	LevelWarn  = telemetry.LevelWarn
	LevelInfo  = telemetry.LevelInfo
	LevelDebug = telemetry.LevelDebug
)

// Registry knows the inputs and outputs of the process: a host has one.
type Registry = delivery.Registry

// Input is one instance of the alerts input.
type Input = delivery.Input

// LogPanic logs the stack of a panic that was recovered, and counts it. It is
// called from the deferred function.
func LogPanic(host Host) { telemetry.LogPanic(host) }

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
