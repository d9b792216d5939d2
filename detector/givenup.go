package detector

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// givenUp says how many alerts the full outbox has given up, and of which
// rules: at once, then once per minute what has come since, and the rest and
// the sum at the end. It is used by one goroutine.
type givenUp struct {
	total  int
	rules  map[string]int // not yet said
	logged time.Time      // when the last line was
}

func (g *givenUp) add(rules map[string]int) {
	for name, n := range rules {
		if g.rules == nil {
			g.rules = make(map[string]int)
		}
		g.rules[name] += n
		g.total += n
	}
}

// line returns what is to be logged now, "" for nothing.
func (g *givenUp) line(now time.Time, end bool) string {
	if g.total == 0 || !end && (len(g.rules) == 0 || now.Sub(g.logged) < time.Minute) {
		return ""
	}
	n := 0
	var rules []string
	for _, name := range slices.SortedFunc(maps.Keys(g.rules), func(a, b string) int {
		return cmp.Or(cmp.Compare(g.rules[b], g.rules[a]), cmp.Compare(a, b))
	}) {
		n += g.rules[name]
		rules = append(rules, fmt.Sprintf("%d of %q", g.rules[name], name))
	}
	g.rules, g.logged = nil, now
	if n == 0 {
		return fmt.Sprintf("the outbox has given up %s since the start", count(g.total, "alert"))
	}
	return fmt.Sprintf("the outbox is full: %s given up (%s), %d since the start; what they were about is not remembered, so it alerts when it comes again; look why alerts cannot leave, or raise fewer", count(n, "alert"), listed(rules), g.total)
}
