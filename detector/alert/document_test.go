package alert

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	jsoniter "github.com/json-iterator/go"
)

// fieldTypes are the types that Elasticsearch's indices of alerts give the keys
// that we write. An object is mapped by its leaves.
//
// Source: Kibana, the field maps of packages kbn-alerts-as-data-utils (alert,
// legacy alert) and security_solution common/field_maps; ECS 8 for event.
var fieldTypes = map[string]string{
	"@timestamp": "date", "kibana.space_ids": "keyword",
	"kibana.alert.building_block_type": "keyword", "kibana.alert.depth": "long", "kibana.alert.last_detected": "date",
	"kibana.alert.new_terms": "keyword", "kibana.alert.original_time": "date", "kibana.alert.reason": "keyword",
	"kibana.alert.risk_score": "float", "kibana.alert.severity": "keyword", "kibana.alert.start": "date",
	"kibana.alert.status": "keyword", "kibana.alert.uuid": "keyword", "kibana.alert.workflow_status": "keyword",
	"kibana.alert.suppression.terms.field": "keyword", "kibana.alert.suppression.terms.value": "keyword",
	"kibana.alert.suppression.start": "date", "kibana.alert.suppression.end": "date", "kibana.alert.suppression.docs_count": "long",
	"kibana.alert.rule.author": "keyword", "kibana.alert.rule.category": "keyword", "kibana.alert.rule.consumer": "keyword",
	"kibana.alert.rule.description": "keyword", "kibana.alert.rule.false_positives": "keyword", "kibana.alert.rule.from": "keyword",
	"kibana.alert.rule.interval": "keyword", "kibana.alert.rule.license": "keyword", "kibana.alert.rule.max_signals": "long",
	"kibana.alert.rule.name": "keyword", "kibana.alert.rule.parameters": "flattened", "kibana.alert.rule.producer": "keyword",
	"kibana.alert.rule.references": "keyword", "kibana.alert.rule.rule_id": "keyword", "kibana.alert.rule.rule_name_override": "keyword",
	"kibana.alert.rule.tags": "keyword", "kibana.alert.rule.timestamp_override": "keyword", "kibana.alert.rule.type": "keyword",
	"kibana.alert.rule.uuid": "keyword", "kibana.alert.rule.version": "keyword",
	"kibana.alert.rule.threat.framework": "keyword", "kibana.alert.rule.threat.tactic.id": "keyword",
	"kibana.alert.rule.threat.tactic.name": "keyword", "kibana.alert.rule.threat.tactic.reference": "keyword",
	"kibana.alert.rule.threat.technique.id": "keyword", "kibana.alert.rule.threat.technique.name": "keyword",
	"kibana.alert.rule.threat.technique.reference":       "keyword",
	"kibana.alert.rule.threat.technique.subtechnique.id": "keyword", "kibana.alert.rule.threat.technique.subtechnique.name": "keyword",
	"kibana.alert.rule.threat.technique.subtechnique.reference": "keyword",
	"kibana.alert.original_event.action":                        "keyword", "kibana.alert.original_event.agent_id_status": "keyword",
	"kibana.alert.original_event.category": "keyword", "kibana.alert.original_event.code": "keyword",
	"kibana.alert.original_event.created": "date", "kibana.alert.original_event.dataset": "keyword",
	"kibana.alert.original_event.duration": "keyword", "kibana.alert.original_event.end": "date",
	"kibana.alert.original_event.hash": "keyword", "kibana.alert.original_event.id": "keyword",
	"kibana.alert.original_event.ingested": "date", "kibana.alert.original_event.kind": "keyword",
	"kibana.alert.original_event.module": "keyword", "kibana.alert.original_event.outcome": "keyword",
	"kibana.alert.original_event.provider": "keyword", "kibana.alert.original_event.reason": "keyword",
	"kibana.alert.original_event.reference": "keyword", "kibana.alert.original_event.risk_score": "float",
	"kibana.alert.original_event.risk_score_norm": "float", "kibana.alert.original_event.sequence": "long",
	"kibana.alert.original_event.severity": "long", "kibana.alert.original_event.start": "date",
	"kibana.alert.original_event.timezone": "keyword", "kibana.alert.original_event.type": "keyword",
	"kibana.alert.original_event.url": "keyword",
	"event.kind":                      "keyword", "event.original": "keyword", "event.action": "keyword",
	// Ours, as dynamic mapping makes them of the first document: a value of
	// another type would be refused. Terms are what they are; map them as
	// keywords.
	"newterms.verdict": "keyword", "newterms.explanation": "text", "newterms.fields": "keyword", "newterms.novel_fields": "keyword",
	"newterms.known_tuples": "long", "newterms.window": "keyword", "newterms.tag": "keyword", "newterms.instance": "keyword",
	"newterms.novel_unsure": "boolean", "newterms.learning_since": "date", "newterms.first_seen": "date", "newterms.last_seen": "date",
	"newterms.count": "long", "newterms.combinations_not_looked_at": "long", "newterms.summary": "keyword", "newterms.terms": "keyword",
	"newterms.terms_not_listed": "long", "newterms.start": "date", "newterms.end": "date",
	"newterms.rule_id": "keyword", "newterms.rule_name": "keyword",
}

