package alert

import (
	"fmt"
	"strings"
	"time"

	jsoniter "github.com/json-iterator/go"
)

// Rule is what an alert says about its rule.
type Rule struct {
	Type           string // new_terms or query, which has no Fields and no Window
	ID, UUID       string
	Name           string
	Description    string
	Severity       string  // low, medium, high or critical
	RiskScore      float64 // 0 to 100
	Tags           []string
	Threat         []any // as Kibana stores it
	References     []string
	FalsePositives []string
	Author         []string
	License        string
	Version        int                 // 0 where the rule gives none
	From           string              // such as now-9m
	MaxSignals     int                 // alerts an interval
	Parameters     jsoniter.RawMessage // the rule as Kibana would hold it, encoded: every alert has it
	Interval       string              // such as 5m
	Window         string              // such as 10d
	Fields         []string            // the term fields, in order
	Building       string              // building_block_type, "" if none

	TimestampOverride string
	NameOverride      string // the field that holds the name to show, "" if none
	SeverityMapping   []SeverityMapping
	RiskScoreMapping  []RiskScoreMapping
}

func (r *Rule) isQuery() bool { return r.Type == "query" }

// Finding is one new tuple and what is known around it.
type Finding struct {
	Terms    []any     // one a field, in the rule's order
	Time     time.Time // of the first event
	Detected time.Time // now
	Tag      string    // the tag that the event came under
	Instance string    // the output instance that found it, "" outside Fluent Bit
	UUID     string

	Verdict       Verdict
	FirstSeen     time.Time // of the tuple; of an expired one, when it was known
	LastSeen      time.Time // the sighting before this one; of a new tuple, this one
	Novel         []bool    // by field: the term alone is new to the rule
	NovelUnsure   bool      // the rule has forgotten tuples, so a term not marked novel may be
	Known         int       // tuples that the rule knows, this one not counted
	LearningSince time.Time // when the rule began to learn
	Truncated     int       // combinations of the event that were not looked at
	Count         uint32    // sightings of the tuple since it was new, this one included

	Variant     *Variant     // what it is a variant of, nil for other verdicts
	Suppression *Suppression // nil where the rule suppresses nothing
}

// Verdict says what a tuple was when its event came.
type Verdict uint8

// The verdicts.
const (
	New         Verdict = iota // never seen
	Expired                    // seen longer ago than the window
	Missing                    // the event lacks a term field, and the rule alerts on that
	Match                      // the event matches a rule of type query
	VariantSeen                // only a combination with the same form was seen inside the window
	Known                      // seen inside the window: no alert
)

var verdictNames = [...]string{New: "new", Expired: "expired", Missing: "missing", Match: "match", VariantSeen: "variant", Known: "known"}

// String returns the name that records have.
func (v Verdict) String() string { return verdictNames[v] }

// Document returns the alert on an event. r is the rule as the event shows it: see
// Rule.For. small asks for the smallest form of a long event.
//
// data_stream.* is what the event has: documents made of raw events have none,
// on purpose, since it names the stream that the event would have gone to, and
// an index of another stream refuses it.
//
// Source: Kibana, "Alert schema"; the keys are flat, as Kibana writes them.
func Document(e *Event, r *Rule, f *Finding, small bool) map[string]any {
	doc, cut := e.document(small)
	claim(doc)
	originalEvent(doc)
	setEventKind(doc, "signal")
	doc["@timestamp"] = Timestamp(f.Detected)
	ruleKeys(doc, r)
	doc["kibana.alert.original_time"] = Timestamp(f.Time)
	doc["kibana.alert.uuid"] = f.UUID
	doc["kibana.alert.status"] = "active"
	doc["kibana.alert.workflow_status"] = "open"
	doc["kibana.alert.depth"] = 1
	doc["kibana.alert.start"] = Timestamp(f.Detected)
	doc["kibana.alert.last_detected"] = Timestamp(f.Detected)
	if f.Verdict != Match {
		doc["kibana.alert.new_terms"] = clipTerms(f.Terms)
	}
	doc["kibana.alert.reason"] = reason(doc, r, f)
	if f.Suppression != nil {
		setSuppression(doc, f.Suppression)
	}
	own := explanation(r, f)
	if len(cut) > 0 {
		own["shortened_fields"], own["original_bytes"] = anys(cut), e.size
	}
	doc["newterms"] = own
	return doc
}

func clipTerms(terms []any) []any {
	out := make([]any, len(terms))
	for i, t := range terms {
		out[i] = clipTerm(t)
	}
	return out
}

