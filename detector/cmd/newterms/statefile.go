package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/seen"
)

// The form in which states leave and come: an object a line. A rule comes
// before its tuples.
//
//	{"type":"rule","rule_id":…,"name":…,"fingerprint":…,"fields":[…],"baseline_done":…,…}
//	{"type":"tuple","rule_id":…,"terms":[…],"first_seen":…,"last_seen":…,"count":…}
//
// Terms that JSON has no form for (text that is not UTF-8) are also written as
// bytes, in base64, under raw.
type stateLine struct {
	Type        string   `json:"type"`
	RuleID      string   `json:"rule_id"`
	Name        string   `json:"name,omitempty"`
	Fingerprint string   `json:"fingerprint,omitempty"`
	Fields      []string `json:"fields,omitempty"`

	BaselineDone  string              `json:"baseline_done,omitempty"`
	LearningSince string              `json:"learning_since,omitempty"`
	LearningUntil string              `json:"learning_until,omitempty"`
	FirstMatch    string              `json:"first_match,omitempty"`
	Excepted      bool                `json:"excepted,omitempty"`   // it has a second memory
	Exceptions    jsoniter.RawMessage `json:"exceptions,omitempty"` // of a second memory

	Terms     []any  `json:"terms,omitempty"`
	Raw       string `json:"raw,omitempty"`
	FirstSeen string `json:"first_seen,omitempty"`
	LastSeen  string `json:"last_seen,omitempty"`
	Count     uint32 `json:"count,omitempty"`
}

// maxAhead is how far ahead of the clock a sighting may be. What is further ahead
// would not expire when it should.
const maxAhead = 24 * time.Hour

// stamp writes unix ms; "" for 0.
func stamp(ms int64) string {
	if ms == 0 {
		return ""
	}
	return alert.Timestamp(time.UnixMilli(ms))
}

// unstamp reads what stamp wrote.
func unstamp(name, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, fmt.Errorf("%s %q is no time such as 2026-01-31T18:00:00.000Z", name, text)
	}
	return t.UnixMilli(), nil
}

func writeLine(w io.Writer, l *stateLine) error {
	b, err := jsonLine.Marshal(l)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

func writeRule(w io.Writer, r *seen.RuleInfo) error {
	m := &r.Meta
	return writeLine(w, &stateLine{
		Type: "rule", RuleID: r.ID, Name: r.Name, Fingerprint: r.Fingerprint, Fields: r.Fields,
		BaselineDone: stamp(m.BaselineDone), LearningSince: stamp(m.LearningSince), LearningUntil: stamp(m.LearningUntil),
		FirstMatch: stamp(m.FirstMatch), Excepted: m.Excepted, Exceptions: m.Extra,
	})
}

func writeTuple(w io.Writer, t *tupleRow) error {
	l := &stateLine{
		Type: "tuple", RuleID: t.rule.ID, Terms: slices.Clone(t.Terms), Count: t.Count,
		FirstSeen: alert.Timestamp(time.UnixMilli(t.First)), LastSeen: alert.Timestamp(time.UnixMilli(t.Last)),
	}
	for i, term := range l.Terms {
		if s, ok := term.(string); ok {
			l.Terms[i] = strings.ToValidUTF8(s, "\uFFFD")
		}
	}
	if !survives(l.Terms, t.Raw) {
		l.Raw = base64.StdEncoding.EncodeToString(t.Raw)
	}
	return writeLine(w, l)
}

// survives tells whether terms can be read back from JSON.
func survives(terms []any, raw []byte) bool {
	text, err := jsonLine.Marshal(terms)
	if err != nil {
		return false
	}
	var back []any
	if jsonNumbers.Unmarshal(text, &back) != nil {
		return false
	}
	again, err := encodeTerms(back)
	return err == nil && bytes.Equal(again, raw)
}

// encodeTerms writes terms as the state keeps them.
func encodeTerms(terms []any) (raw []byte, err error) {
	for _, t := range terms {
		if n, ok := t.(numeral); ok {
			t = number(n)
		}
		if raw, err = seen.AppendAny(raw, t); err != nil {
			return nil, fmt.Errorf("terms may be text, numbers, true, false and null: %w", err)
		}
	}
	return raw, nil
}

// numeral is a number as it was written, as the decoder leaves it.
type numeral interface {
	Int64() (int64, error)
	Float64() (float64, error)
	String() string
}

// number reads a number as the kind that it was: whole numbers stay exact.
func number(n numeral) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return u
	}
	f, err := n.Float64()
	if err != nil {
		return n.String() // cannot be: it was read as a number
	}
	return f
}