func fullRule() *Rule {
	return &Rule{
		ID: "r1", UUID: RuleUUID("r1"), Name: "New user", Description: "d", Severity: "low", RiskScore: 21.5,
		Tags: []string{"a"}, References: []string{"https://example.org"}, FalsePositives: []string{"f"}, Author: []string{"me"},
		License: "l", Version: 3, From: "now-9m", MaxSignals: 100, Interval: "5m", Window: "7d", Fields: []string{"user.name", "n"},
		Building: "default", TimestampOverride: "event.ingested", NameOverride: "x.y",
		Parameters: jsoniter.RawMessage(`{"list":["x"],"query":"a: b","risk_score":21}`),
		Threat: []any{map[string]any{"framework": "MITRE ATT&CK",
			"tactic": map[string]any{"id": "TA0002", "name": "Execution", "reference": "https://example.org"},
			"technique": []any{map[string]any{"id": "T1", "name": "n", "reference": "r",
				"subtechnique": []any{map[string]any{"id": "T1.1", "name": "n", "reference": "r"}}}}}},
	}
}

func fullFinding() *Finding {
	at := time.Date(2026, 3, 1, 10, 0, 0, 5e6, time.UTC)
	return &Finding{
		Terms: []any{"alice", int64(5)}, Time: at, Detected: at.Add(time.Second), Tag: "kube.audit", Instance: "newterms.0",
		UUID: UUID("r1", []byte("t"), at, 0), Verdict: Expired, FirstSeen: at, LastSeen: at, Novel: []bool{true, false},
		NovelUnsure: true, Known: 7, LearningSince: at, Truncated: 3, Count: 2,
		Suppression: &Suppression{Terms: []SuppressionTerm{{"host.name", "h"}, {"n", nil}, {"l", []any{"x", int64(5)}}}, Start: at, End: at},
	}
}

func fullEvent() map[string]any {
	return map[string]any{"user": map[string]any{"name": "alice"}, "event": map[string]any{
		"kind": "event", "action": "login", "severity": int64(5), "risk_score": 4.5, "category": []any{"a", "b"},
		"created": "2026-03-01T10:00:00Z", "original": "{}", "own": map[string]any{"x": "y"},
	}}
}

