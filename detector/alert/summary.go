package alert

import (
	"fmt"
	"time"
)

// SummaryKind says what a summary stands for.
type SummaryKind uint8

// The kinds of a Summary.
const (
	Limited    SummaryKind = iota // tuples over the limit of an interval
	Learned                       // tuples that a learning rule recorded
	Suppressed                    // alerts of a group, after the first
	Variants                      // variants of known combinations
)

var summaryNames = [...]string{Limited: "limit", Learned: "learned", Suppressed: "suppressed", Variants: "variants"}

// String returns the name that records have.
func (k SummaryKind) String() string { return summaryNames[k] }

// Summary is a record that stands for many tuples.
type Summary struct {
	Kind       SummaryKind
	Count      uint64
	Terms      [][]any // as many as it can carry
	Noisy      []NoisyGroup
	Start, End time.Time // the period that it is for
	First      time.Time // of the events
	Last       time.Time
	MaxAlerts  int

	// Of Variants: what changed, how often it did beyond what is listed, and how
	// many combinations have a change that is marked.
	Changes          []ChangeCount
	ChangesNotListed uint64
	Marked           uint64

	// Of Suppressed: the alert that it updates.
	UUID         string
	OriginalTime time.Time
	Suppression  *Suppression
}

// NoisyGroup stands for the combinations of one noisy group in a summary: what a
// source that brings in very many has in common.
type NoisyGroup struct {
	Count  uint64
	Sample []any // the terms of its first combination
}

// SummaryDocument makes the record of a summary. One of tuples over the limit
// is a signal like the alerts that it stands for; one of what was learned
// tells a state. newterms.terms holds the terms as they are, numbers as numbers:
// an index maps it as a keyword.
//
// One of suppressed alerts is an update: it has the uuid of the alert that
// left first, and what there is to say once the period is over, the count
// above all. It is a part of a document, without the event: a receiver merges
// it into the one with that uuid (in Elasticsearch, an upsert with the uuid as
// _id), or shows it beside.
func SummaryDocument(r *Rule, s *Summary, detected time.Time, instance string) map[string]any {
	words := s.words(r)
	terms := make([]any, len(s.Terms))
	for i, t := range s.Terms {
		row := make([]any, len(t))
		for k, val := range t {
			row[k] = clipTerm(val)
		}
		terms[i] = row
	}
	listed := uint64(len(s.Terms))
	noisy := make([]any, len(s.Noisy))
	for i, g := range s.Noisy {
		listed += g.Count
		noisy[i] = map[string]any{"count": g.Count, "sample": clipTerms(g.Sample)}
	}
	own := map[string]any{
		"summary":     s.Kind.String(),
		"explanation": words,
		"count":       s.Count,
		"start":       Timestamp(s.Start),
		"end":         Timestamp(s.End),
	}
	if !r.isQuery() {
		own["fields"] = anys(r.Fields)
		own["terms"], own["terms_not_listed"] = terms, s.Count-min(listed, s.Count)
	}
	if len(noisy) > 0 {
		own["noisy_groups"] = noisy
	}
	if instance != "" {
		own["instance"] = instance
	}
	if s.Kind == Variants {
		own["changes"], own["changes_not_listed"], own["marked"] = s.changeObjects(r), s.ChangesNotListed, s.Marked
	}
	kind := "signal"
	if s.Kind == Learned || s.Kind == Variants && s.Marked == 0 {
		kind = "state"
	}
	doc := map[string]any{
		"@timestamp": Timestamp(detected),
		"event":      map[string]any{"kind": kind},
		"newterms":   own,
	}
	ruleKeys(doc, r)
	doc["kibana.alert.status"] = "active"
	doc["kibana.alert.workflow_status"] = "open"
	if s.Kind == Suppressed {
		// The alert's own reason, severity, risk and name are not touched:
		// they may follow from its event.
		for _, key := range [...]string{"kibana.alert.severity", "kibana.alert.risk_score", "kibana.alert.rule.name"} {
			delete(doc, key)
		}
		doc["kibana.alert.uuid"] = s.UUID
		doc["kibana.alert.original_time"] = Timestamp(s.OriginalTime)
		doc["kibana.alert.last_detected"] = Timestamp(detected)
		doc["@timestamp"] = Timestamp(s.Start)
		setSuppression(doc, s.Suppression)
		return doc
	}
	doc["kibana.alert.reason"] = words
	doc["kibana.alert.uuid"] = UUID(r.ID, fmt.Appendf(nil, "summary %s %d %s", s.Kind, s.Start.UnixMilli(), instance), s.Start, 0)
	return doc
}

func (s *Summary) words(r *Rule) string {
	between := fmt.Sprintf("between %s and %s", Timestamp(s.First), Timestamp(s.Last))
	switch s.Kind {
	case Learned:
		return fmt.Sprintf("%s is learning: %s %s.", r.Name, plural(int(s.Count), "new tuple"), between)
	case Variants:
		return fmt.Sprintf("%s: %s of known ones %s: %s.", r.Name, plural(int(s.Count), "variant"), between, s.changeWords(r))
	case Suppressed:
		return fmt.Sprintf("%s: %s of the same group suppressed %s.", r.Name, plural(int(s.Count), "further alert"), between)
	}
	noun := "new tuple"
	if r.isQuery() {
		noun = "further alert"
	}
	return fmt.Sprintf("%s: %s over the limit of %s an interval (%s), %s.",
		r.Name, plural(int(s.Count), noun), plural(s.MaxAlerts, "alert"), r.Interval, between)
}
