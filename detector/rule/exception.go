package rule

import (
	"slices"
	"time"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/place"
)

// Exception keeps events from alerting. An event that it matches is no
// history either: it is as if the rule's query did not match it.
type Exception struct {
	ID       string    // item_id, may be empty in our own form
	Name     string    // for people
	ListID   string    // the exception list that it is an item of, "" in our own form
	Rules    []string  // our own form: rule ids, or globs of ids or names; empty: all
	Node     kql.Node  // what it matches, never nil
	Expires  time.Time // from then on it is not in force; zero: never
	Position Position
}

// Active reports whether the exception is in force at now.
func (e *Exception) Active(now time.Time) bool {
	return e.Expires.IsZero() || now.Before(e.Expires)
}

// AppliesTo reports whether an exception of our own form is for r.
func (e *Exception) AppliesTo(r *Rule) bool {
	if len(e.Rules) == 0 {
		return true
	}
	return slices.ContainsFunc(e.Rules, func(pattern string) bool {
		return pattern == r.ID || kql.MatchStars(pattern, r.ID) || kql.MatchStars(pattern, r.Name)
	})
}

// entries reads the entries of an exception item, which are and-ed. It
// returns nil if one of them is wrong, or compares with a value list that
// is not there: an item of which a part is missing would except too much.
func entries(item table, key string, lists valueLists) kql.Node {
	tables := item.subs(key)
	if len(tables) == 0 {
		item.fail(item.at(key), "an exception with no entries would except every event", "%s is empty", item.at(key))
		return nil
	}
	nodes := make([]kql.Node, 0, len(tables))
	for _, t := range tables {
		if node := entry(t, lists); node != nil {
			nodes = append(nodes, node)
		}
	}
	if len(nodes) < len(tables) {
		return nil
	}
	return allOf(nodes)
}

// entry reads one entry: field, type, operator and, by type, value, list or
// entries.
func entry(t table, lists valueLists) kql.Node {
	field := t.str("field")
	if field == "" {
		t.missing("field", "")
		return nil
	}
	t.ignore("id", "name")
	kind := t.oneOf("type", "match", "match_any", "exists", "wildcard", "list", "nested")
	var node kql.Node
	switch kind {
	case "match":
		if text, ok := entryValue(t); ok {
			node = equals(field, text)
		}
	case "wildcard":
		if text, ok := entryValue(t); ok {
			node = kql.Glob{Field: kql.Field(field), Pattern: text}
		}
	case "match_any":
		node = entryAny(t, field)
	case "exists":
		t.ignore("value")
		node = kql.Exists(field)
	case "list":
		if list := lists.entry(t); list != nil {
			node = kql.InList{Field: kql.Field(field), List: list}
		}
	case "nested":
		if inner := entries(t, "entries", lists); inner != nil {
			node = kql.Nested{Path: field, Node: inner}
		}
	}
	excluded := t.oneOf("operator", "included", "excluded") == "excluded"
	t.unknown()
	if node != nil && excluded {
		return kql.Not{Node: node}
	}
	return node
}

func entryValue(t table) (string, bool) {
	v := t.get("value")
	text, ok := scalarText(v)
	switch {
	case v == nil:
		t.missing("value", "")
	case !ok:
		t.wrongType(t.at("value"), "one value", v)
	}
	return text, ok
}

func entryAny(t table, field string) kql.Node {
	list, ok := t.get("value").([]any)
	switch {
	case !t.has("value"):
		t.missing("value", "a list of values")
		return nil
	case !ok:
		t.wrongType(t.at("value"), "a list of values", t.get("value"))
		return nil
	case len(list) == 0:
		t.fail(t.at("value"), "", "%s names no value", t.at("value"))
		return nil
	}
	nodes := make([]kql.Node, 0, len(list))
	for i, v := range list {
		if _, ok := scalarText(v); !ok {
			t.wrongType(place.Element(t.at("value"), i), "one value", v)
			return nil
		}
		nodes = append(nodes, equals(field, v))
	}
	return anyOf(nodes)
}

// osTypes narrows an item to operating systems, as Kibana does: agents name
// the system in one of two fields.
func osTypes(item table) kql.Node {
	var nodes []kql.Node
	for _, name := range item.strs("os_types") {
		nodes = append(nodes, equals("host.os.type", name), equals("host.os.name.caseless", name))
	}
	return anyOf(nodes)
}

// expiry reads a moment: an RFC 3339 text, a day (its start in UTC), or a TOML
// date.
func (t table) expiry(key string) time.Time {
	switch v := t.get(key).(type) {
	case nil:
	case time.Time:
		// A TOML date without an offset is in local time by its type; a
		// rule file means the same moment on every node.
		if name := v.Location().String(); name != "UTC" && name != "" && isLocalTOML(name) {
			return time.Date(v.Year(), v.Month(), v.Day(), v.Hour(), v.Minute(), v.Second(), v.Nanosecond(), time.UTC)
		}
		return v
	case string:
		if v == "" {
			return time.Time{}
		}
		for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01-02T15:04:05"} {
			if at, err := time.Parse(layout, v); err == nil {
				return at
			}
		}
		t.fail(t.at(key), "", `%s is %q; write a date, such as "2027-01-31" or "2027-01-31T12:00:00Z"`, t.at(key), shorten(v))
	default:
		t.wrongType(t.at(key), `a date, such as "2027-01-31"`, v)
	}
	return time.Time{}
}

// isLocalTOML reports whether name is that of the zones with which the decoder
// marks dates that have no offset.
func isLocalTOML(name string) bool {
	return slices.Contains([]string{"datetime-local", "date-local", "time-local"}, name)
}