// TestFieldTypes checks every key of every kind of record against the type that
// its index gives it.
func TestFieldTypes(t *testing.T) {
	at := time.UnixMilli(300_000_000_000)
	records := map[string]map[string]any{
		"alert":   Document(NewEvent(fullEvent()), fullRule(), fullFinding(), false),
		"matched": MatchedDocument(NewEvent(nil), fullRule(), fullFinding()),
		"limit":   SummaryDocument(fullRule(), &Summary{Kind: Limited, Count: 2, Terms: [][]any{{"a", int64(5)}}, Start: at, End: at}, at, "i"),
		"learned": SummaryDocument(fullRule(), &Summary{Kind: Learned, Count: 2, Start: at, End: at}, at, "i"),
		"suppressed": SummaryDocument(fullRule(), &Summary{Kind: Suppressed, Count: 2, Start: at, End: at, UUID: "u", OriginalTime: at,
			Suppression: fullFinding().Suppression}, at, "i"),
	}
	for name, doc := range records {
		t.Run(name, func(t *testing.T) {
			text, err := Encode(doc)
			if err != nil {
				t.Fatal(err)
			}
			var back map[string]any
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatal(err)
			}
			for key := range back {
				if key == "user" {
					delete(back, key)
				}
			}
			checkTypes(t, "", back)
		})
	}
}

func checkTypes(t *testing.T, path string, val any) {
	t.Helper()
	typ, known := fieldTypes[path]
	switch val := val.(type) {
	case map[string]any:
		if typ == "flattened" {
			return
		}
		if known {
			t.Errorf("%s is an object, and a %s in the index", path, typ)
			return
		}
		for k, e := range val {
			if path == "event" && fieldTypes["event."+k] == "" {
				continue // the event's own
			}
			checkTypes(t, strings.TrimPrefix(path+"."+k, "."), e)
		}
		return
	case []any:
		for _, e := range val {
			checkTypes(t, path, e)
		}
		return
	case nil:
		return
	}
	text, isText := val.(string)
	n, isNumber := val.(float64)
	ok := false
	switch typ {
	case "keyword", "text":
		ok = isText || isNumber || val == true || val == false
		ok = ok && len(text) <= mostTerm
	case "date":
		_, err := time.Parse(time.RFC3339Nano, text)
		ok = isText && err == nil
	case "long":
		ok = isNumber && n == math.Trunc(n)
	case "float":
		ok = isNumber
	case "boolean":
		_, ok = val.(bool)
	}
	if !ok {
		t.Errorf("%s is %v (%T), and a %q in the index", path, val, val, typ)
	}
}

// TestEveryKey: an alert has each key that Elastic's have.
func TestEveryKey(t *testing.T) {
	doc := Document(NewEvent(fullEvent()), fullRule(), fullFinding(), false)
	for _, key := range []string{
		"uuid", "status", "workflow_status", "depth", "reason", "severity", "risk_score", "new_terms", "original_time",
		"original_event.kind", "original_event.action", "start", "last_detected", "building_block_type",
		"rule.name", "rule.uuid", "rule.rule_id", "rule.type", "rule.category", "rule.tags", "rule.threat", "rule.parameters",
		"rule.producer", "rule.consumer", "rule.interval",
		"suppression.terms", "suppression.start", "suppression.end", "suppression.docs_count",
	} {
		if doc["kibana.alert."+key] == nil {
			t.Errorf("no kibana.alert.%s", key)
		}
	}
	if kind := Find(doc, "event.kind"); kind != "signal" {
		t.Errorf("event.kind is %v", kind)
	}
	if doc["kibana.alert.original_event.original"] != nil || doc["kibana.alert.original_event.own"] != nil {
		t.Error("a field of event.* that the index has no place for")
	}
	if doc["kibana.alert.original_time"] != "2026-03-01T10:00:00.005Z" || doc["@timestamp"] != "2026-03-01T10:00:01.005Z" {
		t.Errorf("times %v and %v", doc["kibana.alert.original_time"], doc["@timestamp"])
	}
}

