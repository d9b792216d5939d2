package alert

import (
	"fmt"
	"time"
)

// SummaryDocument makes the record of a summary. One of tuples over the limit
// is a signal like the alerts that it stands for; one of what was learned
// tells a state.
func SummaryDocument(r *Rule, s *Summary, detected time.Time, instance string) map[string]any {
	kind, what := "signal", "limit"
	words := fmt.Sprintf("%s: %s over the limit of %s an interval (%s), between %s and %s.",
		r.Name, plural(int(s.Count), "new tuple"), plural(s.MaxAlerts, "alert"), r.Interval,
		Timestamp(s.First), Timestamp(s.Last))
	if s.Learned {
		kind, what = "state", "learned"
		words = fmt.Sprintf("%s is learning: %s between %s and %s.",
			r.Name, plural(int(s.Count), "new tuple"), Timestamp(s.First), Timestamp(s.Last))
	}
	terms := make([]any, len(s.Terms))
	for i, t := range s.Terms {
		terms[i] = append([]any(nil), t...)
	}
	doc := map[string]any{
		"@timestamp": Timestamp(detected),
		"event":      map[string]any{"kind": kind},
		"newterms": map[string]any{
			"summary":          what,
			"explanation":      words,
			"fields":           anys(r.Fields),
			"count":            s.Count,
			"terms":            terms,
			"terms_not_listed": s.Count - uint64(len(s.Terms)),
			"start":            Timestamp(s.Start),
			"end":              Timestamp(s.End),
		},
	}
	if instance != "" {
		doc["newterms"].(map[string]any)["instance"] = instance
	}
	ruleKeys(doc, r)
	doc["kibana.alert.reason"] = words
	doc["kibana.alert.uuid"] = UUID(r.ID, fmt.Appendf(nil, "summary %s %d", what, s.Start.UnixMilli()), s.Start, 0)
	doc["kibana.alert.status"] = "active"
	doc["kibana.alert.workflow_status"] = "open"
	sanitize(doc)
	return doc
}
