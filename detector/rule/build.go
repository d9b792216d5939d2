package rule

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/normalize"
	"fluent-bit-newterms/detector/place"
)

const (
	newTerms  = "new_terms"
	queryType = "query"
	kuery     = "kuery"

	kibanaTerms = 3  // the most term fields that Kibana takes
	mostTerms   = 16 // the most that we take
)

// Severities are the severities of a rule, from the least.
var Severities = []string{"low", "medium", "high", "critical"}

// SeverityRank returns the place of a severity in Severities, 0 for another
// text.
func SeverityRank(severity string) uint8 {
	return uint8(max(slices.Index(Severities, severity), 0))
}

// usualScore is the risk score that goes with each severity where a rule
// gives none.
var usualScore = map[string]int{"low": 21, "medium": 47, "high": 73, "critical": 99}

// listRef is a rule's reference to an exception list.
type listRef struct {
	id, kind, path string
}

// draft is a rule whose exception lists are not attached yet.
type draft struct {
	*Rule
	lists  []listRef
	doc    *place.Document
	idPath string // of rule_id
	sound  bool   // no errors were found in it
}

// idAt returns where the rule_id stands; nowhere for an inline rule.
func (d *draft) idAt() Position {
	if d.doc == nil {
		return Position{}
	}
	return d.doc.At(d.doc.Place(d.idPath).Value)
}

// build reads a rule from its table, which may be in the
// repository's form or in Kibana's. What is wrong goes to t's reader; the
// draft is of use only if that has no errors.
func build(t table) *draft {
	r := &Rule{
		ID:          t.ruleID,
		Name:        t.name,
		Type:        t.str("type"),
		Language:    kuery,
		Description: t.str("description"),
		Version:     t.integer("version", 0, 0, math.MaxInt),
		Enabled:     t.flag("enabled", true),
		Source:      t.doc.Start(t.path),

		Tags:           t.strs("tags"),
		Index:          splitIndex(t.strs("index")),
		References:     t.strs("references"),
		FalsePositives: t.strs("false_positives"),
		Author:         t.strs("author"),
		License:        t.str("license"),
		Note:           t.str("note"),
		Setup:          t.str("setup"),

		TimestampOverride:         t.str("timestamp_override"),
		TimestampFallbackDisabled: t.flag("timestamp_override_fallback_disabled", false),
		MaxSignals:                t.integer("max_signals", 100, 1, math.MaxInt32),
		BuildingBlock:             t.str("building_block_type"),
		RuleNameOverride:          t.str("rule_name_override"),
	}
	d := &draft{Rule: r, doc: t.doc, idPath: t.at("rule_id")}
	buildIdentity(t, r)
	buildScore(t, r)
	buildQuery(t, r)
	windowAt := ""
	if r.Type == newTerms {
		windowAt = buildTerms(t, r)
	}
	warnOfMisspelt(t, r)
	buildSchedule(t, r, windowAt)
	buildSuppression(t, r)
	buildOwn(t, r)
	if threat, ok := t.get("threat").([]any); ok {
		r.Threat = threat
	} else if t.has("threat") {
		t.wrongType(t.at("threat"), "a list of tables", t.get("threat"))
	}
	if fields, ok := t.sub("investigation_fields"); ok {
		r.InvestigationFields = fields.strs("field_names")
		fields.unknown()
	}
	for _, list := range t.subs("exceptions_list") {
		list.ignore("id", "namespace_type")
		ref := listRef{list.str("list_id"), list.str("type"), list.at("list_id")}
		d.lists = append(d.lists, ref)
		r.exceptionLists = append(r.exceptionLists, ref.id)
	}
	t.ignore(restKeys...)
	t.ignore(serverKeys...)
	t.unknown()
	r.Raw = parameters(t.m, r)
	return d
}

// splitIndex takes apart entries that hold several index patterns with commas,
// as Elasticsearch does.
func splitIndex(entries []string) []string {
	var patterns []string
	for _, entry := range entries {
		for pattern := range strings.SplitSeq(entry, ",") {
			if pattern = strings.TrimSpace(pattern); pattern != "" {
				patterns = append(patterns, pattern)
			}
		}
	}
	return patterns
}

func buildIdentity(t table, r *Rule) {
	switch {
	case r.ID == "":
		t.missing("rule_id", "any text that stays the same: it names the rule's memory")
	case utf8.RuneCountInString(r.ID) > 256 || strings.ContainsFunc(r.ID, unicode.IsControl):
		t.fail(t.at("rule_id"), "", "%s must be at most 256 characters, none of them control characters", t.at("rule_id"))
	}
	switch {
	case r.Name == "":
		t.missing("name", "alerts are shown under it")
	case strings.TrimSpace(r.Name) == "":
		t.fail(t.at("name"), "alerts are shown under it", "%s is empty", t.at("name"))
	}
}