// TestHostileEvents: what an event brings cannot pass for ours, nor break the
// document.
func TestHostileEvents(t *testing.T) {
	tests := []struct {
		name  string
		event map[string]any
		check func(doc map[string]any) bool
	}{
		{"our keys, dotted", map[string]any{"kibana.alert.uuid": "x", "kibana.alert.evil": "x"}, func(d map[string]any) bool {
			return d["kibana.alert.uuid"] != "x" && d["kibana.alert.evil"] == nil
		}},
		{"our keys, nested", map[string]any{"kibana": map[string]any{"alert": "x"}, "signal": "s"}, func(d map[string]any) bool {
			return d["kibana"] == nil && d["signal"] == nil
		}},
		{"our object", map[string]any{"newterms": "x", "newterms.verdict": "known"}, func(d map[string]any) bool {
			return Find(d, "newterms.verdict") == "expired" && d["newterms.verdict"] == nil
		}},
		{"event as a text", map[string]any{"event": "line"}, func(d map[string]any) bool {
			return Find(d, "event.kind") == "signal" && Find(d, "event.original") == "line"
		}},
		{"event as a list", map[string]any{"event": []any{"x"}}, func(d map[string]any) bool { return Find(d, "event.kind") == "signal" }},
		{"event.kind dotted and nested", map[string]any{"event.kind": "a", "event": map[string]any{"kind": "b"}}, func(d map[string]any) bool {
			event, _ := d["event"].(map[string]any)
			return d["event.kind"] == "signal" && event["kind"] == nil
		}},
		{"bytes that are no text", map[string]any{"a\xff": []any{"b\xfe"}}, func(d map[string]any) bool { return d["a\uFFFD"] != nil }},
		{"numbers that are none", map[string]any{"n": math.NaN(), "l": []any{math.Inf(1)}}, func(d map[string]any) bool { return d["n"] == nil }},
		{"nothing", nil, func(d map[string]any) bool { return d["newterms"] != nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := Document(NewEvent(tt.event), fullRule(), fullFinding(), false)
			if !tt.check(doc) {
				t.Errorf("%v", doc)
			}
			if text, err := Encode(doc); err != nil || !json.Valid(text) {
				t.Errorf("%v: %s", err, text)
			}
		})
	}
}

func TestLongTerms(t *testing.T) {
	f := fullFinding()
	f.Terms = []any{strings.Repeat("é", 40000), "bad\xff"}
	f.Tag = "t\xff"
	list := Document(NewEvent(nil), fullRule(), f, false)["kibana.alert.new_terms"].([]any)
	if s := list[0].(string); len(s) > mostTerm || !strings.HasSuffix(s, "é…") {
		t.Errorf("%d bytes, ends with %q", len(s), s[len(s)-8:])
	}
	if list[1] != "bad\uFFFD" {
		t.Errorf("%q", list[1])
	}
}

