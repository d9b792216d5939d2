package rule

import (
	"bytes"
	"math"
	"strings"
	"unicode/utf8"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/place"
)

// numbers keeps a number as it is written, so that a long one loses nothing.
var numbers = jsoniter.Config{UseNumber: true, EscapeHTML: false}.Froze()

// addNDJSON reads a Kibana export: rules, then exception lists and their
// items, then connectors, then a line with counts; one JSON object a line.
func (l *loader) addNDJSON(file string, data []byte) {
	number := 0
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	for line := range bytes.Lines(data) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		doc := &place.Document{File: file, Text: strings.TrimRight(string(line), "\r\n"), FirstLine: number, JSON: true}
		r := &reader{doc: doc}
		if t, ok := decodeJSON(r); ok {
			l.addLine(t)
		}
		l.collect(r)
	}
	if number == 0 {
		l.warnings = append(l.warnings, Problem{Position: Position{File: file}, Msg: "the file is empty"})
	}
}

// decodeJSON decodes the document of r, and reports what is wrong with its
// syntax.
func decodeJSON(r *reader) (table, bool) {
	const hint = "an export has one JSON object a line"
	if !utf8.ValidString(r.doc.Text) {
		r.failAt(r.doc.At(validUTF8(r.doc.Text)), "", "save the file as UTF-8", "not valid JSON: not UTF-8")
		return table{}, false
	}
	if !numbers.Valid([]byte(r.doc.Text)) || jsonDepth(r.doc.Text) > place.MaxJSONDepth {
		at, found, expected, ok := jsonFault(r.doc.Text)
		if !ok {
			r.failAt(r.doc.At(0), "", hint, "not valid JSON")
			return table{}, false
		}
		r.failAt(r.doc.At(at), "", hint, "not valid JSON: expected %s, found %s", expected, found)
		return table{}, false
	}
	var v any
	if err := numbers.UnmarshalFromString(r.doc.Text, &v); err != nil {
		r.failAt(r.doc.At(0), "", hint, "not valid JSON")
		return table{}, false
	}
	m, ok := v.(map[string]any)
	if !ok {
		r.failAt(r.doc.At(0), "", hint, "a line of an export must be an object, found %s", describe(v))
		return table{}, false
	}
	return r.table("", m), true
}

// addLine takes in one line of an export. Kibana does not say what a line is:
// its keys tell.
func (l *loader) addLine(t table) {
	has := func(keys ...string) bool {
		for _, key := range keys {
			if t.m[key] != nil {
				return true
			}
		}
		return false
	}
	switch {
	case has("exported_count", "exported_rules_count", "exported_exception_list_count"):
		l.checkCounts(t)
	case has("item_id") || has("entries") && has("list_id"):
		l.lists.addItem(t, l.valueLists(t.doc.File))
	case has("list_id") && !has("rule_id"):
		l.lists.addList(t)
	case has("rule_id", "risk_score", "new_terms_fields", "query"):
		l.addRule(t)
	case has("attributes"):
		// A connector: alerts leave by another way here.
	default:
		t.warn("", "", "a line that is neither a rule, an exception, a connector nor the counts is passed over")
	}
}

// checkCounts reports what the export itself says it lacks.
func (l *loader) checkCounts(t table) {
	for _, key := range []string{"missing_rules_count", "missing_exception_list_item_count", "missing_exception_lists_count"} {
		if n := t.integer(key, 0, 0, math.MaxInt); n > 0 {
			t.warn(t.at(key), "export again", "the export is not complete: %s is %d", key, n)
		}
	}
}

// validUTF8 returns how many bytes of text are UTF-8.
func validUTF8(text string) int {
	for i, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return i
			}
		}
	}
	return len(text)
}

// jsonDepth returns how deep the brackets of text are nested.
func jsonDepth(text string) int {
	depth, deepest := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}
