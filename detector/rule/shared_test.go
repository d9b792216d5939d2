package rule

import (
	"os"
	"testing"
)

// sharedRules is a folder of public rules that is not ours to ship.
const sharedRules = "../../../shared/data/rules"

func TestSharedRules(t *testing.T) {
	if _, err := os.Stat(sharedRules); err != nil {
		t.Skipf("the folder of public rules is not here: %v", err)
	}
	set, err := Load([]string{sharedRules}, Options{})
	if err != nil {
		t.Errorf("Load: %v", err)
	}
	for _, w := range set.Warnings {
		t.Errorf("warning: %v", w)
	}
	if len(set.Rules) != 144 {
		t.Errorf("%d rules, want 144", len(set.Rules))
	}
	if len(set.Skipped) != 0 {
		t.Error(set.SkippedSummary())
	}
	prints := map[string]string{}
	for _, r := range set.Rules {
		if r.Filter == nil || len(r.Terms) == 0 || r.Window <= 0 || r.Raw == nil || r.Source.Line == 0 {
			t.Errorf("%s: incomplete: %+v", r.Source, r)
		}
		if other, ok := prints[r.Fingerprint()]; ok {
			t.Errorf("%s and %s have one fingerprint", r.ID, other)
		}
		prints[r.Fingerprint()] = r.ID
	}
}
