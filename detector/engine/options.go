package engine

import (
	"time"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/normalize"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
)

// Defaults of Options.
const (
	DefaultMaxTerms = 100_000
	DefaultAlertTag = "alert.newterms"
)

// Options set up an Engine.
type Options struct {
	Mapping   mapping.Options
	MaxTerms  int           // combinations that a rule keeps; 0: DefaultMaxTerms
	Learn     time.Duration // how long a rule without a baseline learns
	MaxAlerts int           // alerts per interval and rule; 0: as the rule says, below 0: no limit
	Interval  time.Duration // 0: as the rule says
	// Normalize is what rules take out of terms that do not say so themselves,
	// nil for nothing. AlertVariants: variants alert, and are not summed up.
	Normalize     *normalize.Set
	AlertVariants bool
	Matched       bool // pass along every match, not only alerts

	// LearnUntil, in unix ms, if not 0: events up to then only teach.
	LearnUntil int64

	// EventTime makes the engine count by the events' own times, for records
	// of the past: TimeFields name the fields to look for it, first one
	// first; alerts are dated by it, and so are intervals.
	EventTime  bool
	TimeFields []string

	Instance string           // named in alerts, "" outside Fluent Bit
	AlertTag string           // template of the tag of alerts; "": DefaultAlertTag
	Clock    func() time.Time // nil: time.Now

	// Shared, if not nil, is the memory that this node shares with others.
	Shared *remote.Store

	// Alert is told of every alert and summary, in order, once it has been
	// handed to the store; and, where Matched is set, of matching records. It
	// must not block, nor call the engine.
	Alert func(a *Alert)
	// Source, if not nil, adds to an alert where its event came from: index
	// is the place that was given with the event.
	Source func(index int) map[string]any
	// Skip, if not nil, is told of records that hold no event.
	Skip func(index int, err error)

	plain bool // see match.Options; for tests
}

// Alert is an alert or a summary on its way out.
type Alert struct {
	seen.OutboxEntry
	RuleName string
	// Matched: a matching record that is no alert. It is in no outbox.
	Matched bool
	Ticket  seen.Ticket // its commit; the zero Ticket for a matching record

	held *remote.Request // not nil: another node has claimed the combination
}

// matchOptions returns how rules are compiled.
func (o *Options) matchOptions() match.Options {
	m := match.Options{Mapping: o.Mapping, TimeFields: o.TimeFields, EachMatch: o.Matched, Skip: o.Skip, Plain: o.plain}
	if o.EventTime && m.TimeFields == nil {
		m.TimeFields = []string{"@timestamp"}
	}
	return m
}
