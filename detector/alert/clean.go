package alert

import (
	"math"
	"strings"
	"unicode/utf8"
)

// mostTerm is the longest term that Lucene indexes, in bytes. A document with
// a longer one in a keyword field is refused whole.
const mostTerm = 32766

// clipTerm returns a term as an alert can carry it: valid UTF-8, and no longer
// than Elasticsearch takes.
func clipTerm(val any) any {
	s, ok := val.(string)
	if !ok {
		return sanitize(val)
	}
	return clipTo(strings.ToValidUTF8(s, "\uFFFD"), mostTerm)
}

// clip shortens a value to what a sentence can carry.
func clip(s string) string { return clipTo(strings.ToValidUTF8(s, "\uFFFD"), 200) }

// clipTo shortens valid UTF-8 to at most so many bytes, with an ellipsis.
func clipTo(s string, most int) string {
	if len(s) <= most {
		return s
	}
	i := most - len("…")
	for !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i] + "…"
}

// sanitize makes every string of a document valid UTF-8, since receivers refuse
// whole batches for one bad byte, and numbers that JSON has no form for null.
// Maps and lists are changed in place.
func sanitize(val any) any {
	switch val := val.(type) {
	case float64:
		if math.IsNaN(val) || math.IsInf(val, 0) {
			return nil
		}
	case string:
		return strings.ToValidUTF8(val, "\uFFFD")
	case map[string]any:
		for k, e := range val {
			clean := sanitize(e)
			if !utf8.ValidString(k) {
				delete(val, k)
				k = strings.ToValidUTF8(k, "\uFFFD")
			}
			val[k] = clean
		}
	case []any:
		for i, e := range val {
			val[i] = sanitize(e)
		}
	}
	return val
}

// ours are the fields that an alert sets. An event that brings its own could
// say anything about an alert, and would clash with it in the index.
var ours = []string{"kibana", "signal", "newterms"}

// claim removes from an event's document what is ours to say, and makes room
// for the fields of event.*.
func claim(doc map[string]any) {
	for k := range doc {
		for _, name := range ours {
			if k == name || strings.HasPrefix(k, name+".") {
				delete(doc, k)
			}
		}
	}
	switch event := doc["event"].(type) {
	case nil:
		delete(doc, "event")
	case map[string]any:
	case string:
		// An object in every index; as a text it would be refused.
		doc["event"] = map[string]any{"original": event}
	default:
		delete(doc, "event")
	}
}
