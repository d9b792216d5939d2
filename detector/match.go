package detector

import (
	"strings"
	"time"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
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
}

// compiled is a rule ready to run.
type compiled struct {
	*liveRule
	rule   *rule.Rule
	pred   *kql.Predicate // query, filters, and no exception
	fields []record.Field // the terms
	time   record.Field   // timestamp_override, 0 if there is none
	window int64          // ms
}

// newRuleset compiles rules. live gives the running half of each.
func newRuleset(rules []*rule.Rule, live []*liveRule, opts mapping.Options, now time.Time, timeFields []string) (*ruleset, error) {
	s := &ruleset{plan: mapping.NewPlan(opts)}
	s.compiler = kql.NewCompiler(s.plan)
	field := func(path string) record.Field {
		f, _ := s.plan.Field(path)
		return f
	}
	s.dataset, s.dsType, s.namespace = field("data_stream.dataset"), field("data_stream.type"), field("data_stream.namespace")
	s.eventDataset = field("event.dataset")
	for _, path := range timeFields {
		s.timeFields = append(s.timeFields, field(path))
	}
	for i, r := range rules {
		node := r.Filter
		if ex := r.ActiveExceptions(now); ex != nil {
			node = kql.And{Nodes: []kql.Node{node, kql.Not{Node: ex}}}
		}
		pred, err := s.compiler.Compile(node)
		if err != nil {
			return nil, err
		}
		c := &compiled{liveRule: live[i], rule: r, pred: pred, window: r.Window.Milliseconds()}
		for _, path := range r.Terms {
			c.fields = append(c.fields, field(path))
		}
		if r.TimestampOverride != "" && r.TimestampOverride != "@timestamp" {
			c.time = field(r.TimestampOverride)
		}
		s.rules = append(s.rules, c)
	}
	return s, nil
}

// group is the rules whose index patterns let documents of one data stream
// through, and which of them a document can match at all.
type group struct {
	always  []int32 // rules to try on every document
	indexes []literalIndex
}

// literalIndex finds rules that need a field to hold one of a few literals by
// the value that a document holds.
type literalIndex struct {
	field record.Field
	rules map[string][]int32
}

// stream is what index patterns are compared with.
type stream struct{ typ, dataset, namespace string }

// groupOf returns the rules for documents of a data stream.
func (s *ruleset) groupOf(ds stream) *group {
	g := &group{}
	var allowed []int32
	for i, c := range s.rules {
		if indexAllows(c.rule.Index, ds) {
			allowed = append(allowed, int32(i))
		}
	}
	g.index(s, allowed)
	return g
}

// fewRules is how many rules are tried one after the other before an index
// pays.
const fewRules = 8

// index files each rule under the literals of the clause that the fewest other
// rules share.
func (g *group) index(s *ruleset, rules []int32) {
	if len(rules) <= fewRules {
		g.always = rules
		return
	}
	type key struct {
		field   record.Field
		literal string
	}
	sharing := make(map[key]int)
	for _, i := range rules {
		for _, req := range s.rules[i].pred.Required() {
			for _, lit := range req.Literals {
				sharing[key{req.Field, lit}]++
			}
		}
	}
	byField := make(map[record.Field]map[string][]int32)
	var order []record.Field
	for _, i := range rules {
		best, bestCost := -1, len(rules)
		reqs := s.rules[i].pred.Required()
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
			g.always = append(g.always, i)
			continue
		}
		req := reqs[best]
		m := byField[req.Field]
		if m == nil {
			m = make(map[string][]int32)
			byField[req.Field] = m
			order = append(order, req.Field)
		}
		for _, lit := range req.Literals {
			m[lit] = append(m[lit], i)
		}
	}
	for _, f := range order {
		g.indexes = append(g.indexes, literalIndex{f, byField[f]})
	}
}

// indexAllows tells whether a rule's index patterns let a data stream through.
// A document that names none is let through: Fluent Bit's Match has chosen it.
// Patterns of whole indices (filebeat-*) say nothing about a document that has
// only event.dataset, as Beats write it.
func indexAllows(patterns []string, ds stream) bool {
	if ds.dataset == "" || len(patterns) == 0 {
		return true
	}
	beat := ds.typ == ""
	name := ds
	if name.typ == "" {
		name.typ = "logs"
	}
	if name.namespace == "" {
		name.namespace = "default"
	}
	index := name.typ + "-" + name.dataset + "-" + name.namespace
	allowed := false
	for _, p := range patterns {
		if rest, ok := strings.CutPrefix(p, "-"); ok {
			if globMatch(rest, index) {
				return false
			}
			continue
		}
		if i := strings.IndexByte(p, ':'); i >= 0 { // a remote cluster's
			p = p[i+1:]
		}
		if globMatch(p, index) || globMatch(p, index+"-") || beat && !strings.HasPrefix(p, "logs-") && !strings.HasPrefix(p, "metrics-") && !strings.HasPrefix(p, ".") {
			allowed = true
		}
	}
	return allowed
}

// globMatch tells whether text fits a pattern in which * is any run of
// characters.
func globMatch(pattern, text string) bool {
	head, rest, more := strings.Cut(pattern, "*")
	text, ok := strings.CutPrefix(text, head)
	if !ok {
		return false
	}
	if !more {
		return text == ""
	}
	for {
		head, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, head)
		}
		i := strings.Index(text, head)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(head):], after
	}
}
