package rule

import (
	"maps"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/kql"
)

// Uses is what a rule asks of the events that it is for, so that a rule which
// cannot fire can be named. The lists are sorted, each element once.
type Uses struct {
	// Fields are the fields that the query, the filters, the exceptions, the
	// term fields and the suppression name; patterns with their wildcards.
	Fields []string
	// Required are the fields of which each event that alerts has a value: an
	// event without one of them does not match, or has no term.
	Required []string
	// DataSets are the data sets that the index patterns and the query ask
	// for, such as aws.cloudtrail; * stands for any text in them. None means
	// any data set.
	DataSets []string
}

// Uses returns what the rule uses.
func (r *Rule) Uses() Uses {
	fields, required, sets := map[string]bool{}, map[string]bool{}, map[string]bool{}
	add := func(n kql.Node) {
		for _, f := range kql.Fields(n) {
			if !f.IsBare() {
				fields[f.Name] = true
			}
		}
	}
	add(r.Filter)
	for i := range r.Exceptions {
		add(r.Exceptions[i].Node)
	}
	need := requiredBy("", r.Filter)
	for f := range need {
		required[f] = true
	}
	for _, f := range r.Terms {
		fields[f] = true
		if r.MissingFields == Skip {
			required[f] = true
		}
	}
	if r.Suppression != nil {
		for _, f := range r.Suppression.GroupBy {
			fields[f] = true
		}
	}
	for _, pattern := range r.Index {
		if set, ok := dataSetOf(pattern); ok {
			sets[set] = true
		} else {
			clear(sets) // a pattern that any data set may fit
			break
		}
	}
	if asked := askedDataSets(r.Filter); len(asked) > 0 {
		sets = asked // the query says it more closely
	}
	return Uses{slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(required)), slices.Sorted(maps.Keys(sets))}
}

// dataSetOf returns the data set that an index pattern of the data stream naming
// scheme is for: logs-aws.cloudtrail-* is for aws.cloudtrail.
func dataSetOf(pattern string) (string, bool) {
	typ, rest, ok := strings.Cut(pattern, "-")
	if !ok || !slices.Contains([]string{"logs", "metrics", "traces", "synthetics"}, typ) {
		return "", false
	}
	set, _, _ := strings.Cut(rest, "-")
	return set, set != "" && set != "*"
}

// requiredBy returns the fields, below prefix, without which n matches nothing.
func requiredBy(prefix string, n kql.Node) map[string]bool {
	field := func(f kql.FieldName) map[string]bool {
		if f.IsBare() || f.IsPattern() {
			return nil
		}
		return map[string]bool{prefix + f.Name: true}
	}
	switch n := n.(type) {
	case kql.Match:
		return field(n.Field)
	case kql.Range:
		return field(n.Field)
	case kql.Glob:
		return field(n.Field)
	case kql.InList:
		return field(n.Field)
	case kql.Nested:
		return requiredBy(prefix+n.Path+".", n.Node)
	case kql.And:
		all := map[string]bool{}
		for _, kid := range n.Nodes {
			maps.Copy(all, requiredBy(prefix, kid))
		}
		return all
	case kql.Or:
		common := requiredBy(prefix, n.Nodes[0])
		for _, kid := range n.Nodes[1:] {
			other := requiredBy(prefix, kid)
			maps.DeleteFunc(common, func(f string, _ bool) bool { return !other[f] })
		}
		return common
	}
	return nil
}

// askedDataSets returns the data sets of which an event must be one for n to
// match, none if n does not say.
func askedDataSets(n kql.Node) map[string]bool {
	switch n := n.(type) {
	case kql.Match:
		if (n.Field.Name == "event.dataset" || n.Field.Name == "data_stream.dataset") && !n.Field.IsPattern() && !n.Value.IsExists() {
			return map[string]bool{n.Value.Text: true}
		}
	case kql.And:
		for _, kid := range n.Nodes {
			if asked := askedDataSets(kid); len(asked) > 0 {
				return asked
			}
		}
	case kql.Or:
		all := map[string]bool{}
		for _, kid := range n.Nodes {
			asked := askedDataSets(kid)
			if len(asked) == 0 {
				return nil
			}
			maps.Copy(all, asked)
		}
		return all
	}
	return nil
}
