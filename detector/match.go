package detector

import (
	"fmt"
	"math"
	"time"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen/remote"
)

// ruleset is a generation of rules, compiled together so that they share one
// walk of each record and the tests that they have in common. It is not
// changed once it is made.
type ruleset struct {
	plan     *mapping.Plan
	compiler *kql.Compiler
	rules    []*compiled

	dataset, dsType, namespace, eventDataset record.Field
	timeFields                               []record.Field // where replay looks for an event's time

	// span is how far the times in a pass may lie apart, in ms: half of the
	// shortest window. A memory forgets what is two windows old, seen from the
	// latest sighting, so none may be told of sightings far ahead of those
	// that are still to be judged.
	span    int64
	matched bool      // every match is passed along
	expires time.Time // when the next exception does, zero if none
}

// compiled is a rule ready to run.
type compiled struct {
	*liveRule
	rule   *rule.Rule
	pred   *kql.Predicate // query and filters
	fields []record.Field // the terms
	time   record.Field   // timestamp_override, 0 if there is none
	window int64          // ms

	excepted   *kql.Predicate // any of the exceptions in force, nil if none is
	exceptions []exception    // each of them
	shared     *remote.Rule   // nil without a shared store
}

// newRuleset compiles rules. Their running halves are added later.
func newRuleset(rules []*rule.Rule, o *EngineOptions, now time.Time) (*ruleset, error) {
	s := &ruleset{plan: mapping.NewPlan(o.Mapping), matched: o.Matched, span: math.MaxInt64}
	s.compiler = kql.NewCompiler(s.plan)
	s.dataset, s.dsType, s.namespace = s.field("data_stream.dataset"), s.field("data_stream.type"), s.field("data_stream.namespace")
	s.eventDataset = s.field("event.dataset")
	for _, path := range o.TimeFields {
		s.timeFields = append(s.timeFields, s.field(path))
	}
	if o.EventTime && s.timeFields == nil {
		s.timeFields = []record.Field{s.field("@timestamp")}
	}
	for _, r := range rules {
		c, err := s.compile(r, now)
		if err != nil {
			return nil, fmt.Errorf("rule %s (%s): %w", r.Name, r.ID, err)
		}
		if o.Shared != nil {
			c.shared = o.Shared.NewRule(r.ID, r.Fingerprint(), r.Window)
		}
		s.rules = append(s.rules, c)
		if c.window > 0 {
			s.span = min(s.span, c.window/2)
		}
		if next := r.NextExpiry(now); !next.IsZero() && (s.expires.IsZero() || next.Before(s.expires)) {
			s.expires = next
		}
	}
	return s, nil
}

func (s *ruleset) field(path string) record.Field {
	f, _ := s.plan.Field(path)
	return f
}

func (s *ruleset) compile(r *rule.Rule, now time.Time) (c *compiled, err error) {
	c = &compiled{rule: r, window: r.Window.Milliseconds()}
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
		c.fields = append(c.fields, s.field(path))
	}
	if r.TimestampOverride != "" && r.TimestampOverride != "@timestamp" {
		c.time = s.field(r.TimestampOverride)
	}
	return c, nil
}

// candidate is a rule that a document may match, and what tests it.
type candidate struct {
	rule int32
	pred *kql.Predicate
}

// group is the rules whose index patterns let documents of one data stream
// through, and which of them a document can match at all.
type group struct {
	stream  stream
	all     []candidate
	always  []candidate // to try on every document
	indexes []literalIndex
}

// literalIndex finds rules that need a field to hold one of a few literals by
// the value that a document holds.
type literalIndex struct {
	field record.Field
	rules map[string][]candidate
}

// stream is what index patterns are compared with.
type stream struct{ typ, dataset, namespace string }

// groupOf returns the rules for documents of a data stream.
func (s *ruleset) groupOf(ds stream) *group {
	g := &group{stream: ds}
	for i, c := range s.rules {
		if indexAllows(c.rule.Index, ds) {
			g.all = append(g.all, candidate{int32(i), c.pred})
		}
	}
	g.index()
	return g
}

// fewRules is how many rules are tried one after the other before an index
// pays.
const fewRules = 8

// index files each rule under the literals of the clause that the fewest other
// rules share.
func (g *group) index() {
	if len(g.all) <= fewRules {
		g.always = g.all
		return
	}
	type key struct {
		field   record.Field
		literal string
	}
	sharing := make(map[key]int)
	for _, c := range g.all {
		for _, req := range c.pred.Required() {
			for _, lit := range req.Literals {
				sharing[key{req.Field, lit}]++
			}
		}
	}
	byField := make(map[record.Field]map[string][]candidate)
	var order []record.Field
	for _, c := range g.all {
		best, bestCost := -1, len(g.all)
		reqs := c.pred.Required()
		for k, req := range reqs {
			cost := 0
			for _, lit := range req.Literals {
				cost = max(cost, sharing[key{req.Field, lit}])
			}
			if cost < bestCost {
				best, bestCost = k, cost
			}
		}
		if best < 0 {
			g.always = append(g.always, c)
			continue
		}
		req := reqs[best]
		m := byField[req.Field]
		if m == nil {
			m = make(map[string][]candidate)
			byField[req.Field] = m
			order = append(order, req.Field)
		}
		for _, lit := range req.Literals {
			m[lit] = append(m[lit], c)
		}
	}
	for _, f := range order {
		g.indexes = append(g.indexes, literalIndex{f, byField[f]})
	}
}
