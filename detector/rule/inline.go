package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/kql"
)

// InlineConfig is a rule written as properties of the output plugin. Only
// Query, NewTermsFields and HistoryWindow are wanted; the others have
// defaults where empty.
type InlineConfig struct {
	Query          string // query
	NewTermsFields string // new_terms_fields: comma-separated
	HistoryWindow  string // history_window: 10d, now-10d, or a Go duration
	RuleID         string // default: derived from the query and the fields
	RuleName       string // rule_name; default: "New FIELDS"
	Severity       string // severity; default low
	RiskScore      string // risk_score; default by severity
	Interval       string // interval; default 5m
}

// Inline makes a rule of properties. The error is a Problems; each Problem's
// Field is the property concerned, its Line and Column count in the query.
func Inline(c InlineConfig) (*Rule, error) {
	in := inline{rule: &Rule{
		Type: newTerms, Language: kuery, Enabled: true,
		ID: strings.TrimSpace(c.RuleID), Name: strings.TrimSpace(c.RuleName),
		Query: c.Query, MaxSignals: 100,
	}}
	in.query(c)
	in.terms(c)
	in.score(c)
	in.schedule(c)
	if len(in.problems) > 0 {
		return nil, in.problems
	}
	r := in.rule
	if r.Name == "" {
		r.Name = "New " + strings.Join(r.Terms, ", ")
	}
	if r.ID == "" {
		r.ID = inlineID(r)
	}
	r.Raw = parameters(nil, r)
	return r, nil
}

// inlineID names the rule's memory by what the memory depends on, so that a
// new name or severity keeps it.
func inlineID(r *Rule) string {
	sum := sha256.Sum256([]byte("newterms/inline\n" + r.Fingerprint()))
	return "inline-" + hex.EncodeToString(sum[:8])
}

type inline struct {
	rule     *Rule
	problems Problems
}

func (in *inline) fail(property, hint, format string, args ...any) {
	in.problems = append(in.problems, Problem{
		RuleID: in.rule.ID, Rule: in.rule.Name, Field: property,
		Msg: fmt.Sprintf("property %s: ", property) + fmt.Sprintf(format, args...), Hint: hint,
	})
}

func (in *inline) query(c InlineConfig) {
	if strings.TrimSpace(c.Query) == "" {
		in.fail("query", "* matches every record", "a rule needs a query in KQL")
		return
	}
	node, err := kql.ParseTyped(c.Query, ecs.TypeOf)
	if err != nil {
		in.fail("query", "", "%v", err)
		return
	}
	in.rule.Filter = node
}

// InlineWarnings returns what looks wrong with a rule that Inline made and does
// not keep it from running; Field is the property concerned.
func InlineWarnings(r *Rule) []Problem {
	var out []Problem
	add := func(property, hint, msg string) {
		out = append(out, Problem{RuleID: r.ID, Rule: r.Name, Field: property, Msg: "property " + property + ": " + msg, Hint: hint})
	}
	for _, w := range kql.Warnings(r.Filter) {
		add("query", w.Hint, w.Msg)
	}
	if n := len(r.Terms); n > kibanaTerms {
		add("new_terms_fields", "", fmt.Sprintf("names %d fields; Kibana takes %d at the most, so this rule runs only here", n, kibanaTerms))
	}
	return out
}

func (in *inline) terms(c InlineConfig) {
	for term := range strings.SplitSeq(c.NewTermsFields, ",") {
		term = strings.TrimSpace(term)
		switch {
		case term == "":
		case strings.ContainsAny(term, "*[]{}()\"':;<> \t\r\n"):
			in.fail("new_terms_fields", "name each field in full, separated by commas", "%q is no field name", term)
		case slices.Contains(in.rule.Terms, term):
			in.fail("new_terms_fields", "", "%q is named twice", term)
		default:
			in.rule.Terms = append(in.rule.Terms, term)
		}
	}
	if n := len(in.rule.Terms); n == 0 || n > mostTerms {
		in.fail("new_terms_fields", `for example "user.name, source.ip"`, "names %d fields; allowed are 1 to %d", n, mostTerms)
	}
}

func (in *inline) score(c InlineConfig) {
	in.rule.Severity = strings.ToLower(strings.TrimSpace(c.Severity))
	if in.rule.Severity == "" {
		in.rule.Severity = Severities[0]
	}
	if !slices.Contains(Severities, in.rule.Severity) {
		in.fail("severity", didYouMean(c.Severity, Severities), "is %q; allowed is %s", c.Severity, orList(Severities))
	}
	in.rule.RiskScore = usualScore[in.rule.Severity]
	if text := strings.TrimSpace(c.RiskScore); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 100 {
			in.fail("risk_score", "", "is %q; allowed is a whole number from 0 to 100", text)
		}
		in.rule.RiskScore = n
	}
}

func (in *inline) schedule(c InlineConfig) {
	in.rule.Interval = 5 * time.Minute
	if strings.TrimSpace(c.Interval) != "" {
		span, err := ParseSpan(c.Interval)
		switch {
		case err != nil:
			in.fail("interval", "", "%v", err)
		case span < time.Second:
			in.fail("interval", "", "is %s; allowed is 1s or more", c.Interval)
		default:
			in.rule.Interval = span
		}
	}
	in.rule.Lookback = in.rule.Interval
	text := strings.TrimSpace(c.HistoryWindow)
	if text == "" {
		in.fail("history_window", `for example "10d"`, "a rule needs to know how far back a tuple counts as known")
		return
	}
	span, err := parseWindow(text)
	switch {
	case err != nil:
		in.fail("history_window", "", "%v", err)
		return
	case span <= in.rule.Interval:
		in.fail("history_window", "", "is %s; it must be longer than the interval, %s", text, FormatSpan(in.rule.Interval))
	}
	in.rule.Window = span
	in.rule.HistoryWindowStart = text
	if !strings.HasPrefix(text, "now") {
		in.rule.HistoryWindowStart = formatLookback(span)
	}
}
