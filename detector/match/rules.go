package match

import (
	"fmt"
	"math"
	"time"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
)

// Options say how rules are compiled and events are read.
type Options struct {
	Mapping mapping.Options
	// TimeFields are where the time of an event is looked for that comes
	// without one, first one first. With any of them, times are not compared
	// with the clock: the events are of the past.
	TimeFields []string
	// EachMatch keeps every match of a batch, not only its combinations.
	EachMatch bool
	// Plain reads every event in full, tries every rule of its data stream and
	// remembers no result: what all else is compared with.
	Plain bool
	Skip  func(index int, err error) // told of records that hold no event; may be nil
}

// Rules are rules compiled together, so that they share one walk of each record
// and the tests that they have in common. They never change.
type Rules struct {
	opts     Options
	plan     *mapping.Plan
	compiler *kql.Compiler
	list     []*Rule

	dataset, dsType, namespace, eventDataset record.Field
	timeFields                               []record.Field

	// span is how far the times in a batch may lie apart, in ms: half of the
	// shortest window. A memory forgets what is two windows old, seen from the
	// latest sighting, so none may be told of sightings far ahead of those
	// that are still to be decided.
	span    int64
	expires time.Time
}

// Rule is one compiled rule.
type Rule struct {
	Source *rule.Rule
	Window int64 // ms, 0 for ever

	pred   *kql.Predicate // query and filters
	fields []record.Field // the terms
	types  []record.Type  // of the fields
	time   record.Field   // timestamp_override, 0 if there is none

	excepted   *kql.Predicate // any of the exceptions in force, nil if none is
	exceptions []exception    // each of them
}

// Compile compiles rules. Exceptions that have expired at the time now are left
// out.
func Compile(rules []*rule.Rule, o Options, now time.Time) (*Rules, error) {
	s := &Rules{opts: o, plan: mapping.NewPlan(o.Mapping), span: math.MaxInt64}
	s.compiler = kql.NewCompiler(s.plan)
	s.dataset, s.dsType, s.namespace = s.field("data_stream.dataset"), s.field("data_stream.type"), s.field("data_stream.namespace")
	s.eventDataset = s.field("event.dataset")
	for _, path := range o.TimeFields {
		s.timeFields = append(s.timeFields, s.field(path))
	}
	for _, r := range rules {
		c, err := s.compile(r, now)
		if err != nil {
			return nil, fmt.Errorf("rule %s (%s): %w", r.Name, r.ID, err)
		}
		s.list = append(s.list, c)
		if c.Window > 0 {
			s.span = min(s.span, c.Window/2)
		}
		if next := r.NextExpiry(now); !next.IsZero() && (s.expires.IsZero() || next.Before(s.expires)) {
			s.expires = next
		}
	}
	return s, nil
}

// List returns the compiled rules, in their order. It must not be changed.
func (s *Rules) List() []*Rule { return s.list }

// Expires returns when the next exception expires, the zero Time if none does.
func (s *Rules) Expires() time.Time { return s.expires }

func (s *Rules) field(path string) record.Field {
	f, _ := s.plan.Field(path)
	return f
}

func (s *Rules) compile(r *rule.Rule, now time.Time) (c *Rule, err error) {
	c = &Rule{Source: r, Window: r.Window.Milliseconds()}
	if c.pred, err = s.compiler.Compile(r.Filter); err != nil {
		return nil, err
	}
	if any := r.ActiveExceptions(now); any != nil {
		if c.excepted, err = s.compiler.Compile(any); err != nil {
			return nil, err
		}
	}
	for i := range r.Exceptions {
		e := &r.Exceptions[i]
		if !e.Active(now) {
			continue
		}
		pred, err := s.compiler.Compile(e.Node)
		if err != nil {
			return nil, err
		}
		c.exceptions = append(c.exceptions, exception{exceptionKey(e), pred})
	}
	for _, path := range r.Terms {
		if ecs.NestedAbove(path) != "" {
			path = "" // Elastic does not see terms in nested fields
		}
		field, typ := s.plan.Field(path)
		c.fields, c.types = append(c.fields, field), append(c.types, typ)
	}
	if r.TimestampOverride != "" && r.TimestampOverride != "@timestamp" {
		c.time = s.field(r.TimestampOverride)
	}
	return c, nil
}