func TestReason(t *testing.T) {
	what := whatIsNew(fullRule(), fullFinding())
	tests := []struct {
		doc  map[string]any
		want string
	}{
		{map[string]any{}, "event created low alert New user. " + what},
		{map[string]any{"user": map[string]any{"name": "a"}, "host.name": "h"}, "event by a on h created low alert New user. " + what},
		{map[string]any{"event": map[string]any{"category": []any{"file", "x"}}, "file.name": "f"}, "file event, file f created low alert New user. " + what},
		{map[string]any{"source": map[string]any{"ip": []any{"10.0.0.1"}}}, "event with source 10.0.0.1 created low alert New user. " + what},
		{map[string]any{"process": map[string]any{"name": strings.Repeat("x", 300)}}, "event with process " + strings.Repeat("x", 197) + "… created low alert New user. " + what},
	}
	for _, tt := range tests {
		if got := reason(tt.doc, fullRule(), fullFinding()); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestExplain(t *testing.T) {
	one, two := &Rule{Fields: []string{"a"}, Window: "7d"}, &Rule{Fields: []string{"a", "b"}, Window: "7d"}
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		r    *Rule
		f    Finding
		want string
	}{
		{"one field", one, Finding{Terms: []any{"x"}, Known: 1}, `a "x" has not been seen before. The rule knows 1 other tuple.`},
		{"every term", two, Finding{Terms: []any{"x", int64(5)}, Novel: []bool{true, true}}, `None of the terms has been seen before: a "x" and b 5. The rule knows 0 other tuples.`},
		{"one of two", two, Finding{Terms: []any{"x", true}, Novel: []bool{false, true}}, `b true has not been seen before; a is known. The rule knows 0 other tuples.`},
		{"the combination", two, Finding{Terms: []any{"x", "y"}, Novel: []bool{false, false}}, `Every term is known, but not in this combination. The rule knows 0 other tuples.`},
		{"expired", two, Finding{Terms: []any{"x", "y"}, Verdict: Expired, LastSeen: at}, `Last seen 2026-03-01T10:00:00.000Z, longer ago than the window of 7d. The rule knows 0 other tuples.`},
		{"missing", two, Finding{Terms: []any{"x", nil}, Verdict: Missing}, `The event matches the rule and lacks b. The rule knows 0 other tuples.`},
		{"since, truncated", one, Finding{Terms: []any{"x"}, LearningSince: at, Truncated: 5}, `a "x" has not been seen before. The rule knows 0 other tuples and has been learning since 2026-03-01T10:00:00.000Z. The event holds 5 more combinations, which were not looked at.`},
		{"control characters", one, Finding{Terms: []any{"x\n\x1b[31m"}}, `a "x\n\x1b[31m" has not been seen before. The rule knows 0 other tuples.`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Explain(tt.r, &tt.f); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFor(t *testing.T) {
	eleven := 11
	r := fullRule()
	r.SeverityMapping = []SeverityMapping{{"s", "1", "medium"}, {"s", "2", "critical"}, {"s", "3", "high"}}
	r.RiskScoreMapping = []RiskScoreMapping{{Field: "old", Value: "v", RiskScore: &eleven}, {Field: "risk"}}
	r.NameOverride = "title"
	tests := []struct {
		name  string
		doc   map[string]any
		want  string
		score float64
		title string
	}{
		{"nothing", map[string]any{}, "low", 21.5, "New user"},
		{"a number as a text", map[string]any{"s": int64(2), "risk": "50"}, "critical", 50, "New user"},
		{"the highest of several", map[string]any{"s": []any{"1", "3"}, "risk": []any{int64(5), 60.5, int64(300)}}, "high", 60.5, "New user"},
		{"the older form", map[string]any{"old": "v", "risk": int64(90)}, "low", 11, "New user"},
		{"a name", map[string]any{"title": "T"}, "low", 21.5, "T"},
		{"no name", map[string]any{"title": " ", "risk": "high"}, "low", 21.5, "New user"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.For(tt.doc)
			if got.Severity != tt.want || got.RiskScore != tt.score || got.Name != tt.title {
				t.Errorf("%s, %v, %q; want %s, %v, %q", got.Severity, got.RiskScore, got.Name, tt.want, tt.score, tt.title)
			}
		})
	}
	if r.Severity != "low" || r.Name != "New user" {
		t.Error("the rule itself has changed")
	}
}

func TestUUID(t *testing.T) {
	at, week := time.UnixMilli(300_000_000_000), 7*24*time.Hour
	id := UUID("r", []byte("t"), at, week)
	if id != UUID("r", []byte("t"), at, week) {
		t.Error("it is not stable")
	}
	// Pinned: receivers have stored it.
	if want := "d2184d57-cd1f-8a10-b2c9-c0ea57849670"; id != want {
		t.Errorf("%s, want %s", id, want)
	}
	others := []string{
		UUID("R", []byte("t"), at, week), UUID("r", []byte("T"), at, week), UUID("r", []byte("t"), at.Add(week+1), week),
		UUID("rt", nil, at, week), EventUUID("r", []byte("t"), at, nil), EventUUID("r", []byte("t"), at, []byte("e")),
		EventUUID("r", []byte("t"), at.Add(time.Millisecond), nil),
	}
	slices.Sort(others)
	if len(slices.Compact(append(slices.Clone(others), id))) != len(others)+1 {
		t.Errorf("two are one: %v", others)
	}
	if RuleUUID("12345678-1234-1234-1234-123456789abc") != "12345678-1234-1234-1234-123456789abc" || RuleUUID("x") == RuleUUID("y") {
		t.Error("a rule's uuid is not its own")
	}
}
