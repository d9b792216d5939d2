package rule

import (
	"strings"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/kql"
)

// filters reads a rule's filters: Kibana's filter objects, and-ed. Each has a
// meta table (negate, disabled, and for a person what it shows) and a query in
// the Elasticsearch query DSL (dsl.go). Older Kibanas put exists, range and
// match_all beside meta instead of under query.
func filters(rule table) []kql.Node {
	var nodes []kql.Node
	for _, f := range rule.subs("filters") {
		if node := checked(f, filter(f)); node != nil {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// checked returns node, which was read from t, or nil after it reported a value
// in it that its field cannot hold.
func checked(t table, node kql.Node) kql.Node {
	if node == nil {
		return nil
	}
	if err := kql.CheckValues(node, ecs.TypeOf); err != nil {
		t.fail(t.path, "", "%s: %v", t.path, err)
		return nil
	}
	return node
}

// metaKeys are what meta says for a person, or for a Kibana with more than
// one index: the query says the rest.
var metaKeys = []string{
	"alias", "controlledBy", "editorStateId", "field", "formattedValue", "group", "index",
	"indexRefName", "isMultiIndex", "key", "relation", "type", "unmapped", "value", "params", "fieldName",
}

// filter reads one filter. It returns nil for a disabled filter, and for one
// that is reported as wrong.
func filter(f table) kql.Node {
	f.ignore("$state", "query")
	meta, _ := f.sub("meta")
	negate, disabled := false, false
	if meta.m != nil {
		negate, disabled = meta.flag("negate", false), meta.flag("disabled", false)
	}
	if disabled {
		return nil
	}
	node := filterQuery(f, meta)
	if meta.m != nil {
		meta.ignore(metaKeys...)
		meta.unknown()
	}
	if node != nil && negate {
		return kql.Not{Node: node}
	}
	return node
}

func filterQuery(f, meta table) kql.Node {
	if meta.m != nil && meta.str("type") == "combined" {
		return combined(meta)
	}
	if f.has("query") {
		q, ok := f.sub("query")
		if !ok {
			return nil
		}
		f.unknown()
		return dsl(q)
	}
	// The older form: whatever is not meta or $state is the query.
	old := f.reader.table(f.path, map[string]any{})
	for key, v := range f.m {
		if key != "meta" && key != "$state" && v != nil {
			old.m[key] = v
		}
	}
	if len(old.m) == 0 {
		f.missing("query", "a filter needs a query, such as query.match_phrase")
		return nil
	}
	return dsl(old)
}

// combined reads the filter that Kibana makes of others, joined by and or or; or
// where it does not say.
func combined(meta table) kql.Node {
	var nodes []kql.Node
	for _, f := range meta.subs("params") {
		if node := filter(f); node != nil {
			nodes = append(nodes, node)
		}
	}
	if strings.EqualFold(meta.oneOf("relation", "OR", "AND", "or", "and"), "and") {
		return allOf(nodes)
	}
	return anyOf(nodes)
}
