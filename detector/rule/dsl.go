package rule

import (
	"maps"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/place"
)

// A clause reads one kind of query of the Elasticsearch query DSL: q is the
// table at its name. It returns nil after it reported what is wrong.
type clause func(q table) kql.Node

// clauses are the kinds of queries that have a meaning on single documents
// and no scoring. It is filled by init, as bool holds queries itself.
var clauses map[string]clause

// refused are kinds of queries that Kibana can produce and that have no
// counterpart here, with what to use instead.
var refused = map[string]string{
	"query_string":        "it is in the Lucene language: write it in KQL, in the rule's query",
	"simple_query_string": "write it in KQL, in the rule's query",
	"regexp":              "use wildcard",
	"script":              "scripts cannot be run here",
	"multi_match":         "name one field, with match_phrase",
	"fuzzy":               "use wildcard",
	"geo_shape":           "",
	"geo_bounding_box":    "",
	"geo_distance":        "",
	"ids":                 "",
	"has_child":           "",
	"has_parent":          "",
	"more_like_this":      "",
	"percolate":           "",
	"function_score":      "",
}

func init() {
	clauses = map[string]clause{
		"match_all":      func(q table) kql.Node { q.ignore("boost"); q.unknown(); return kql.All{} },
		"match_none":     func(q table) kql.Node { q.unknown(); return kql.Not{Node: kql.All{}} },
		"exists":         existsClause,
		"match_phrase":   matchPhraseClause,
		"match":          matchClause,
		"term":           termClause,
		"terms":          termsClause,
		"wildcard":       wildcardClause,
		"prefix":         prefixClause,
		"range":          rangeClause,
		"bool":           boolClause,
		"nested":         nestedClause,
		"constant_score": constantScoreClause,
	}
}

// dsl reads a table with one query in it, such as {"exists": {"field": "a"}}.
// How deep queries hold queries is bounded by the decoders of the file.
func dsl(q table) kql.Node {
	names := slices.Sorted(maps.Keys(q.m))
	switch len(names) {
	case 0:
		return kql.All{} // Elasticsearch's bool takes {} for no query
	case 1:
	default:
		q.failKey(q.at(names[1]), "join them in bool.filter", "%s holds %d queries; allowed is one", q.path, len(names))
		return nil
	}
	name := names[0]
	read, ok := clauses[name]
	if !ok {
		hint, known := refused[name]
		if !known {
			kinds := slices.Sorted(maps.Keys(clauses))
			if hint = didYouMean(name, kinds); hint == "" {
				hint = "supported are " + strings.Join(kinds, ", ")
			}
		}
		q.failKey(q.at(name), hint, "%s: queries of kind %s are not supported", q.path, place.Child("", name))
		return nil
	}
	body, ok := q.sub(name)
	if !ok {
		if !q.has(name) {
			q.fail(q.at(name), "", "%s is empty", q.at(name))
		}
		return nil
	}
	return read(body)
}

// oneField reads the form that most kinds share, {"FIELD": VALUE} or
// {"FIELD": {valueKey: VALUE, options}}. options is without a map in the short
// form.
func oneField(q table, valueKeys ...string) (field string, value any, options table, ok bool) {
	names := slices.Sorted(maps.Keys(q.m))
	names = slices.DeleteFunc(names, func(n string) bool { return n == "boost" || n == "_name" })
	if len(names) != 1 {
		q.fail(q.path, `{"field.name": "value"}`, "%s must name one field, found %d", q.path, len(names))
		return "", nil, table{}, false
	}
	field = names[0]
	value = q.get(field)
	path := q.at(field)
	if m, isTable := value.(map[string]any); isTable {
		options = q.reader.table(path, m)
		options.ignore("boost", "_name")
		value = nil
		for _, key := range valueKeys {
			if options.has(key) {
				value, path = options.get(key), options.at(key)
			}
		}
		options.ignore(valueKeys...)
		if value == nil {
			if len(valueKeys) > 0 {
				options.missing(valueKeys[0], "")
				return field, nil, options, false
			}
			return field, nil, options, true
		}
	}
	if _, scalar := scalarText(value); !scalar {
		q.wrongType(path, "one value", value)
		return field, nil, options, false
	}
	return field, value, options, true
}

func existsClause(q table) kql.Node {
	q.ignore("boost")
	field := q.str("field")
	if field == "" {
		q.missing("field", "")
		return nil
	}
	q.unknown()
	return kql.Exists(field)
}

