package alert

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	jsoniter "github.com/json-iterator/go"
)

// Rule is what an alert says about its rule.
type Rule struct {
	ID, UUID    string
	Name        string
	Description string
	Severity    string // low, medium, high or critical
	RiskScore   int
	Tags        []string
	Threat      []any // as Kibana stores it
	References  []string
	Parameters  map[string]any // the rule as Kibana would hold it
	Interval    string         // such as 5m
	Window      string         // such as 10d
	Fields      []string       // the term fields, in order
	Building    string         // building_block_type, "" if none
}

// Finding is one new tuple and what is known around it.
type Finding struct {
	Terms    []any     // one a field, in the rule's order
	Time     time.Time // of the first event
	Detected time.Time // now
	Tag      string    // the tag that the event came under
	Instance string    // the output instance that found it, "" outside Fluent Bit
	UUID     string

	Expired       bool      // the tuple was known once
	FirstSeen     time.Time // zero unless Expired
	LastSeen      time.Time // likewise
	Novel         []bool    // by field: the term alone is new to the rule
	NovelUnsure   bool      // the rule has forgotten tuples, so a term not marked novel may be
	Known         int       // tuples that the rule knows, this one not counted
	LearningSince time.Time // when the rule began to learn
	Truncated     int       // combinations of the event that were not looked at
	Count         uint32    // sightings of the tuple so far
}

var stable = jsoniter.Config{SortMapKeys: true}.Froze()

// Encode returns a document as one line of JSON, keys in order.
func Encode(doc map[string]any) ([]byte, error) { return stable.Marshal(doc) }

// Document turns the event's document, which it takes over, into the alert.
//
// Source: Kibana, "Alert schema"; the keys are flat, as Kibana writes them.
func Document(doc map[string]any, r *Rule, f *Finding) map[string]any {
	if doc == nil {
		doc = make(map[string]any)
	}
	originalTime := f.Time
	eventFields(doc, func(name string, val any) {
		doc["kibana.alert.original_event."+name] = val
	})
	setEventKind(doc, "signal")
	doc["@timestamp"] = Timestamp(f.Detected)
	doc["kibana.alert.original_time"] = Timestamp(originalTime)
	ruleKeys(doc, r)
	doc["kibana.alert.uuid"] = f.UUID
	doc["kibana.alert.status"] = "active"
	doc["kibana.alert.workflow_status"] = "open"
	doc["kibana.alert.depth"] = 1
	doc["kibana.alert.start"] = Timestamp(f.Detected)
	doc["kibana.alert.last_detected"] = Timestamp(f.Detected)
	doc["kibana.alert.new_terms"] = f.Terms
	doc["kibana.alert.reason"] = reason(doc, r)
	doc["newterms"] = explanation(r, f)
	sanitize(doc)
	return doc
}

// ruleKeys sets the keys that every record of a rule has, alert or summary.
func ruleKeys(doc map[string]any, r *Rule) {
	doc["kibana.alert.severity"] = r.Severity
	doc["kibana.alert.risk_score"] = r.RiskScore
	doc["kibana.alert.rule.rule_id"] = r.ID
	doc["kibana.alert.rule.uuid"] = r.UUID
	doc["kibana.alert.rule.name"] = r.Name
	doc["kibana.alert.rule.type"] = "new_terms"
	doc["kibana.alert.rule.category"] = "New Terms Rule"
	doc["kibana.alert.rule.producer"] = "siem"
	doc["kibana.alert.rule.consumer"] = "siem"
	doc["kibana.alert.rule.interval"] = r.Interval
	doc["kibana.alert.rule.parameters"] = r.Parameters
	doc["kibana.space_ids"] = []string{"default"}
	setIf(doc, "kibana.alert.rule.description", r.Description)
	setIf(doc, "kibana.alert.building_block_type", r.Building)
	if len(r.Tags) > 0 {
		doc["kibana.alert.rule.tags"] = r.Tags
	}
	if len(r.Threat) > 0 {
		doc["kibana.alert.rule.threat"] = r.Threat
	}
	if len(r.References) > 0 {
		doc["kibana.alert.rule.references"] = r.References
	}
}

func setIf(doc map[string]any, key, val string) {
	if val != "" {
		doc[key] = val
	}
}

// Timestamp writes a time as Elasticsearch's date fields take it.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// eventFields calls fn for the fields of event.* in doc, nested or dotted,
// less event.original: the alert has the document itself.
func eventFields(doc map[string]any, fn func(name string, val any)) {
	found := make(map[string]any)
	if m, ok := doc["event"].(map[string]any); ok {
		for k, v := range m {
			found[k] = v
		}
	}
	for k, v := range doc {
		if name, ok := strings.CutPrefix(k, "event."); ok {
			found[name] = v
		}
	}
	delete(found, "original")
	for k, v := range found {
		fn(k, v)
	}
}

// setEventKind sets event.kind where the document has it, nested or dotted.
func setEventKind(doc map[string]any, kind string) {
	event, nested := doc["event"].(map[string]any)
	if _, dotted := doc["event.kind"]; dotted || !nested && doc["event"] != nil {
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

// reason says in one sentence what happened, as Kibana's alerts do.
func reason(doc map[string]any, r *Rule) string {
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
	return b.String()
}

// lookup returns the scalar, or first scalar, at a dotted path, as text.
func lookup(doc map[string]any, path string) string {
	val := find(doc, path)
	if list, ok := val.([]any); ok && len(list) > 0 {
		val = list[0]
	}
	switch val := val.(type) {
	case nil, map[string]any, []any:
		return ""
	case string:
		return clip(val)
	default:
		return fmt.Sprint(val)
	}
}

// find returns what doc holds at a path, however its names are split.
func find(doc map[string]any, path string) any {
	if val, ok := doc[path]; ok {
		return val
	}
	for i := len(path) - 1; i > 0; i-- {
		if path[i] != '.' {
			continue
		}
		if m, ok := doc[path[:i]].(map[string]any); ok {
			if val := find(m, path[i+1:]); val != nil {
				return val
			}
		}
	}
	return nil
}

// Find returns what a document holds at a dotted path, nil if nothing.
func Find(doc map[string]any, path string) any { return find(doc, path) }

// clip shortens a value to what a sentence can carry.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	for i := most; ; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i] + "…"
		}
	}
}

// sanitize makes every string of a document valid UTF-8: receivers refuse
// whole batches for one bad byte.
func sanitize(val any) any {
	switch val := val.(type) {
	case string:
		return strings.ToValidUTF8(val, "\uFFFD")
	case map[string]any:
		for k, e := range val {
			clean := sanitize(e)
			if !utf8.ValidString(k) {
				delete(val, k)
				k = strings.ToValidUTF8(k, "\uFFFD")
			}
			val[k] = clean
		}
	case []any:
		for i, e := range val {
			val[i] = sanitize(e)
		}
	}
	return val
}
