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

// maxGroups is how many groups a rule keeps open. Over it the oldest ends
// early: its next alert is an alert again.
const maxGroups = 1000

// What a group lists of the tuples that it suppressed.
const (
	maxSuppressed      = 20
	maxSuppressedBytes = 2 << 10
)

// group is the alerts that agree in the suppression's fields, from the first
// one, which left, to the end of the period.
type group struct {
	Key   string            `json:"key"`
	Terms []SuppressionTerm `json:"terms"`
	UUID  string            `json:"uuid"`  // of the alert that left
	First int64             `json:"first"` // its event
	Since int64             `json:"since"` // when it left
	Until int64             `json:"until"`
	Tally tally             `json:"tally"` // what was suppressed
}

// Suppressed tells whether an alert belongs to a group whose first one has
// left in the period at hand, and counts it then. key is GroupKey's.
func (g *Governor) Suppressed(key string, terms []any, size int, at, now int64) bool {
	i := g.groupOf(key)
	if i < 0 || over(now, g.s.Groups[i].Until, g.s.Groups[i].Until-g.s.Groups[i].Since) {
		return false
	}
	g.s.Groups[i].Tally.add(terms, size, at, maxSuppressed, maxSuppressedBytes)
	g.dirty = true
	return true
}

// Suppress begins a group with the alert uuid, which leaves.
func (g *Governor) Suppress(key string, terms []SuppressionTerm, uuid string, at, now int64) {
	if len(g.s.Groups) >= maxGroups {
		oldest := slices.IndexFunc(g.s.Groups, func(x group) bool { return x.Until != 0 })
		if oldest >= 0 {
			g.s.Groups[oldest].Until = 0 // Due takes it
		}
	}
	until := g.intervalOf(now) + g.limits.Interval.Milliseconds()
	if g.limits.Suppress > 0 {
		until = now + g.limits.Suppress.Milliseconds()
	}
	g.s.Groups = append(g.s.Groups, group{Key: key, Terms: terms, UUID: uuid, First: at, Since: now, Until: until})
	g.dirty = true
}

// groupOf returns the place of the open group with that key, -1 if none is.
func (g *Governor) groupOf(key string) int {
	return slices.IndexFunc(g.s.Groups, func(x group) bool { return x.Key == key && x.Until != 0 })
}

// endGroups takes out the groups whose period is over, and appends an update
// for each that suppressed anything.
func (g *Governor) endGroups(out []Summary, now int64, all bool) []Summary {
	kept := g.s.Groups[:0]
	for _, x := range g.s.Groups {
		if !all && !over(now, x.Until, x.Until-x.Since) {
			kept = append(kept, x)
			continue
		}
		g.dirty = true
		if x.Tally.Count == 0 {
			continue
		}
		s := g.summary(&x.Tally, Suppressed, x.Since, max(min(now, x.Until), x.Since))
		s.UUID, s.OriginalTime = x.UUID, time.UnixMilli(x.First)
		s.Suppression = &Suppression{
			Terms: x.Terms, Docs: x.Tally.Count,
			Start: time.UnixMilli(min(x.First, x.Tally.First)),
			End:   time.UnixMilli(max(x.First, x.Tally.Last)),
		}
		out = append(out, s)
	}
	clear(g.s.Groups[len(kept):])
	g.s.Groups = kept
	return out
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
