package rule

import (
	"maps"
	"slices"
)

// parameters returns what Kibana writes to kibana.alert.rule.parameters: the
// rule as its own server holds it, whichever form m was read from.
func parameters(m map[string]any, r *Rule) map[string]any {
	raw := make(map[string]any, len(m)+10)
	maps.Copy(raw, m)
	for _, key := range slices.Concat(serverKeys, []string{"new_terms", "newterms"}) {
		delete(raw, key)
	}
	raw["rule_id"] = r.ID
	raw["name"] = r.Name
	raw["type"] = r.Type
	raw["language"] = r.Language
	raw["query"] = r.Query
	raw["severity"] = r.Severity
	raw["risk_score"] = r.RiskScore
	raw["max_signals"] = r.MaxSignals
	if r.Type == newTerms {
		raw["new_terms_fields"] = r.Terms
		raw["history_window_start"] = r.HistoryWindowStart
	}
	return raw
}
