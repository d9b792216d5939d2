package rule

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestProblemError(t *testing.T) {
	for _, c := range []struct {
		p    Problem
		want string
	}{
		{Problem{Position: Position{File: "f.toml", Line: 3, Column: 7}, Msg: "m", Hint: "h"}, "f.toml:3:7: m (h)"},
		{Problem{Position: Position{File: "f.toml", Line: 3, Column: 0}, Msg: "m"}, "f.toml:3: m"},
		{Problem{Position: Position{File: "f.toml"}, Msg: "m"}, "f.toml: m"},
		{Problem{Msg: "m", Hint: "h"}, "m (h)"},
	} {
		if got := c.p.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestProblemsAs(t *testing.T) {
	var err error = fmt.Errorf("loading: %w", Problems{{Msg: "one"}, {Msg: "two"}})
	var one Problem
	var all Problems
	if !errors.As(err, &one) || one.Msg != "one" {
		t.Errorf("errors.As found the Problem %v", one)
	}
	if !errors.As(err, &all) || len(all) != 2 || all.Error() != "one\ntwo" {
		t.Errorf("errors.As found the Problems %v", all)
	}
	if (Problems{}).asError() != nil {
		t.Error("no problems are an error")
	}
}

// TestSkipped checks that a caller can take a rule of another type for an
// error, or for a line in a summary.
func TestSkipped(t *testing.T) {
	set, err := Parse("a.ndjson", []byte(`{"rule_id":"a","name":"A","type":"eql","language":"eql","query":"q"}
{"rule_id":"b","name":"B","type":"query","language":"lucene","query":"q"}
{"rule_id":"c","name":"C","type":"eql","language":"eql","query":"q"}`), Options{})
	if err != nil || len(set.Rules) != 0 || len(set.Skipped) != 3 {
		t.Fatalf("got %+v, %v", set, err)
	}
	if got, want := set.SkippedSummary(), "passed over 3 rules of other types: 2 eql, 1 query (lucene)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := set.Skipped[1].Error(), "a.ndjson:2:34: rules of type query (lucene) are not supported; supported are new_terms, and query in kuery"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if set.Skipped[0].RuleID != "a" || set.Skipped[0].Rule != "A" {
		t.Errorf("got %+v", set.Skipped[0])
	}
}

// TestShorten checks that a long text from a file is cut between characters.
func TestShorten(t *testing.T) {
	for text, want := range map[string]string{
		"short":                       "short",
		strings.Repeat("a", 60):       strings.Repeat("a", 60),
		strings.Repeat("a", 61):       strings.Repeat("a", 59) + "…",
		strings.Repeat("ü", 40):       strings.Repeat("ü", 29) + "…",
		"x" + strings.Repeat("ü", 40): "x" + strings.Repeat("ü", 29) + "…",
	} {
		if got := shorten(text); got != want {
			t.Errorf("shorten(%q) = %q, want %q", text, got, want)
		}
	}
}