// ruleKeys sets the keys that every record of a rule has, alert or summary.
func ruleKeys(doc map[string]any, r *Rule) {
	doc["kibana.alert.severity"] = r.Severity
	doc["kibana.alert.risk_score"] = r.RiskScore
	doc["kibana.alert.rule.rule_id"] = r.ID
	doc["kibana.alert.rule.uuid"] = r.UUID
	doc["kibana.alert.rule.name"] = r.Name
	doc["kibana.alert.rule.type"] = r.Type
	doc["kibana.alert.rule.category"] = "New Terms Rule"
	if r.isQuery() {
		doc["kibana.alert.rule.category"] = "Custom Query Rule"
	}
	doc["kibana.alert.rule.producer"] = "siem"
	doc["kibana.alert.rule.consumer"] = "siem"
	doc["kibana.alert.rule.interval"] = r.Interval
	doc["kibana.alert.rule.parameters"] = r.Parameters
	doc["kibana.space_ids"] = []string{"default"}
	setIf(doc, "kibana.alert.rule.description", r.Description)
	setIf(doc, "kibana.alert.building_block_type", r.Building)
	setIf(doc, "kibana.alert.rule.license", r.License)
	setIf(doc, "kibana.alert.rule.from", r.From)
	setIf(doc, "kibana.alert.rule.rule_name_override", r.NameOverride)
	setIf(doc, "kibana.alert.rule.timestamp_override", r.TimestampOverride)
	if r.Version > 0 {
		doc["kibana.alert.rule.version"] = r.Version
	}
	if r.MaxSignals > 0 {
		doc["kibana.alert.rule.max_signals"] = r.MaxSignals
	}
	setList(doc, "kibana.alert.rule.tags", r.Tags)
	setList(doc, "kibana.alert.rule.references", r.References)
	setList(doc, "kibana.alert.rule.author", r.Author)
	setList(doc, "kibana.alert.rule.false_positives", r.FalsePositives)
	if len(r.Threat) > 0 {
		doc["kibana.alert.rule.threat"] = r.Threat
	}
}

func setList(doc map[string]any, key string, list []string) {
	if len(list) > 0 {
		doc[key] = list
	}
}

func setIf(doc map[string]any, key, val string) {
	if val != "" {
		doc[key] = val
	}
}

// Timestamp writes a time as Elasticsearch's date fields take it.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// originalEventFields are the fields of event.* that the index of alerts has a
// place for, less event.original: the alert has the document itself.
var originalEventFields = []string{
	"action", "agent_id_status", "category", "code", "created", "dataset", "duration", "end", "hash", "id",
	"ingested", "kind", "module", "outcome", "provider", "reason", "reference", "risk_score", "risk_score_norm",
	"sequence", "severity", "start", "timezone", "type", "url",
}

// originalEvent keeps what the event said of itself.
func originalEvent(doc map[string]any) {
	for _, name := range originalEventFields {
		val := Find(doc, "event."+name)
		if _, object := val.(map[string]any); val != nil && !object {
			doc["kibana.alert.original_event."+name] = val
		}
	}
}

// setEventKind sets event.kind where the document has it, nested or dotted.
func setEventKind(doc map[string]any, kind string) {
	event, nested := doc["event"].(map[string]any)
	if _, dotted := doc["event.kind"]; dotted {
		doc["event.kind"] = kind
		if nested {
			delete(event, "kind")
		}
		return
	}
	if !nested {
		event = make(map[string]any)
		doc["event"] = event
	}
	event["kind"] = kind
}

// reason says what happened, as Kibana's alerts do, and what is new about it.
func reason(doc map[string]any, r *Rule, f *Finding) string {
	var b strings.Builder
	if category := lookup(doc, "event.category"); category != "" {
		b.WriteString(category + " ")
	}
	b.WriteString("event")
	for _, part := range [...]struct{ words, field string }{
		{" with process ", "process.name"},
		{", file ", "file.name"},
		{", source ", "source.ip"},
		{", destination ", "destination.ip"},
		{" by ", "user.name"},
		{" on ", "host.name"},
	} {
		if val := lookup(doc, part.field); val != "" {
			words := part.words
			if b.Len() == len("event") && strings.HasPrefix(words, ",") {
				words = " with" + words[1:]
			}
			b.WriteString(words + val)
		}
	}
	fmt.Fprintf(&b, " created %s alert %s.", r.Severity, r.Name)
	if f.Verdict != Match {
		b.WriteString(" " + whatIsNew(r, f))
	}
	return b.String()
}
