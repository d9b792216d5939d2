package rule

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/place"
)

// addTOML reads a file of the rule repository's form: [metadata] and [rule].
// A file of [[exception]] tables (see exceptions_toml.go) may stand beside
// the rules.
func (l *loader) addTOML(file string, data []byte) {
	doc := &place.Document{File: file, Text: strings.TrimPrefix(string(data), "\uFEFF"), FirstLine: 1}
	r := &reader{doc: doc}
	defer l.collect(r)
	top, ok := decodeTOML(r)
	if !ok {
		return
	}
	if top.has("exception") {
		l.exceptions = append(l.exceptions, ownExceptions(top, l.valueLists(file))...)
		if !top.has("rule") {
			top.unknown()
			return
		}
	}
	if top.has("exceptions") {
		top.failKey(top.at("exceptions"), "write [[exception]] before each exception", "unknown key exceptions")
		return
	}
	rule, ok := top.sub("rule")
	if !ok {
		if l.exceptionsOnly && len(top.m) > 0 {
			top.missing("exception", "each exception starts with a line [[exception]]")
		} else if !l.exceptionsOnly && !top.has("rule") {
			top.missing("rule", "a rule file starts with a line [rule]")
		}
		return
	}
	if metadata, ok := top.sub("metadata"); ok {
		metadata.ignore(metadataKeys...)
		metadata.unknown()
	}
	top.ignore(repositoryTables...)
	top.unknown()
	l.addRule(rule)
}

// addRule takes a rule in, or passes it over if it is of another type.
func (l *loader) addRule(t table) {
	if l.exceptionsOnly {
		l.passedRules++
		return
	}
	t.ruleID, t.name = t.str("rule_id"), t.str("name")
	kind := t.str("type")
	switch {
	case kind == newTerms, kind == queryType && (!t.has("language") || t.str("language") == kuery):
		before := len(t.errs)
		d := build(t)
		d.sound = len(t.errs) == before
		l.drafts = append(l.drafts, d)
	case !t.has("type"):
		t.missing("type", `type = "new_terms"`)
	case slices.Contains(ruleTypes, kind):
		l.skipped = append(l.skipped, Skipped{
			Position: t.doc.At(t.doc.Place(t.at("type")).Value),
			RuleID:   t.ruleID, Rule: t.name, Type: kind, Language: t.str("language"),
		})
		for _, list := range t.subs("exceptions_list") {
			l.skippedLists = append(l.skippedLists, list.str("list_id"))
		}
	case kind != "":
		t.fail(t.at("type"), didYouMean(kind, ruleTypes), "type %q is no type of rule; supported are new_terms and query", kind)
	}
}

// decodeTOML decodes the document of r, and reports what is wrong with its
// syntax.
func decodeTOML(r *reader) (table, bool) {
	if deepest(r.doc.Text) > maxTOMLDepth {
		r.failAt(r.doc.At(0), "", "", "not valid as a rule: brackets are nested more than %d deep", maxTOMLDepth)
		return table{}, false
	}
	if at, long := longKey(r.doc.Text); long {
		r.failAt(r.doc.At(at), "", "", "not valid as a rule: a key has more than %d parts", limits.KeyParts)
		return table{}, false
	}
	var m map[string]any
	_, err := toml.Decode(r.doc.Text, &m)
	if err == nil {
		plain, _ := plainValue(m).(map[string]any)
		return r.table("", plain), true
	}
	at := Position{File: r.doc.File, Line: 1, Column: 1}
	msg := err.Error()
	var parseErr toml.ParseError
	if errors.As(err, &parseErr) {
		at = r.doc.At(parseErr.Position.Start)
		if at.Line != parseErr.Position.Line {
			at = Position{File: r.doc.File, Line: max(parseErr.Position.Line, 1), Column: 1}
		}
		msg = parseErr.Message
	}
	r.failAt(at, "", tomlHint(msg), "not valid TOML: %s", msg)
	return table{}, false
}

// maxTOMLDepth keeps the decoder, which calls itself for each bracket, from
// running out of stack. Brackets in texts count too, and do no harm: they
// mostly come in pairs.
const maxTOMLDepth = 1000

var manyParts = regexp.MustCompile(`(?:(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*)+`)

// longKey finds a key of more than limits.KeyParts parts, which the decoder
// would take very much memory for. What looks like one in a text counts too.
func longKey(text string) (at int, found bool) {
	start := 0
	for line := range strings.Lines(text) {
		if strings.Count(line, ".") >= limits.KeyParts {
			for _, m := range manyParts.FindAllStringIndex(line, -1) {
				if strings.Count(line[m[0]:m[1]], ".") >= limits.KeyParts {
					return start + m[0], true
				}
			}
		}
		start += len(line)
	}
	return 0, false
}

// deepest returns how far the opening brackets of text outnumber the closing
// ones at most.
func deepest(text string) int {
	depth, most := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '[', '{':
			depth++
			most = max(most, depth)
		case ']', '}':
			depth--
		}
	}
	return most
}

// plainValue turns the decoder's []map[string]any into []any, so that TOML
// and JSON give the same types, and the numbers that JSON lacks (inf, nan)
// into texts.
func plainValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			v[key] = plainValue(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plainValue(e)
		}
	case []map[string]any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = plainValue(e)
		}
		return list
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return v
}

// tomlHints say what to do about the decoder's messages, known by a part of
// them.
var tomlHints = []struct{ part, hint string }{
	{"invalid escape", "a backslash is \\\\ in double quotes; in '''…''' it stands for itself"},
	{"strings cannot contain newlines", "close the quotes on this line, or put a text of several lines in '''…'''"},
	{"already been defined", "each key may stand once in its table; remove one of the two"},
	{"already created", "each table may be opened once; write [[…]] for a list of tables"},
	{"expected value but found", "texts stand in quotes, and true and false in lower case"},
	{"unexpected EOF", "a quote or bracket is not closed before the end of the file"},
	{"invalid UTF-8", "save the file as UTF-8"},
	{"files cannot contain NULL bytes", "save the file as UTF-8"},
	{"expected a comma", "put a comma between the elements of a list, and close it with ]"},
	{"expected key separator '='", `write key = "value"`},
	{"to end with a newline", "each key = value stands on a line of its own; for a text with quotes in it use '…'"},
	{"expected '.' or '='", `write key = "value"`},
	{"to end table name", "close the table's name with ]"},
	{"bare keys cannot contain", "put a name with other characters than letters, digits, _ and - in quotes"},
}

func tomlHint(msg string) string {
	for _, h := range tomlHints {
		if strings.Contains(msg, h.part) {
			return h.hint
		}
	}
	return ""
}
