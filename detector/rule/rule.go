package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/normalize"
)

// Rule is one checked rule: of type new_terms, or of type query, each match of
// which is an alert; it has no Terms and no Window. It is not changed after loading and may
// be read by any number of goroutines.
type Rule struct {
	ID          string // rule_id: names the rule's memory
	Name        string
	Description string
	Severity    string // low, medium, high or critical
	RiskScore   int    // 0 to 100
	Type        string // new_terms or query
	Language    string // kuery
	Version     int    // 0 where the file gives none
	Enabled     bool   // false only where the file says enabled = false

	Tags           []string
	Index          []string // index patterns; none means any document
	References     []string
	FalsePositives []string
	Author         []string
	License        string
	Note           string // the investigation guide, Markdown
	Setup          string // Markdown
	Threat         []any  // MITRE ATT&CK, as the file has it; ready for JSON

	Query  string   // as written
	Filter kql.Node // the query and the filters, and-ed; never nil

	Exceptions []Exception // all, expired ones included: see ActiveExceptions

	Terms              []string // new_terms_fields, in the order of the file
	Window             time.Duration
	HistoryWindowStart string // as written, such as now-10d

	TimestampOverride         string
	TimestampFallbackDisabled bool

	MaxSignals int           // alerts an execution, 1 or more
	Interval   time.Duration // time between executions
	From       string        // as written, such as now-9m
	Lookback   time.Duration // how far back an execution looks: From as a span

	Suppression         *Suppression // nil where alerts are not suppressed
	BuildingBlock       string       // building_block_type, "" or "default"
	SeverityMapping     []SeverityMapping
	RiskScoreMapping    []RiskScoreMapping
	RuleNameOverride    string // the field whose value is the alert's rule name
	InvestigationFields []string

	// Our own table, [rule.newterms].
	MissingFields MissingFields
	Learn         *time.Duration // nil: not said; 0: off
	MaxTerms      int            // 0: not said
	MaxAlerts     int            // 0: not said
	Normalize     *normalize.Set // nil: not said; an empty one: nothing
	Variants      Variants

	// Raw is kibana.alert.rule.parameters: the rule as Kibana would hold it,
	// ready for JSON.
	Raw map[string]any

	Source Position

	exceptionLists []string // the list_ids that it refers to
}

// MissingFields says what becomes of an event that matches a rule but lacks
// one of its term fields.
type MissingFields uint8

const (
	// Skip passes the event over, as Elastic does.
	Skip MissingFields = iota
	// NullTerm puts null in the tuple, in the field's place.
	NullTerm
	// AlertMissing alerts on it as on a new tuple.
	AlertMissing
)

// Variants says what comes of the variants of known combinations.
type Variants uint8

// What may come of variants.
const (
	VariantsUnsaid    Variants = iota // the output says it
	SummarizeVariants                 // a summary lists them
	AlertVariants                     // they alert
)

var variantNames = [...]string{"summary", "alert"}

// ParseVariants reads summary or alert.
func ParseVariants(text string) (Variants, error) {
	if i := slices.Index(variantNames[:], strings.ToLower(text)); i >= 0 {
		return Variants(i + 1), nil
	}
	return 0, fmt.Errorf("%q is not allowed; summary or alert", text)
}

var missingFieldsNames = [...]string{Skip: "skip", NullTerm: "null", AlertMissing: "alert"}

// String returns the name that rule files use.
func (m MissingFields) String() string {
	if int(m) < len(missingFieldsNames) {
		return missingFieldsNames[m]
	}
	return "MissingFields(" + strconv.Itoa(int(m)) + ")"
}

// Suppression folds alerts that agree in some fields into one.
type Suppression struct {
	GroupBy       []string      // 1 to 3 fields
	Duration      time.Duration // 0: for one execution (Rule.Interval)
	MissingFields SuppressMissing
}

// SuppressMissing says how suppression treats an alert that lacks one of the
// group_by fields.
type SuppressMissing uint8

const (
	// SuppressMissingGroup takes missing as a value of its own.
	SuppressMissingGroup SuppressMissing = iota
	// DoNotSuppressMissing lets every such alert through.
	DoNotSuppressMissing
)

// SeverityMapping sets an alert's severity from its document.
type SeverityMapping struct{ Field, Value, Severity string }

// RiskScoreMapping sets an alert's risk score from the number in Field. Value
// and RiskScore are for the older form: where Field equals Value, RiskScore
// (nil: the number in Field).
type RiskScoreMapping struct {
	Field, Value string
	RiskScore    *int
}

// Fingerprint names what the rule's memory depends on: what the query and the
// filters ask for, the term fields in their order, and what a missing field
// means. When it changes, the tuples remembered no longer answer the rule's
// question and are to be learnt anew.
//
// Words, severity, schedule and window are not in it: they change what is
// said, not what was seen. Nor are the index patterns, which rule updates
// widen often and which mean nothing on a node, nor the exceptions: a memory
// that was dropped whenever somebody added an exception would flood, and
// tuples seen under an exception were never recorded anyway.
func (r *Rule) Fingerprint() string {
	h := sha256.New()
	write := func(s string) {
		// The length keeps ("ab", "c") apart from ("a", "bc").
		h.Write(strconv.AppendInt(nil, int64(len(s)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(s))
	}
	write("newterms/1")
	write(canonical(r.Filter))
	for _, t := range r.Terms {
		write(t)
	}
	write(r.MissingFields.String())
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// IsQuery tells that each event which the rule matches is an alert.
func (r *Rule) IsQuery() bool { return r.Type == queryType }

// ActiveExceptions returns the exceptions in force at now, or-ed, or nil if
// there are none. An event that matches it raises no alert and is no history
// either.
func (r *Rule) ActiveExceptions(now time.Time) kql.Node {
	var nodes []kql.Node
	for i := range r.Exceptions {
		if r.Exceptions[i].Active(now) {
			nodes = append(nodes, r.Exceptions[i].Node)
		}
	}
	return anyOf(nodes)
}

// NextExpiry returns when the next exception after now expires, the zero Time
// if none does: until then ActiveExceptions stays the same.
func (r *Rule) NextExpiry(now time.Time) time.Time {
	var next time.Time
	for i := range r.Exceptions {
		if e := r.Exceptions[i].Expires; e.After(now) && (next.IsZero() || e.Before(next)) {
			next = e
		}
	}
	return next
}

// allOf ands nodes, and takes apart those that are ands themselves, so that a
// condition in the query and the same condition in a filter are one thing. It
// returns nil for no nodes.
func allOf(nodes []kql.Node) kql.Node {
	var flat []kql.Node
	for _, n := range nodes {
		if and, ok := n.(kql.And); ok {
			flat = append(flat, and.Nodes...)
		} else {
			flat = append(flat, n)
		}
	}
	switch len(flat) {
	case 0:
		return nil
	case 1:
		return flat[0]
	}
	return kql.And{Nodes: flat}
}

// anyOf ors nodes, as allOf ands them.
func anyOf(nodes []kql.Node) kql.Node {
	var flat []kql.Node
	for _, n := range nodes {
		if or, ok := n.(kql.Or); ok {
			flat = append(flat, or.Nodes...)
		} else {
			flat = append(flat, n)
		}
	}
	switch len(flat) {
	case 0:
		return nil
	case 1:
		return flat[0]
	}
	return kql.Or{Nodes: flat}
}
