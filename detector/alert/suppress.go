package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
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

// maxGroupValues and maxGroupText bound the values of one field that an alert and
// the state show of a group; the key is of all of them.
const (
	maxGroupValues = 20
	maxGroupText   = 256
)

// SuppressionTerms returns the terms that an event's document is grouped by, and
// the key of the group. missing tells that it lacks one of the fields. Arrays
// count as a whole, whatever their order. It takes n log n for n values.
func SuppressionTerms(doc map[string]any, fields []string) (terms []SuppressionTerm, key string, missing bool) {
	h := sha256.New()
	for _, f := range fields {
		vals := Values(doc, f)
		missing = missing || len(vals) == 0
		texts := make([]string, len(vals))
		order := make([]int, len(vals))
		for i, v := range vals {
			texts[i], order[i] = typed(v), i
		}
		slices.SortFunc(order, func(a, b int) int { return strings.Compare(texts[a], texts[b]) })
		fmt.Fprintf(h, "%d:%s%d:", len(f), f, len(vals))
		shown := make([]any, 0, min(len(vals), maxGroupValues+1))
		for n, i := range order {
			fmt.Fprintf(h, "%d:%s", len(texts[i]), texts[i])
			if n < maxGroupValues {
				shown = append(shown, clipShown(vals[i]))
			}
		}
		t := SuppressionTerm{Field: f}
		switch {
		case len(vals) == 1:
			t.Value = shown[0]
		case len(vals) > maxGroupValues:
			t.Value = append(shown, "…")
		case len(vals) > 1:
			t.Value = shown
		}
		terms = append(terms, t)
	}
	return terms, hex.EncodeToString(h.Sum(nil)[:16]), missing
}

func clipShown(val any) any {
	if s, ok := val.(string); ok {
		return clipTo(strings.ToValidUTF8(s, "\uFFFD"), maxGroupText)
	}
	return sanitize(val)
}

// typed writes a scalar so that no two differ only in type: 5 and "5".
func typed(val any) string { return fmt.Sprintf("%T:%v", val, val) }

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
