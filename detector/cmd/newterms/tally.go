package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/engine"
)

// tally counts the alerts of each rule.
type tally struct {
	rules map[string]*ruleTally
}

type ruleTally struct {
	name, severity string
	alerts         uint64
	held           uint64 // tuples over the limit
}

func (t *tally) add(f *found) {
	if t.rules == nil {
		t.rules = make(map[string]*ruleTally)
	}
	r := t.rules[f.RuleID]
	if r == nil {
		r = &ruleTally{name: f.Rule, severity: f.Severity}
		t.rules[f.RuleID] = r
	}
	switch f.Own.Summary {
	case "":
		r.alerts++
	case ofLimit:
		r.held += f.Own.Count
	}
}

// alerts returns how many alerts there were, summaries left out.
func (t *tally) alerts() (n int) {
	for _, r := range t.rules {
		n += int(r.alerts)
	}
	return n
}

// write says in a few lines what a replay found.
func (t *tally) write(w io.Writer, c *engine.Counts, rules int) {
	fmt.Fprintf(w, "%s of %s", plural(c.Alerts.Load(), "alert"), plural(rules, "rule"))
	for _, part := range []struct {
		n          uint64
		noun, what string
		always     bool
	}{
		{c.Matched.Load(), "match", "", true},
		{c.Excepted.Load(), "match", " under an exception", false},
		{c.Learned.Load(), "tuple", " only learned", false},
		{c.Held.Load(), "tuple", " over the limit, in summaries", false},
		{c.Variants.Load(), "variant", " of known tuples, in summaries", false},
		{c.Suppressed.Load(), "alert", " suppressed, in summaries", false},
		{c.EvictedInsideWin.Load(), "tuple", " forgotten inside the window: raise --max-terms", false},
		{c.Truncated.Load(), "combination", " not looked at", false},
	} {
		if part.n > 0 || part.always {
			fmt.Fprintf(w, "; %s%s", plural(part.n, part.noun), part.what)
		}
	}
	fmt.Fprintln(w)
	list := make([]*ruleTally, 0, len(t.rules))
	for _, r := range t.rules {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *ruleTally) int {
		if a.alerts != b.alerts {
			return int(b.alerts) - int(a.alerts)
		}
		return strings.Compare(a.name, b.name)
	})
	for _, r := range list {
		fmt.Fprintf(w, "%8s  %-8s  %s", thousands(r.alerts), r.severity, printable(r.name))
		if r.held > 0 {
			fmt.Fprintf(w, " (and %s over the limit)", thousands(r.held))
		}
		fmt.Fprintln(w)
	}
}
