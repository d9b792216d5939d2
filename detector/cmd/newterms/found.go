package main

import (
	"bytes"
	"time"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/engine"
)

var jsonNumbers = jsoniter.Config{UseNumber: true, EscapeHTML: false, SortMapKeys: true}.Froze()

// found is what an alert, or a summary, says, for those who show it.
type found struct {
	RuleID   string `json:"kibana.alert.rule.rule_id"`
	Rule     string `json:"kibana.alert.rule.name"`
	Severity string `json:"kibana.alert.severity"`
	Terms    []any  `json:"kibana.alert.new_terms"`
	UUID     string `json:"kibana.alert.uuid"`
	Own      struct {
		Verdict     string   `json:"verdict"`
		Explanation string   `json:"explanation"`
		Fields      []string `json:"fields"`
		Novel       []string `json:"novel_fields"`
		Known       int      `json:"known_tuples"`
		Window      string   `json:"window"`
		LastSeen    string   `json:"last_seen"`
		File        string   `json:"file"`
		Line        int      `json:"line"`

		Summary string  `json:"summary"` // what a summary is of; "" for an alert
		Count   uint64  `json:"count"`   // of the tuples of a summary, the sightings of an alert
		Listed  [][]any `json:"terms"`
	} `json:"newterms"`

	Time time.Time `json:"-"` // of the event, UTC
	Body []byte    `json:"-"` // the whole alert
}

// Kinds of summaries.
const (
	ofLimit      = "limit"
	ofLearned    = "learned"
	ofSuppressed = "suppressed"
)

// read reads an alert. What it lacks stays empty: an alert that could not be
// written whole still has its rule.
func read(a *engine.Alert) *found {
	f := &found{}
	d := jsonNumbers.NewDecoder(bytes.NewReader(a.Body))
	_ = d.Decode(f)
	f.RuleID, f.Time, f.Body = a.Rule, time.UnixMilli(a.Time).UTC(), a.Body
	if f.Rule == "" {
		f.Rule = a.RuleName
	}
	return f
}

// readAlert reads an alert, or a summary, that was written somewhere; nil if it
// is none.
func readAlert(body []byte) *found {
	var when struct {
		Event time.Time `json:"kibana.alert.original_time"`
		Made  time.Time `json:"@timestamp"`
	}
	f := &found{Body: body}
	if jsonNumbers.Unmarshal(body, f) != nil || f.UUID == "" {
		return nil
	}
	_ = jsonNumbers.Unmarshal(body, &when) // what is no time is none
	if f.Time = when.Event.UTC(); when.Event.IsZero() {
		f.Time = when.Made.UTC()
	}
	return f
}
