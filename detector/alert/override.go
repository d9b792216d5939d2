package alert

import (
	"math"
	"strconv"
	"strings"
)

// SeverityMapping sets an alert's severity where a field holds a value.
type SeverityMapping struct{ Field, Value, Severity string }

// RiskScoreMapping sets an alert's risk score to the number in a field, or,
// where RiskScore is given, to that where the field holds Value.
type RiskScoreMapping struct {
	Field, Value string
	RiskScore    *int
}

// severityOrder ranks severities.
var severityOrder = map[string]int{"low": 1, "medium": 2, "high": 3, "critical": 4}

// For returns the rule as the alert on an event shows it: with the severity,
// risk score and name that its mappings take from the event's document. Of
// several severities that apply the highest counts, as in Kibana.
func (r *Rule) For(doc map[string]any) *Rule {
	if len(r.SeverityMapping) == 0 && len(r.RiskScoreMapping) == 0 && r.NameOverride == "" {
		return r
	}
	shown := *r
	mapped := ""
	for _, m := range r.SeverityMapping {
		if holds(doc, m.Field, m.Value) && severityOrder[m.Severity] > severityOrder[mapped] {
			mapped = m.Severity
		}
	}
	if mapped != "" {
		shown.Severity = mapped
	}
	for _, m := range r.RiskScoreMapping {
		if score, ok := m.score(doc); ok {
			shown.RiskScore = score
			break
		}
	}
	if r.NameOverride != "" {
		if name, ok := firstOf(doc, r.NameOverride).(string); ok && strings.TrimSpace(name) != "" {
			shown.Name = clip(name)
		}
	}
	return &shown
}

// score returns the risk score that a document gives, 0 to 100: of an array
// the highest.
func (m *RiskScoreMapping) score(doc map[string]any) (float64, bool) {
	if m.RiskScore != nil {
		return float64(*m.RiskScore), holds(doc, m.Field, m.Value)
	}
	best, ok := 0.0, false
	for _, val := range Values(doc, m.Field) {
		if n, is := number(val); is && n >= 0 && n <= 100 {
			best, ok = max(best, n), true
		}
	}
	return best, ok
}

func holds(doc map[string]any, field, value string) bool {
	for _, val := range Values(doc, field) {
		if text(val) == value {
			return true
		}
	}
	return false
}

func firstOf(doc map[string]any, field string) any {
	if vals := Values(doc, field); len(vals) > 0 {
		return vals[0]
	}
	return nil
}

func number(val any) (float64, bool) {
	var n float64
	switch val := val.(type) {
	case int64:
		n = float64(val)
	case uint64:
		n = float64(val)
	case float64:
		n = val
	case string:
		var err error
		if n, err = strconv.ParseFloat(strings.TrimSpace(val), 64); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	return n, !math.IsNaN(n) && !math.IsInf(n, 0)
}
