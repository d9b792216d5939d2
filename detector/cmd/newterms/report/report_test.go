package report

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/cmd/newterms/report/browsertest"
)

// hostile is text as an attacker would have it in a log.
const hostile = `</script><script>window.pwned=1</script><img src=x onerror="window.pwned=1"> --><b>{{program}}</b>` + "\u2028\u2029'\"`${pwned}\x00\\"

// sample is a report with n alerts of three rules.
func sample(n int) *Data {
	const start, minute = 1_767_261_600_000, 60_000
	d := &Data{
		Title: "A report " + hostile, Made: start, Source: "Test", Start: start, End: start + int64(n)*minute, Step: 3600_000,
		Replayed: true, Events: 123456, Matches: 2345,
	}
	for i, severity := range []string{"low", "medium", "critical"} {
		d.Rules = append(d.Rules, Rule{
			ID: fmt.Sprint("rule ", i), Name: "Rule " + severity, Description: hostile, Severity: severity, Query: "a: b",
			Window: "7d", Fields: []string{"user.name", "tool"}, Tuples: n / 3, Alerts: n / 3,
			Latest: []Tuple{{Terms: []string{hostile, ""}, First: start, Last: start + minute, Count: 7}},
		})
	}
	for i := range n {
		at := start + int64(i)*minute
		d.Alerts = append(d.Alerts, Alert{
			Time: at, Rule: i % 3, Terms: []string{fmt.Sprint("user", i), hostile}, Novel: []bool{true, false},
			Why: fmt.Sprintf("user.name %q has not been seen before", fmt.Sprint("user", i)), File: "audit.log", Line: i + 1, UUID: fmt.Sprint("uuid-", i),
		})
		if i%60 == 0 {
			d.Activity = append(d.Activity, Activity{Time: at, Matches: 100, New: 60})
			d.Rules[0].Novelty = append(d.Rules[0].Novelty, Activity{Time: at, New: 20})
		}
	}
	d.Fields = []Field{{Name: "user.name", Values: []Value{{Text: hostile, Tuples: 9, Rules: 1}, {Text: "", Tuples: 3, Rules: 2}}, Others: 4}}
	return d
}

func written(t testing.TB, d *Data) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSelfContained wants a page without a way to anything outside of it.
func TestSelfContained(t *testing.T) {
	page := written(t, sample(3))
	for _, want := range []string{"default-src 'none'", "Copyright (c) 2022 Leon Sorokin", `"title":"A report \u003c/script\u003e`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if m := regexp.MustCompile(`(?i)(src|href)\s*=\s*["']?(https?:)?//|@import|url\(`).FindString(page); m != "" {
		t.Errorf("the page refers to something: %s", m)
	}
	if n := strings.Count(page, "</script>"); n != 2 {
		t.Errorf("%d ends of scripts, want 2: of the data and of the program", n)
	}
	if strings.Contains(page, "{{policy}}") || strings.Contains(page, "{{style}}") {
		t.Error("a slot was not filled")
	}
}

// TestInBrowser opens the page as it is: its program runs under its policy,
// and what an attacker wrote does not.
func TestInBrowser(t *testing.T) {
	dom := browsertest.Browse(t, written(t, sample(300)))
	for _, want := range []string{"300 alerts, 1 to 100 shown.", ">123,456<", "user299"[:5], "&lt;/script&gt;&lt;script&gt;window.pwned=1"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Count(dom, "<canvas") < 3 {
		t.Error("the charts are not drawn")
	}
	if strings.Contains(dom, "<img") {
		t.Error("text of a log became an element")
	}
}

// TestUse runs page/../testdata/use.js inside the page, which uses it as a
// person would, and wants no complaint.
func TestUse(t *testing.T) {
	script, err := os.ReadFile("testdata/use.js")
	if err != nil {
		t.Fatal(err)
	}
	if result := browsertest.Use(t, written(t, sample(10_000)), string(script)); result != "fine" {
		t.Error(result)
	}
}

// TestEmpty opens pages of nothing much.
func TestEmpty(t *testing.T) {
	for _, c := range []struct {
		name string
		data *Data
		want string
	}{
		{"a state", &Data{Rules: []Rule{{ID: "a", Name: "A", Severity: "low"}}, Step: 1000},
			"A state holds what was seen"},
		{"no match", &Data{Replayed: true, Step: 1000}, "There were none."},
	} {
		t.Run(c.name, func(t *testing.T) {
			dom := browsertest.Browse(t, written(t, c.data))
			for _, want := range []string{c.want, "No event matched a rule."} {
				if !strings.Contains(dom, want) {
					t.Errorf("the page does not show %q", want)
				}
			}
		})
	}
}
