package match

import (
	"encoding/json"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
)

// Coverage says what a rule can make of the raw events of a source.
type Coverage struct {
	// Served: the rule's index patterns let the source's data stream through.
	Served bool
	// Runs: an event of the source can match the rule. It is false of a rule
	// for other events of the data stream, too: a rule on Windows, on a source
	// of Linux.
	Runs bool
	// Missing are the fields, in order, that the rule asks for and no event of
	// the source has. A rule that runs may have some: in one branch of an or,
	// or under a not.
	Missing []string
}

// Cover tells whether a rule can match raw events of a source: whether its query
// can be true although the fields that the source does not give have no value,
// and those that are the same in all events have that one.
func Cover(r *rule.Rule, s *mapping.Source) Coverage {
	c := coverer{source: s}
	out := Coverage{Served: indexAllows(r.Index, stream{"logs", s.Dataset, "default"})}
	out.Runs = out.Served && c.can(r.Filter)
	for _, path := range r.Terms {
		if !s.Gives(path) {
			c.missing = append(c.missing, path)
			out.Runs = out.Runs && r.MissingFields != rule.Skip
		}
	}
	slices.Sort(c.missing)
	out.Missing = slices.Compact(c.missing)
	return out
}

type coverer struct {
	source  *mapping.Source
	missing []string
}

// can tells whether an event of the source can match a query.
func (c *coverer) can(n kql.Node) bool {
	switch n := n.(type) {
	case kql.And:
		all := true
		for _, part := range n.Nodes {
			all = c.can(part) && all // each is asked: it may have missing fields
		}
		return all
	case kql.Or:
		any := false
		for _, part := range n.Nodes {
			any = c.can(part) || any
		}
		return any
	case kql.Not:
		return !c.must(n.Node)
	case kql.All:
		return true
	case kql.Nested:
		return c.given(n.Path)
	}
	can, _ := c.leaf(n)
	return can
}

// must tells whether every event of the source matches a query.
func (c *coverer) must(n kql.Node) bool {
	switch n := n.(type) {
	case kql.And:
		all := true
		for _, part := range n.Nodes {
			all = c.must(part) && all
		}
		return all
	case kql.Or:
		any := false
		for _, part := range n.Nodes {
			any = c.must(part) || any
		}
		return any
	case kql.Not:
		return !c.can(n.Node)
	case kql.All:
		return true
	case kql.Nested:
		c.given(n.Path)
		return false
	}
	_, must := c.leaf(n)
	return must
}

func (c *coverer) given(path string) bool {
	for _, multiField := range []string{".text", ".caseless", ".keyword"} {
		path = strings.TrimSuffix(path, multiField)
	}
	if !c.source.Gives(path) {
		c.missing = append(c.missing, path)
		return false
	}
	return true
}

// leaf tells whether a comparison can be true of an event, and whether it is true
// of all.
func (c *coverer) leaf(n kql.Node) (can, must bool) {
	asked := &askedEnv{Plan: mapping.NewPlan(mapping.Options{Mode: mapping.ECS})}
	compiler := kql.NewCompiler(asked)
	pred, err := compiler.Compile(n)
	if err != nil || asked.pattern || len(asked.paths) == 0 {
		return true, false
	}
	doc, constant, always := make(map[string]any), true, true
	for _, path := range asked.paths {
		if !c.given(path) {
			continue
		}
		can = true
		values, each, ok := c.source.Constants(path)
		constant, always = constant && ok, always && each
		doc[path] = values
	}
	if !can || !constant {
		return can, false
	}
	text, _ := json.Marshal(doc)
	h := &leafMatch{pred: pred, memo: compiler.NewMemo()}
	if err := asked.NewReader().Line(text, mapping.NoTime, 0, h); err != nil {
		return true, false
	}
	return h.matched, h.matched && always
}

// askedEnv notes which fields a query asks for.
type askedEnv struct {
	*mapping.Plan
	paths   []string
	pattern bool
}

// Field implements kql.Env.
func (e *askedEnv) Field(path string) (record.Field, record.Type) {
	e.paths = append(e.paths, path)
	return e.Plan.Field(path)
}

// Pattern implements kql.Env.
func (e *askedEnv) Pattern(name kql.FieldName) record.Field {
	e.pattern = true
	return e.Plan.Pattern(name)
}

// leafMatch keeps whether the event matches.
type leafMatch struct {
	pred    *kql.Predicate
	memo    *kql.Memo
	matched bool
}

// Event implements mapping.Handler.
func (h *leafMatch) Event(ev *mapping.Event) {
	h.memo.Reset()
	h.matched = h.pred.Match(ev.View, h.memo)
}