// readState reads an export. name is for errors.
func readState(name string, r io.Reader) (*stateData, error) {
	data := newStateData()
	in := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if lineErr := data.line(line); lineErr != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, n, lineErr)
			}
		}
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
}

// line takes in one line of an export.
func (d *stateData) line(text []byte) error {
	var l stateLine
	if err := jsonNumbers.Unmarshal(text, &l); err != nil {
		return fmt.Errorf("this is no line of an export: %w", err)
	}
	if l.RuleID == "" {
		return errors.New("rule_id is missing")
	}
	switch l.Type {
	case "rule":
		return d.ruleLine(&l)
	case "tuple":
		return d.tupleLine(&l)
	}
	return fmt.Errorf("type %q is not known; rule or tuple", l.Type)
}

func (d *stateData) ruleLine(l *stateLine) error {
	info := seen.RuleInfo{ID: l.RuleID, Name: l.Name, Fingerprint: l.Fingerprint, Fields: l.Fields}
	if l.Fingerprint == "" {
		return errors.New("fingerprint is missing: it tells whether tuples of two states mean the same")
	}
	m := &info.Meta
	for _, t := range []struct {
		name, text string
		ms         *int64
	}{
		{"baseline_done", l.BaselineDone, &m.BaselineDone}, {"learning_since", l.LearningSince, &m.LearningSince},
		{"learning_until", l.LearningUntil, &m.LearningUntil}, {"first_match", l.FirstMatch, &m.FirstMatch},
	} {
		var err error
		if *t.ms, err = unstamp(t.name, t.text); err != nil {
			return err
		}
	}
	if m.Excepted = l.Excepted; engine.IsHistory(l.RuleID) {
		m.Extra = engine.JoinHistories(l.Exceptions, nil)
	}
	return d.addRule(info)
}

func (d *stateData) tupleLine(l *stateLine) (err error) {
	r := d.rules[l.RuleID]
	if r == nil {
		return fmt.Errorf("the line of rule %q must come before its tuples", l.RuleID)
	}
	var raw []byte
	if l.Raw != "" {
		if raw, err = base64.StdEncoding.DecodeString(l.Raw); err != nil {
			return fmt.Errorf("raw: %w", err)
		}
	} else if raw, err = encodeTerms(l.Terms); err != nil {
		return err
	}
	terms, err := seen.DecodeTerms(raw)
	if err != nil {
		return fmt.Errorf("raw: %w", err)
	}
	if len(terms) != len(r.info.Fields) {
		return fmt.Errorf("%s for a rule with %s", plural(len(terms), "term"), plural(len(r.info.Fields), "field"))
	}
	if l.FirstSeen == "" || l.LastSeen == "" {
		return errors.New("first_seen or last_seen is missing")
	}
	var s seen.Sighting
	if s.First, err = unstamp("first_seen", l.FirstSeen); err != nil {
		return err
	}
	if s.Last, err = unstamp("last_seen", l.LastSeen); err != nil {
		return err
	}
	if s.First < 0 || s.Last < s.First {
		return fmt.Errorf("first_seen %q and last_seen %q are not times since 1970 in this order", l.FirstSeen, l.LastSeen)
	}
	if most := time.Now().Add(maxAhead); s.Last > most.UnixMilli() {
		return fmt.Errorf("last_seen %q is more than a day ahead of the clock: the tuple would stay known until long after its window; correct the time", l.LastSeen)
	}
	s.Count = max(l.Count, 1)
	r.add(raw, s)
	return nil
}
