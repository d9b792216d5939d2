package detector

import (
	"strings"
	"testing"
	"time"
)

// TestGivenUp: what was given up is said at once, whole, then once per minute,
// and at the end.
func TestGivenUp(t *testing.T) {
	var g givenUp
	now := time.Unix(0, 0).Add(time.Hour)
	step := func(after time.Duration, rules map[string]int, end bool, says ...string) {
		t.Helper()
		now = now.Add(after)
		g.add(rules)
		line := g.line(now, end)
		if len(says) == 0 && line != "" {
			t.Errorf("it says %q", line)
		}
		for _, text := range says {
			if !strings.Contains(line, text) {
				t.Errorf("%q does not say %q", line, text)
			}
		}
	}
	step(0, nil, false)
	step(0, nil, true)
	step(0, map[string]int{"A": 8, "B": 30}, false, `38 alerts given up (30 of "B", 8 of "A"), 38 since the start`)
	step(time.Second, map[string]int{"A": 2}, false)
	step(58*time.Second, map[string]int{"C": 1}, false)
	step(time.Second, nil, false, `3 alerts given up (2 of "A", 1 of "C"), 41 since`)
	step(time.Hour, nil, false)
	step(time.Second, nil, true, "given up 41 alerts since the start")
	step(time.Second, map[string]int{"A": 1}, true, `1 alert given up (1 of "A"), 42 since`)
}