func buildScore(t table, r *Rule) {
	r.Severity = t.oneOf("severity", Severities...)
	r.RiskScore = t.integer("risk_score", usualScore[r.Severity], 0, 100)
	for _, m := range t.subs("severity_mapping") {
		mapping := SeverityMapping{Field: m.str("field"), Severity: m.oneOf("severity", Severities...)}
		mapping.Value, _ = scalarText(m.get("value"))
		checkMapping(m, mapping.Field)
		r.SeverityMapping = append(r.SeverityMapping, mapping)
	}
	for _, m := range t.subs("risk_score_mapping") {
		mapping := RiskScoreMapping{Field: m.str("field")}
		mapping.Value, _ = scalarText(m.get("value"))
		if m.has("risk_score") {
			score := m.integer("risk_score", 0, 0, 100)
			mapping.RiskScore = &score
		}
		checkMapping(m, mapping.Field)
		r.RiskScoreMapping = append(r.RiskScoreMapping, mapping)
	}
}

// checkMapping checks what the two kinds of mappings share.
func checkMapping(m table, field string) {
	if field == "" {
		m.missing("field", "")
	}
	m.oneOf("operator", "equals")
	m.unknown()
}

func buildQuery(t table, r *Rule) {
	if language := t.str("language"); language != "" && language != kuery {
		hint := "rewrite the query in KQL"
		if Suggest(language, []string{kuery, "kql"}) != "" {
			hint = `write "kuery"`
		}
		t.fail(t.at("language"), hint, "language %q is not supported; allowed is kuery", language)
		t.ignore("query", "filters")
		r.Filter = kql.All{}
		return
	}
	var nodes []kql.Node
	r.Query = t.str("query")
	if list, _ := t.get("filters").([]any); !t.has("query") && len(list) == 0 {
		t.missing("query", `query = "*" matches every document`)
	}
	if t.has("query") {
		t.query = r.Query
		node, err := kql.ParseTyped(r.Query, ecs.TypeOf)
		if err != nil {
			t.failQuery(t.at("query"), err)
		} else {
			t.lintQuery(t.at("query"), node)
			nodes = append(nodes, node)
		}
	}
	nodes = append(nodes, filters(t)...)
	// A rule that is all filters still has a query, the empty one; it adds
	// nothing to what the filters say.
	if len(nodes) > 1 {
		nodes = slices.DeleteFunc(nodes, func(n kql.Node) bool {
			_, all := n.(kql.All)
			return all
		})
	}
	r.Filter = allOf(nodes)
	if r.Filter == nil {
		r.Filter = kql.All{}
	}
}

// buildTerms reads the term fields and the history window, which the
// repository holds in a table of their own:
//
//	[rule.new_terms]
//	field = "new_terms_fields"
//	value = ["user.name"]
//	[[rule.new_terms.history_window_start]]
//	field = "history_window_start"
//	value = "now-10d"
//
// and Kibana in new_terms_fields and history_window_start. It returns the path
// of the window, "" if there is none that is sound.
func buildTerms(t table, r *Rule) (windowAt string) {
	fields, fieldsKey := t, "new_terms_fields"
	window, windowKey := t, "history_window_start"
	if terms, ok := t.sub("new_terms"); ok {
		terms.oneOf("field", "new_terms_fields")
		fields, fieldsKey = terms, "value"
		var windows []table
		if _, isText := terms.get("history_window_start").(string); !isText {
			windows = terms.subs("history_window_start")
		}
		switch {
		case len(windows) > 1:
			terms.fail(windows[1].path, "", "%s is given twice", terms.at("history_window_start"))
		case len(windows) == 1:
			windows[0].oneOf("field", "history_window_start")
			window, windowKey = windows[0], "value"
		default:
			window = terms
		}
		t.ignore("new_terms_fields", "history_window_start")
		defer terms.unknown()
		if len(windows) > 0 {
			defer windows[0].unknown()
		}
	} else if !t.has("new_terms_fields") {
		t.ignore("history_window_start")
		t.missing("new_terms", "the fields whose combination is to be new: [rule.new_terms] with field and value")
		return ""
	}

	r.Terms = fields.strs(fieldsKey)
	at := fields.at(fieldsKey)
	switch {
	case len(r.Terms) == 0 && !fields.has(fieldsKey):
		fields.missing(fieldsKey, `a list of one to three fields, such as ["user.name"]`)
	case len(r.Terms) == 0:
		fields.fail(at, "", "%s names no field; allowed are 1 to %d", at, kibanaTerms)
	case len(r.Terms) > mostTerms:
		fields.fail(at, "", "%s names %d fields; allowed are 1 to %d", at, len(r.Terms), mostTerms)
	case len(r.Terms) > kibanaTerms:
		fields.warn(at, "", "%s names %d fields; Kibana takes %d at the most, so this rule runs only here", at, len(r.Terms), kibanaTerms)
	}
	for i, term := range r.Terms {
		switch {
		case strings.TrimSpace(term) == "" || strings.ContainsRune(term, '*'):
			fields.fail(place.Element(at, i), "name each field in full", "%q is no field name", term)
		case slices.Contains(r.Terms[:i], term):
			fields.warn(place.Element(at, i), "", "%s names %q twice", at, term)
		case ecs.NestedAbove(term) != "":
			fields.warn(place.Element(at, i), "Elastic does not see it either",
				"%s lies in the nested field %s, where terms are not looked for, so this rule never alerts", term, ecs.NestedAbove(term))
		}
	}

	r.HistoryWindowStart = window.str(windowKey)
	switch _, isText := window.get(windowKey).(string); {
	case !window.has(windowKey):
		window.missing(windowKey, `how far back a tuple counts as known, such as "now-10d"`)
	case isText:
		span, err := parseWindowStart(r.HistoryWindowStart)
		if err == nil {
			r.Window = span
			return window.at(windowKey)
		}
		window.fail(window.at(windowKey), "", "%s: %v", window.at(windowKey), err)
	}
	return ""
}