func matchPhraseClause(q table) kql.Node {
	field, value, options, ok := oneField(q, "query")
	if !ok {
		return nil
	}
	if options.m != nil {
		if options.integer("slop", 0, 0, 1<<30) > 0 {
			options.fail(options.at("slop"), "write the words as they follow each other", "slop is not supported")
		}
		options.plainAnalysis()
		options.unknown()
	}
	return equals(field, value)
}

// matchClause reads match. On a keyword it is equality; on analysed text any
// of the words will do, which is what an unquoted KQL value means.
func matchClause(q table) kql.Node {
	field, value, options, ok := oneField(q, "query")
	if !ok {
		return nil
	}
	text, _ := scalarText(value)
	if options.m != nil {
		if options.oneOf("type", "boolean", "phrase") == "phrase" {
			return equals(field, value)
		}
		operator := options.oneOf("operator", "or", "and", "OR", "AND")
		if strings.EqualFold(operator, "and") && len(strings.Fields(text)) > 1 {
			options.fail(options.at("operator"), "use match_phrase, or one match a word in bool.filter",
				"match with operator and is not supported for several words")
		}
		for _, key := range []string{"fuzziness", "minimum_should_match", "cutoff_frequency"} {
			if options.has(key) {
				options.fail(options.at(key), "leave it out", "%s is not supported", key)
			}
		}
		options.ignore("lenient", "max_expansions", "prefix_length", "fuzzy_transpositions", "fuzzy_rewrite", "auto_generate_synonyms_phrase_query")
		options.plainAnalysis()
		options.unknown()
	}
	return kql.Match{Field: kql.Field(field), Value: kql.Literal{Text: text}}
}

// plainAnalysis refuses an analyzer: fields are analysed as the mapping says.
func (t table) plainAnalysis() {
	t.oneOf("zero_terms_query", "none", "all")
	if t.has("analyzer") {
		t.fail(t.at("analyzer"), "leave it out", "analyzer is not supported")
	}
}

func termClause(q table) kql.Node {
	field, value, options, ok := oneField(q, "value", "term")
	if !ok {
		return nil
	}
	if options.m != nil {
		fold := options.flag("case_insensitive", false)
		options.unknown()
		if text, _ := scalarText(value); fold {
			return kql.Glob{Field: kql.Field(field), Pattern: escapeGlob(text), CaseInsensitive: true}
		}
	}
	return equals(field, value)
}

func termsClause(q table) kql.Node {
	q.ignore("boost", "_name")
	var nodes []kql.Node
	fields := 0
	for _, field := range slices.Sorted(maps.Keys(q.m)) {
		if q.known[field] {
			continue
		}
		fields++
		list, ok := q.get(field).([]any)
		if !ok {
			q.wrongType(q.at(field), "a list of values", q.m[field])
			continue
		}
		for i, value := range list {
			if _, ok := scalarText(value); !ok {
				q.wrongType(place.Element(q.at(field), i), "one value", value)
				continue
			}
			nodes = append(nodes, equals(field, value))
		}
	}
	if fields != 1 {
		q.fail(q.path, `{"field.name": ["a", "b"]}`, "%s must name one field, found %d", q.path, fields)
		return nil
	}
	if len(nodes) == 0 {
		return kql.Not{Node: kql.All{}} // any of no values
	}
	return anyOf(nodes)
}

func wildcardClause(q table) kql.Node {
	field, value, options, ok := oneField(q, "value", "wildcard")
	if !ok {
		return nil
	}
	pattern, _ := scalarText(value)
	glob := kql.Glob{Field: kql.Field(field), Pattern: pattern}
	if options.m != nil {
		glob.CaseInsensitive = options.flag("case_insensitive", false)
		options.ignore("rewrite")
		options.unknown()
	}
	return glob
}

func prefixClause(q table) kql.Node {
	field, value, options, ok := oneField(q, "value")
	if !ok {
		return nil
	}
	prefix, _ := scalarText(value)
	glob := kql.Glob{Field: kql.Field(field), Pattern: escapeGlob(prefix) + "*"}
	if options.m != nil {
		glob.CaseInsensitive = options.flag("case_insensitive", false)
		options.ignore("rewrite")
		options.unknown()
	}
	return glob
}

// rangeOps are in the order in which the comparisons are and-ed.
var rangeOps = []struct {
	key string
	op  kql.Op
}{{"gt", kql.Gt}, {"gte", kql.Gte}, {"from", kql.Gte}, {"lt", kql.Lt}, {"lte", kql.Lte}, {"to", kql.Lte}}

