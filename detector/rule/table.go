package rule

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"fluent-bit-newterms/detector/place"
)

// reader collects what is wrong with one rule, exception or list while its
// tables are read.
type reader struct {
	doc      *place.Document
	ruleID   string
	name     string
	query    string // the query that is being parsed
	errs     []Problem
	warnings []Problem
}

func (r *reader) problem(at Position, field, hint, format string, args ...any) Problem {
	return Problem{
		Position: at, RuleID: r.ruleID, Rule: r.name, Field: field,
		Msg: fmt.Sprintf(format, args...), Hint: hint,
	}
}

func (r *reader) failAt(at Position, field, hint, format string, args ...any) {
	r.errs = append(r.errs, r.problem(at, field, hint, format, args...))
}

// fail reports an error at the value of field.
func (r *reader) fail(field, hint, format string, args ...any) {
	r.failAt(r.doc.At(r.doc.Place(field).Value), field, hint, format, args...)
}

// failKey reports an error at the key of field.
func (r *reader) failKey(field, hint, format string, args ...any) {
	r.failAt(r.doc.At(r.doc.Place(field).Key), field, hint, format, args...)
}

// warn reports at the value of field what does not keep the rule from running.
func (r *reader) warn(field, hint, format string, args ...any) {
	at := r.doc.At(r.doc.Place(field).Value)
	r.warnings = append(r.warnings, r.problem(at, field, hint, format, args...))
}

// warnKey reports it at the key of field.
func (r *reader) warnKey(field, hint, format string, args ...any) {
	at := r.doc.At(r.doc.Place(field).Key)
	r.warnings = append(r.warnings, r.problem(at, field, hint, format, args...))
}

// table is a TOML table or a JSON object that is being read. Its getters
// return the zero value for a key that is absent (or null, which is how
// Kibana writes absent), and report a value of the wrong type. The keys they
// are asked for are the known ones: unknown tells of the others.
type table struct {
	*reader
	path  string
	m     map[string]any
	known map[string]bool
}

func (r *reader) table(path string, m map[string]any) table {
	return table{reader: r, path: path, m: m, known: map[string]bool{}}
}

// at returns the path of a key.
func (t table) at(key string) string { return place.Child(t.path, key) }

// get returns the value of key, nil if there is none.
func (t table) get(key string) any {
	t.known[key] = true
	return t.m[key]
}

// has reports whether key has a value.
func (t table) has(key string) bool { return t.get(key) != nil }

// ignore names keys that are known and of no use here.
func (t table) ignore(keys ...string) {
	for _, key := range keys {
		t.known[key] = true
	}
}

// wrongType reports that field holds v, which is not what was wanted.
func (t table) wrongType(field, wanted string, v any) {
	t.fail(field, "", "%s must be %s, found %s", field, wanted, describe(v))
}

// str returns a text.
func (t table) str(key string) string {
	v := t.get(key)
	s, ok := v.(string)
	if v != nil && !ok {
		t.wrongType(t.at(key), "text in quotes", v)
	}
	return s
}

// strs returns a list of texts. A lone text is a list of one.
func (t table) strs(key string) []string {
	switch v := t.get(key).(type) {
	case nil:
	case string:
		return []string{v}
	case []any:
		texts := make([]string, 0, len(v))
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				t.wrongType(place.Element(t.at(key), i), "text in quotes", e)
				continue
			}
			texts = append(texts, s)
		}
		return texts
	default:
		t.wrongType(t.at(key), `a list of texts, such as ["a", "b"]`, v)
	}
	return nil
}

// integer returns a whole number from low to high, absent if there is none.
func (t table) integer(key string, absent, low, high int) int {
	v := t.get(key)
	if v == nil {
		return absent
	}
	n, ok := wholeNumber(v)
	if !ok {
		t.wrongType(t.at(key), "a whole number", v)
		return absent
	}
	if n < low || n > high {
		allowed := fmt.Sprintf("%d to %d", low, high)
		if high >= math.MaxInt32 {
			allowed = fmt.Sprintf("%d or more", low)
		}
		t.fail(t.at(key), "", "%s is %d; allowed is %s", t.at(key), n, allowed)
		return absent
	}
	return n
}

