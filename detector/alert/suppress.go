package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// SuppressionTerm is one field that alerts are grouped by, and its value: a
// scalar, an array as a whole, or nil where the event has none.
type SuppressionTerm struct {
	Field string `json:"field"`
	Value any    `json:"value"`
}

// Suppression is what an alert says about the alerts that it stands for.
type Suppression struct {
	Terms      []SuppressionTerm
	Start, End time.Time // first and last event of the group
	Docs       uint64    // alerts that were suppressed, the first one not counted
}

// SuppressionTerms returns the terms that an event's document is grouped by.
// missing tells that it lacks one of the fields. Arrays count as a whole,
// whatever their order.
func SuppressionTerms(doc map[string]any, fields []string) (terms []SuppressionTerm, missing bool) {
	for _, f := range fields {
		vals := Values(doc, f)
		t := SuppressionTerm{Field: f}
		switch len(vals) {
		case 0:
			missing = true
		case 1:
			t.Value = clipTerm(vals[0])
		default:
			for i := range vals {
				vals[i] = clipTerm(vals[i])
			}
			slices.SortFunc(vals, func(a, b any) int {
				x, y := typed(a), typed(b)
				switch {
				case x < y:
					return -1
				case x > y:
					return 1
				}
				return 0
			})
			t.Value = vals
		}
		terms = append(terms, t)
	}
	return terms, missing
}

// GroupKey names the group of alerts with these terms.
func GroupKey(terms []SuppressionTerm) string {
	h := sha256.New()
	for _, t := range terms {
		s := typed(t.Value)
		fmt.Fprintf(h, "%d:%s%d:%s", len(t.Field), t.Field, len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// typed writes a value so that no two differ only in type: 5 and "5".
func typed(val any) string {
	if list, ok := val.([]any); ok {
		s := "["
		for _, e := range list {
			part := typed(e)
			s += fmt.Sprintf("%d:%s,", len(part), part)
		}
		return s
	}
	return fmt.Sprintf("%T:%v", val, val)
}

// setSuppression writes the keys of a suppressed group.
func setSuppression(doc map[string]any, s *Suppression) {
	terms := make([]any, len(s.Terms))
	for i, t := range s.Terms {
		terms[i] = map[string]any{"field": t.Field, "value": t.Value}
	}
	doc["kibana.alert.suppression.terms"] = terms
	doc["kibana.alert.suppression.start"] = Timestamp(s.Start)
	doc["kibana.alert.suppression.end"] = Timestamp(s.End)
	doc["kibana.alert.suppression.docs_count"] = s.Docs
}