func buildSchedule(t table, r *Rule, windowAt string) {
	r.Interval = 5 * time.Minute
	if text := t.str("interval"); text != "" {
		span, err := ParseSpan(text)
		switch {
		case err != nil:
			t.fail(t.at("interval"), "", "%s: %v", t.at("interval"), err)
		case span < time.Second:
			t.fail(t.at("interval"), "", "%s is %s; allowed is 1s or more", t.at("interval"), text)
		default:
			r.Interval = span
		}
	}
	r.Lookback = r.Interval
	if r.From = t.str("from"); r.From != "" {
		span, err := ParseLookback(r.From)
		if err != nil {
			t.fail(t.at("from"), "", "%s: %v", t.at("from"), err)
		} else {
			r.Lookback = span
		}
	}
	if windowAt != "" && r.Window <= max(r.Interval, r.Lookback) {
		t.fail(windowAt, "", "the history window (%s) must be longer than the interval (%s) and reach back further than from (%s)",
			r.HistoryWindowStart, FormatSpan(r.Interval), FormatSpan(r.Lookback))
	}
}

func buildSuppression(t table, r *Rule) {
	s, ok := t.sub("alert_suppression")
	if !ok {
		return
	}
	r.Suppression = &Suppression{GroupBy: s.strs("group_by")}
	if n := len(r.Suppression.GroupBy); n < 1 || n > 3 {
		s.fail(s.at("group_by"), "", "%s names %d fields; allowed are 1 to 3", s.at("group_by"), n)
	}
	if s.oneOf("missing_fields_strategy", "suppress", "doNotSuppress") == "doNotSuppress" {
		r.Suppression.MissingFields = DoNotSuppressMissing
	}
	if d, ok := s.sub("duration"); ok {
		unit := unitLengths[d.oneOf("unit", "s", "m", "h")[0]]
		if !d.has("value") {
			d.missing("value", "a whole number")
		}
		r.Suppression.Duration = time.Duration(d.integer("value", 1, 1, 1_000_000)) * unit
		d.unknown()
	}
	s.unknown()
}

// buildOwn reads [rule.newterms].
func buildOwn(t table, r *Rule) {
	own, ok := t.sub("newterms")
	if !ok {
		return
	}
	r.MissingFields = MissingFields(slices.Index(missingFieldsNames[:], own.oneOf("missing_fields", missingFieldsNames[:]...)))
	if text := own.str("learn"); text != "" {
		span, err := ParseLearn(text)
		if err != nil {
			own.fail(own.at("learn"), "", "%s: %v", own.at("learn"), err)
		}
		r.Learn = &span
	}
	r.MaxTerms = own.integer("max_terms", 0, 1, math.MaxInt32)
	r.MaxAlerts = own.integer("max_alerts", 0, 1, math.MaxInt32)
	own.ignore("test") // for newterms test
	if steps, ok := own.sub("normalize"); ok {
		var err error
		if r.Normalize, err = normalize.Read(steps.m); err != nil {
			own.fail(own.at("normalize"), "", "%s: %v", own.at("normalize"), err)
		}
	}
	if own.has("variants") {
		r.Variants = Variants(1 + slices.Index(variantNames[:], own.oneOf("variants", variantNames[:]...)))
	}
	for _, key := range []string{"missing_fields", "learn", "max_terms", "normalize", "variants"} {
		if r.IsQuery() && own.has(key) {
			own.warn(own.at(key), "remove it", "%s does nothing in a rule of type query, which remembers nothing", own.at(key))
		}
	}
	own.unknown()
}