// flag returns a truth value.
func (t table) flag(key string, absent bool) bool {
	switch v := t.get(key).(type) {
	case nil:
	case bool:
		return v
	default:
		t.wrongType(t.at(key), "true or false", v)
	}
	return absent
}

// sub returns the table at key, and whether there is one.
func (t table) sub(key string) (table, bool) {
	v := t.get(key)
	if v == nil {
		return table{}, false
	}
	return t.asTable(t.at(key), v)
}

func (t table) asTable(path string, v any) (table, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		t.wrongType(path, "a table", v)
		return table{}, false
	}
	return t.reader.table(path, m), true
}

// subs returns the tables of the list at key.
func (t table) subs(key string) []table {
	v := t.get(key)
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		t.wrongType(t.at(key), "a list of tables", v)
		return nil
	}
	tables := make([]table, 0, len(list))
	for i, e := range list {
		if e == nil {
			continue // Kibana drops a null among filters
		}
		if sub, ok := t.asTable(place.Element(t.at(key), i), e); ok {
			tables = append(tables, sub)
		}
	}
	return tables
}

// oneOf returns a text that must be one of allowed; the first of them if the
// key is absent or wrong.
func (t table) oneOf(key string, allowed ...string) string {
	v := t.str(key)
	if !t.has(key) || slices.Contains(allowed, v) {
		if v == "" {
			return allowed[0]
		}
		return v
	}
	if _, ok := t.get(key).(string); ok {
		t.fail(t.at(key), didYouMean(v, allowed), "%s is %q; allowed is %s", t.at(key), v, orList(allowed))
	}
	return allowed[0]
}

// unknown warns of the keys that nothing asked for.
func (t table) unknown() {
	names := slices.Sorted(maps.Keys(t.known))
	for _, key := range slices.Sorted(maps.Keys(t.m)) {
		if !t.known[key] {
			t.warnKey(t.at(key), didYouMean(key, names), "unknown key %s", t.at(key))
		}
	}
}

// missing reports that a key is wanted. If another key looks like a
// misspelling of it, that is where the error is.
func (t table) missing(key, hint string) {
	for _, other := range slices.Sorted(maps.Keys(t.m)) {
		if !t.known[other] && Suggest(other, []string{key}) != "" {
			t.known[other] = true
			t.failKey(t.at(other), didYouMean(other, []string{key}), "unknown key %s, and %s is missing", t.at(other), key)
			return
		}
	}
	t.failKey(t.path, hint, "%s is missing", t.at(key))
}

func didYouMean(word string, allowed []string) string {
	if s := Suggest(word, allowed); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	return ""
}

// orList reads "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// wholeNumber returns the whole number that v is, if it is one.
func wholeNumber(v any) (int, bool) {
	switch v := v.(type) {
	case int64:
		return int(v), true
	case float64:
		return int(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case json.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return int(n), true
		}
		f, err := v.Float64()
		return int(f), err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53
	}
	return 0, false
}

// scalarText returns the text that a query would hold for v: texts as they
// are, numbers in decimal, true or false.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case json.Number:
		return string(v), true
	case time.Time:
		return v.Format(time.RFC3339Nano), true
	}
	return "", false
}

// describe names a value of the wrong type for an error.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return "the text " + strconv.Quote(shorten(v))
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case time.Time:
		return "a date"
	}
	if text, ok := scalarText(v); ok {
		return "the number " + text
	}
	return fmt.Sprintf("%T", v)
}

// shorten keeps a text that is quoted in an error to a length that a line of
// a log can hold.
func shorten(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	runes := []rune(s[:limit])
	return string(runes[:len(runes)-1]) + "…"
}
