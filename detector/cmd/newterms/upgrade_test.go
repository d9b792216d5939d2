package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestUpgrade learns a cluster's log, upgrades every component in it, and replays
// it: the attacker of its last part alerts eight times, all else is one summary.
func TestUpgrade(t *testing.T) {
	lines := reference(t, "k8s-audit/cluster-a.jsonl.gz")
	const attack = 20862 // the attacker's first line
	dir := t.TempDir()
	old, after, state := filepath.Join(dir, "old"), filepath.Join(dir, "after"), filepath.Join(dir, "state")
	write(t, old, strings.Join(lines[:attack], ""))
	text := regexp.MustCompile(`/(v?\d+\.\d+\.)(\d+)`).ReplaceAllString(strings.Join(lines, ""), "/${1}9${2}")
	text = regexp.MustCompile(`kubernetes/([0-9a-f]{7})`).ReplaceAllString(text, "kubernetes/1a2b3c4")
	write(t, after, text)
	rules := moduleRoot + "/conf/rules"
	command(t, 0, "learn", "-q", "--rules", rules, "--state", state, old)
	out, _ := command(t, 0, "replay", "-q", "--normalize", "kubernetes", "--rules", rules, "--state", state, after)
	alerts, summaries := 0, 0
	for line := range strings.Lines(out) {
		f := readAlert([]byte(line))
		switch {
		case f == nil:
			t.Fatalf("no alert: %s", line)
		case f.Own.Summary == "variants":
			summaries++
			if f.Own.Count != 37 {
				t.Errorf("%d variants in the summary", f.Own.Count)
			}
		default:
			alerts++
			if f.Own.Verdict != "new" || f.Own.Line <= attack {
				t.Errorf("line %d alerts: %v", f.Own.Line, f.Terms)
			}
		}
	}
	if alerts != 8 || summaries != 1 {
		t.Errorf("%d alerts and %d summaries, want 8 and 1", alerts, summaries)
	}
}
