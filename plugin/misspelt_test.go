package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/detector"
)

// meanings returns the near misses as a map from the name to what it means;
// where a name could mean several, the first.
func meanings(m nearMisses) map[string]string {
	all := map[string]string{}
	for at := 0; at < len(m.names); {
		name, meant := m.at(at)
		if _, ok := all[name]; !ok {
			all[name] = meant
		}
		at += len(name) + 1
	}
	return all
}

func TestNearMisses(t *testing.T) {
	known := []string{"rules", "state_path", "learn", "max_alerts", "max_terms", "alert_tag"}
	all := meanings(nearMissesOf(known))
	tests := []struct{ how, name, want string }{
		{"dropped", "rule", "rules"},
		{"dropped separator", "statepath", "state_path"},
		{"exchanged", "rulse", "rules"},
		{"exchanged at the start", "elarn", "learn"},
		{"replaced", "state_bath", "state_path"},
		{"replaced separator", "state-path", "state_path"},
		{"both separators", "max.alerts", "max_alerts"},
		{"put in at the start", "xlearn", "learn"},
		{"put in", "ruules", "rules"},
		{"put in at the end", "learns", "learn"},
		{"synonym", "state_dir", "state_path"},
		{"another tool's name", "max_signals", "max_alerts"},
		{"the known ones", "rules", ""},
		{"core's own", "match", ""},
		{"far from all", "zzz", ""},
		{"two edits", "ruleses", ""},
	}
	for _, test := range tests {
		t.Run(test.how, func(t *testing.T) {
			if got := all[test.name]; got != test.want {
				t.Errorf("%s means %q, want %q", test.name, got, test.want)
			}
		})
	}
}

// TestNearMissesAreNoProperties is about the real names: no property of ours
// or of core's may be taken for a misspelling, and every near miss is a text
// that can be asked for.
func TestNearMissesAreNoProperties(t *testing.T) {
	for _, known := range [][]string{detector.Properties(), detector.InputProperties()} {
		for name, meant := range meanings(nearMissesOf(known)) {
			if slices.Contains(known, name) || slices.Contains(ownedByCore, name) {
				t.Errorf("%s is right, and taken for %s", name, meant)
			}
			if !slices.Contains(known, meant) {
				t.Errorf("%s would mean %s, which is no property", name, meant)
			}
			if name == "" || name != strings.ToLower(name) {
				t.Errorf("%q cannot be a property", name)
			}
		}
	}
}

// Every synonym must lead somewhere, or the table has gone stale.
func TestSynonymsMeanProperties(t *testing.T) {
	known := slices.Concat(detector.Properties(), detector.InputProperties())
	for meant := range synonyms {
		if !slices.Contains(known, meant) {
			t.Errorf("synonyms of %s, which is no property", meant)
		}
	}
}

func TestNearMissesAreQuick(t *testing.T) {
	best := time.Hour
	for range 5 {
		start := time.Now()
		nearMissesOf(detector.Properties())
		best = min(best, time.Since(start))
	}
	if limit := 100 * time.Millisecond; best > limit {
		t.Errorf("took %v, more than %v: start-up would be felt", best, limit)
	}
}

func BenchmarkNearMisses(b *testing.B) {
	known := detector.Properties()
	for b.Loop() {
		if m := nearMissesOf(known); len(m.ends) != len(known) {
			b.Fatal("properties were lost")
		}
	}
}
