package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"fluent-bit-newterms/detector/engine"
)

// summary shows how noisy rules are: how many alerts they raise on which day,
// which terms make most of them, and what a state would need.
type summary struct {
	w      io.Writer
	r      *runner
	days   map[string]map[string]int // by day and rule_id
	rules  map[string]*noise
	tuples int // whose size was taken
	bytes  int // of their terms, as a state keeps them
}

// noise is what a rule's alerts have in common.
type noise struct {
	name   string
	fields []string
	alerts int
	terms  []map[string]int // by field: alerts with a term
	more   []bool           // by field: there were more terms than are counted
}

// maxCountedTerms bounds the distinct terms of a field that are counted: the
// noisy ones come early and often, the tail does not matter.
const maxCountedTerms = 100_000

// What a tuple costs beside its terms: the entry of a rule's memory, as
// measured by the benchmark of package seen, and a value's header, key and
// share of the pages on disk.
const (
	memoryPerTuple = 134
	diskPerTuple   = 52
)

func newSummary(w io.Writer, r *runner) *summary {
	return &summary{w: w, r: r, days: make(map[string]map[string]int), rules: make(map[string]*noise)}
}

// add implements view.
func (s *summary) add(alerts []*found, _ [][]*engine.Alert) {
	for _, f := range alerts {
		if f.Own.Summary == "" {
			s.count(f)
		}
	}
}

func (s *summary) count(f *found) {
	day := f.Time.Format(time.DateOnly)
	if s.days[day] == nil {
		s.days[day] = make(map[string]int)
	}
	s.days[day][f.RuleID]++
	n := s.rules[f.RuleID]
	if n == nil {
		n = &noise{name: f.Rule, fields: f.Own.Fields}
		for range f.Own.Fields {
			n.terms = append(n.terms, make(map[string]int))
		}
		n.more = make([]bool, len(n.terms))
		s.rules[f.RuleID] = n
	}
	n.alerts++
	for i, term := range f.Terms {
		if i >= len(n.terms) {
			break
		}
		text := kqlTerm(term)
		if _, ok := n.terms[i][text]; !ok && len(n.terms[i]) >= maxCountedTerms {
			n.more[i] = true
			continue
		}
		n.terms[i][text]++
	}
	if raw, err := encodeTerms(f.Terms); err == nil && len(f.Terms) > 0 {
		s.tuples++
		s.bytes += len(raw)
	}
}

// kqlTerm writes a term as a value in KQL.
func kqlTerm(term any) string {
	text, ok := term.(string)
	if !ok {
		return fmt.Sprint(term)
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// end implements view.
func (s *summary) end() {
	order := slices.SortedFunc(maps.Keys(s.rules), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.rules[b].alerts, s.rules[a].alerts), cmp.Compare(a, b))
	})
	if len(order) == 0 {
		fmt.Fprintln(s.w, "no alerts")
		return
	}
	s.byDay(order)
	s.noisiest(order)
	s.memory()
}

func (s *summary) byDay(order []string) {
	fmt.Fprintln(s.w, "ALERTS BY DAY (UTC)")
	for _, day := range slices.Sorted(maps.Keys(s.days)) {
		label := day
		for _, id := range order {
			if n := s.days[day][id]; n > 0 {
				fmt.Fprintf(s.w, "  %-10s  %8s  %s\n", label, thousands(n), printable(s.rules[id].name))
				label = ""
			}
		}
	}
}

// shownTerms is how many terms of a rule are listed.
const shownTerms = 5

// noisiest lists the terms that most alerts of a rule have, as the exceptions
// that would save them.
func (s *summary) noisiest(order []string) {
	fmt.Fprintln(s.w, "\nNOISIEST TERMS, AND THE ALERTS THAT AN EXCEPTION WOULD SAVE")
	for _, id := range order {
		n := s.rules[id]
		type saving struct {
			query string
			n     int
		}
		var list []saving
		for i, terms := range n.terms {
			for text, count := range terms {
				// A term that all alerts have would silence the rule, and one
				// that a single alert has saves nothing worth a rule.
				if count > 1 && count < n.alerts {
					list = append(list, saving{n.fields[i] + ": " + text, count})
				}
			}
		}
		slices.SortFunc(list, func(a, b saving) int {
			return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.query, b.query))
		})
		fmt.Fprintf(s.w, "  %s (%s): %s\n", printable(n.name), printable(id), plural(n.alerts, "alert"))
		switch {
		case len(n.fields) == 0:
			fmt.Fprintln(s.w, "        a rule of type query has no terms; group its alerts with alert_suppression")
		case len(list) == 0:
			fmt.Fprintln(s.w, "        no term is in several of them")
		}
		for _, x := range list[:min(len(list), shownTerms)] {
			fmt.Fprintf(s.w, "  %8s  %3d%%  %s\n", thousands(x.n), 100*x.n/n.alerts, printable(x.query))
		}
		if slices.Contains(n.more, true) {
			fmt.Fprintf(s.w, "        terms beyond the first %s of a field are not counted\n", thousands(maxCountedTerms))
		}
	}
}

// memory says what a state that knows what these rules know now would need.
func (s *summary) memory() {
	known := s.r.engine().Known()
	disk := known * diskPerTuple
	if s.tuples > 0 {
		disk += known * (s.bytes / s.tuples)
	}
	fmt.Fprintf(s.w, "\nSTATE\n  %s known at the end: about %s of memory, %s on disk\n", plural(known, "tuple"),
		size(known*memoryPerTuple), size(disk))
	if n := s.r.engine().Counts().EvictedInsideWin.Load(); n > 0 {
		fmt.Fprintf(s.w, "  %s forgotten inside the window for want of room: raise max_terms\n", plural(n, "tuple"))
	}
}

// size writes a number of bytes for people.
func size(n int) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return plural(n, "byte")
}
