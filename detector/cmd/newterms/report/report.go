// Package report writes what rules found as one HTML file that needs nothing
// else: no network, no server, no other file. It shows when tuples were new,
// the alerts and why they were raised, each rule by itself, and who takes up
// its memory; on a screen, light or dark, on paper, and with a keyboard alone.
//
// The file is page/page.html with style, program and data put in. Whatever
// comes from logs is in the data only, which is JSON, and the program puts it
// on the page as text. A content security policy lets the browser run no other
// program and style than these, by their hashes, and load nothing at all.
//
// Charts are drawn by uPlot (page/uplot, MIT licence).
package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	jsoniter "github.com/json-iterator/go"
)

// Data is what a report shows. Times are in unix ms.
type Data struct {
	Title  string   `json:"title"`
	Made   int64    `json:"made"`
	Source string   `json:"source"` // such as "replay", or the folder of a state
	Files  []string `json:"files"`

	Start int64 `json:"start"` // of what was seen; 0 if nothing was
	End   int64 `json:"end"`
	Step  int64 `json:"step"` // length of a bucket of time

	Replayed bool   `json:"replayed"` // events were read: the numbers below mean something
	Events   uint64 `json:"events"`
	Matches  uint64 `json:"matches"` // of a rule
	Learned  uint64 `json:"learned"` // tuples that only taught
	Skipped  uint64 `json:"skipped"` // lines without an event

	// Activity counts by bucket, in the order of time; empty buckets may be
	// left out.
	Activity []Activity `json:"activity"`
	Rules    []Rule     `json:"rules"`
	Alerts   []Alert    `json:"alerts"`  // in the order of the events
	LeftOut  int        `json:"leftOut"` // alerts that were too many to list
	Fields   []Field    `json:"fields"`  // who takes up memory
}

// Activity is what happened in a bucket of time.
type Activity struct {
	Time    int64  `json:"t"`
	Matches uint64 `json:"m"`
	New     uint64 `json:"n"` // tuples
}

// Rule is a rule and what it found.
type Rule struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Severity    string   `json:"severity"`
	Query       string   `json:"query"`
	Window      string   `json:"window"`
	Fields      []string `json:"fields"`
	Alerts      int      `json:"alerts"`
	Held        uint64   `json:"held"` // tuples over the limit
	Tuples      int      `json:"tuples"`
	// Novelty counts the tuples first seen in a bucket.
	Novelty []Activity `json:"novelty"`
	Latest  []Tuple    `json:"latest"` // the tuples first seen last, latest first
}

// Tuple is a tuple that a rule knows. Last and Count are shown where the report
// is of a state, and are what at least was seen.
type Tuple struct {
	Terms []string `json:"terms"`
	First int64    `json:"first"`
	Last  int64    `json:"last"`
	Count uint32   `json:"count"`
}

// Alert is an alert, or a summary of tuples over a limit.
type Alert struct {
	Time  int64    `json:"t"`
	Rule  int      `json:"r"` // index into Rules
	Terms []string `json:"terms"`
	Novel []bool   `json:"novel"` // by term: new by itself
	Why   string   `json:"why"`
	File  string   `json:"file"`
	Line  int      `json:"line"`
	UUID  string   `json:"uuid"`
	Kind  string   `json:"kind"` // "", or limit, learned for a summary
}

// Field says which of its values take up memory.
type Field struct {
	Name   string  `json:"name"`
	Values []Value `json:"values"` // the most first
	Others int     `json:"others"` // values that are not listed
}

// Value is a value of a field, and the tuples that have it.
type Value struct {
	Text   string `json:"text"`
	Tuples int    `json:"tuples"`
	Rules  int    `json:"rules"` // that have such tuples
}

//go:embed page
var page embed.FS

// json escapes <, > and &, so that data cannot end the element that it is in.
var json = jsoniter.Config{EscapeHTML: true}.Froze()

// empty makes lists that were never made empty ones: the program of the page
// takes every list for one.
func (d *Data) empty() {
	some(&d.Files)
	some(&d.Activity)
	some(&d.Rules)
	some(&d.Alerts)
	some(&d.Fields)
	for i := range d.Rules {
		r := &d.Rules[i]
		some(&r.Fields)
		some(&r.Novelty)
		some(&r.Latest)
		for k := range r.Latest {
			some(&r.Latest[k].Terms)
		}
	}
	for i := range d.Alerts {
		some(&d.Alerts[i].Terms)
		some(&d.Alerts[i].Novel)
	}
	for i := range d.Fields {
		some(&d.Fields[i].Values)
	}
}

func some[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}

// Write writes a report. Lists in d that are nil become empty.
func Write(w io.Writer, d *Data) error {
	d.empty()
	data, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("the report's data: %w", err)
	}
	html, err := part("page.html")
	if err != nil {
		return err
	}
	style, err := parts("uplot/uPlot.min.css", "style.css")
	if err != nil {
		return err
	}
	program, err := parts("uplot/uPlot.iife.min.js", "format.js", "charts.js", "alerts.js", "app.js")
	if err != nil {
		return err
	}
	licence, err := part("uplot/LICENSE")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	rest := html
	for _, slot := range []struct{ name, text string }{
		{"{{policy}}", fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; base-uri 'none'; form-action 'none'",
			hash(program), hash(style))},
		{"{{style}}", style},
		{"{{data}}", string(data)},
		{"{{licence}}", strings.ReplaceAll(licence, "--", "- -")}, // it is in a comment
		{"{{program}}", program},
	} {
		before, after, ok := strings.Cut(rest, slot.name)
		if !ok {
			return fmt.Errorf("page.html has no %s, or not in its place", slot.name)
		}
		out.WriteString(before)
		out.WriteString(slot.text)
		rest = after
	}
	out.WriteString(rest)
	_, err = w.Write(out.Bytes())
	return err
}

func part(name string) (string, error) {
	text, err := page.ReadFile("page/" + name)
	return string(text), err
}

func parts(names ...string) (string, error) {
	var b strings.Builder
	for _, name := range names {
		text, err := part(name)
		if err != nil {
			return "", err
		}
		b.WriteString("\n" + strings.TrimSpace(text) + "\n")
	}
	return b.String(), nil
}

// hash names a program or style in a content security policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
