package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/seen"
)

// where is a condition on tuples, written in KQL. The fields of a tuple are
// the rule's own, and a few about the tuple itself.
type where struct {
	predicate *kql.Predicate
	memo      *kql.Memo
	reader    *mapping.Reader
	matched   bool
	fields    []string // that the condition names
}

// tupleFields are the fields of a tuple that are not its terms.
var tupleFields = map[string]record.Type{
	"rule_id": record.Keyword, "rule_name": record.Keyword,
	"first_seen": record.Date, "last_seen": record.Date, "count": record.Long,
}

// tupleEnv is how documents name their fields, plus those of tupleFields.
type tupleEnv struct {
	*mapping.Plan
	asked *[]string
}

func (e tupleEnv) Field(path string) (record.Field, record.Type) {
	*e.asked = append(*e.asked, path)
	f, typ := e.Plan.Field(path)
	if own, ok := tupleFields[path]; ok {
		typ = own
	}
	return f, typ
}

// newWhere compiles a condition; nil for "", which every tuple fulfils.
func newWhere(query string) (*where, error) {
	if query == "" {
		return nil, nil
	}
	node, err := kql.Parse(query)
	if err != nil {
		return nil, pointed(query, err)
	}
	plan := mapping.NewPlan(mapping.Options{Mode: mapping.ECS})
	w := &where{}
	compiler := kql.NewCompiler(tupleEnv{plan, &w.fields})
	if w.predicate, err = compiler.Compile(node); err != nil {
		return nil, err
	}
	w.memo, w.reader = compiler.NewMemo(), plan.NewReader()
	return w, nil
}

// Event implements mapping.Handler.
func (w *where) Event(ev *mapping.Event) {
	w.memo.Reset()
	w.matched = w.predicate.Match(ev.View, w.memo)
}

// unknown says which fields of the condition no tuple of the rules can have, and
// which they have; "" if there is none.
func (w *where) unknown(rules []seen.RuleInfo) string {
	if w == nil {
		return ""
	}
	has := slices.Collect(maps.Keys(tupleFields))
	for i := range rules {
		has = append(has, rules[i].Fields...)
	}
	slices.Sort(has)
	has = slices.Compact(has)
	for _, field := range w.fields {
		if !slices.Contains(has, field) {
			return fmt.Sprintf("no tuple has the field %s; there are %s", field, strings.Join(has, ", "))
		}
	}
	return ""
}

// match tells whether a tuple of a rule fulfils the condition.
func (w *where) match(r *seen.RuleInfo, t *seen.Tuple) (bool, error) {
	if w == nil {
		return true, nil
	}
	doc := map[string]any{
		"rule_id": r.ID, "rule_name": r.Name, "first_seen": t.First, "last_seen": t.Last, "count": t.Count,
	}
	for i, term := range t.Terms {
		if i < len(r.Fields) {
			doc[r.Fields[i]] = term
		}
	}
	line, err := jsonLine.Marshal(doc)
	if err != nil {
		return false, fmt.Errorf("a tuple of %s: %w", r.ID, err)
	}
	w.matched = false
	err = w.reader.Line(line, 0, 0, w)
	return w.matched, err
}