func rangeClause(q table) kql.Node {
	field, value, bounds, ok := oneField(q)
	if !ok {
		return nil
	}
	if bounds.m == nil {
		q.wrongType(q.at(field), `a table of bounds, such as {"gte": 1}`, value)
		return nil
	}
	var nodes []kql.Node
	for _, o := range rangeOps {
		if !bounds.has(o.key) {
			continue
		}
		text, ok := scalarText(bounds.get(o.key))
		if !ok {
			bounds.wrongType(bounds.at(o.key), "one value", bounds.get(o.key))
			continue
		}
		nodes = append(nodes, kql.Range{Field: kql.Field(field), Op: o.op, Value: kql.Quoted(text)})
	}
	if bounds.has("format") {
		for name := range strings.SplitSeq(bounds.str("format"), "||") {
			if !slices.Contains([]string{"strict_date_optional_time", "date_optional_time", "strict_date_optional_time_nanos", "epoch_millis"}, name) {
				bounds.fail(bounds.at("format"), "write the bounds as RFC 3339 dates or milliseconds", "date format %q is not supported", name)
			}
		}
	}
	if zone := bounds.str("time_zone"); zone != "" && !slices.Contains([]string{"Z", "UTC", "+00:00"}, zone) {
		bounds.fail(bounds.at("time_zone"), "write the bounds in UTC", "time zone %q is not supported", zone)
	}
	bounds.oneOf("relation", "INTERSECTS", "intersects")
	bounds.unknown()
	if len(nodes) == 0 {
		return kql.Exists(field) // no bounds: any value
	}
	return allOf(nodes)
}

func nestedClause(q table) kql.Node {
	path := q.str("path")
	inner, ok := q.sub("query")
	q.ignore("score_mode", "ignore_unmapped", "inner_hits", "boost")
	if path == "" || !ok {
		if path == "" {
			q.missing("path", "")
		} else if !q.has("query") {
			q.missing("query", "")
		}
		return nil
	}
	q.unknown()
	node := dsl(inner)
	if node == nil {
		return nil
	}
	relative, foreign := relativeTo(path, node)
	if foreign != "" {
		q.fail(inner.path, "", "field %q is not within the nested field %q", foreign, path)
		return nil
	}
	return kql.Nested{Path: path, Node: relative}
}

func constantScoreClause(q table) kql.Node {
	q.ignore("boost")
	inner, ok := q.sub("filter")
	if !ok {
		if !q.has("filter") {
			q.missing("filter", "")
		}
		return nil
	}
	q.unknown()
	return dsl(inner)
}

// equals asks for exactly value; on analysed text, for the phrase.
func equals(field string, value any) kql.Node {
	text, _ := scalarText(value)
	return kql.Match{Field: kql.Field(field), Value: kql.Quoted(text)}
}

var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)

// escapeGlob makes a pattern that is exactly text.
func escapeGlob(text string) string { return globEscaper.Replace(text) }

// relativeTo takes the path of a nested field off the fields of n: the query
// DSL names them in full, KQL relative to the path. foreign is a field that is
// not below path, "" if all are.
func relativeTo(path string, n kql.Node) (relative kql.Node, foreign string) {
	cut := func(f kql.FieldName) kql.FieldName {
		name, ok := strings.CutPrefix(f.Name, path+".")
		if !ok && foreign == "" {
			foreign = f.Name
		}
		return kql.Field(name)
	}
	all := func(nodes []kql.Node) []kql.Node {
		out := make([]kql.Node, len(nodes))
		for i, n := range nodes {
			var f string
			if out[i], f = relativeTo(path, n); f != "" && foreign == "" {
				foreign = f
			}
		}
		return out
	}
	switch n := n.(type) {
	case kql.And:
		return kql.And{Nodes: all(n.Nodes)}, foreign
	case kql.Or:
		return kql.Or{Nodes: all(n.Nodes)}, foreign
	case kql.Not:
		inner, f := relativeTo(path, n.Node)
		return kql.Not{Node: inner}, f
	case kql.Nested:
		// Its own fields are relative to it already.
		return kql.Nested{Path: cut(kql.Field(n.Path)).Name, Node: n.Node}, foreign
	case kql.Match:
		n.Field = cut(n.Field)
		return n, foreign
	case kql.Range:
		n.Field = cut(n.Field)
		return n, foreign
	case kql.Glob:
		n.Field = cut(n.Field)
		return n, foreign
	}
	return n, foreign
}
