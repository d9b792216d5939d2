package rule

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPublicRepository loads every rule of a checkout, or bare mirror, of the
// public rule repository that DETECTION_RULES names.
func TestPublicRepository(t *testing.T) {
	repo := os.Getenv("DETECTION_RULES")
	if repo == "" {
		t.Skip("DETECTION_RULES does not name a clone of the public rule repository")
	}
	if _, err := os.Stat(filepath.Join(repo, "rules")); err != nil {
		into := t.TempDir()
		script := `git --git-dir="$1" archive HEAD rules rules_building_block detection_rules/etc/custom-consolidated-rules.ndjson | tar -x -C "$2"`
		if out, err := exec.Command("sh", "-c", script, "sh", repo, into).CombinedOutput(); err != nil {
			t.Logf("git archive: %v: %s", err, out)
		}
		repo = into
	}
	set, err := Load([]string{filepath.Join(repo, "rules"), filepath.Join(repo, "rules_building_block")}, Options{})
	if err != nil {
		t.Error(err)
	}
	for _, w := range set.Warnings {
		t.Errorf("warning: %v", w)
	}
	consolidated, err := Load([]string{filepath.Join(repo, "detection_rules/etc/custom-consolidated-rules.ndjson")}, Options{})
	if err != nil || len(consolidated.Rules) == 0 || len(consolidated.Warnings) > 0 {
		t.Errorf("the export: %d rules, warnings %v, error %v", len(consolidated.Rules), consolidated.Warnings, err)
	}
	if len(set.Rules) < 100 || !strings.Contains(set.SkippedSummary(), " eql") {
		t.Errorf("%d rules loaded, %s: that is not the public repository", len(set.Rules), set.SkippedSummary())
	}
	t.Logf("%d rules loaded, %s", len(set.Rules), set.SkippedSummary())
}
