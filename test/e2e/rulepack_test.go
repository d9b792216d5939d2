package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"fluent-bit-newterms/test/fluentbit"
)

// packTests is a file of tests beside a rule, NAME.test.toml.
type packTests struct {
	Test []struct {
		Name       string
		Events     string // JSON lines
		LearnUntil string `toml:"learn_until"`
		Alerts     any    // lists of terms in order, or 0; the text null is the term null
	}
}

// wanted returns the alerts that a test wants, each as a JSON list.
func wanted(t *testing.T, alerts any) []string {
	t.Helper()
	list, ok := alerts.([]any)
	if !ok {
		if alerts != int64(0) {
			t.Fatalf("alerts = %v", alerts)
		}
		return nil
	}
	var out []string
	for _, terms := range list {
		text, err := json.Marshal(terms)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.ReplaceAll(string(text), `"null"`, "null"))
	}
	return out
}

// TestRulePack runs the tests of each rule that ships. Each rule has an id of
// its own, a description, false positives, and tests with and without alerts.
func TestRulePack(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(fluentbit.Rules, "_pack/*/*.toml"))
	if err != nil {
		t.Fatal(err)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	ids, sources := map[string]string{}, map[string]int{}
	for _, file := range files {
		if strings.HasSuffix(file, ".test.toml") {
			continue
		}
		sources[filepath.Base(filepath.Dir(file))]++
		t.Run(filepath.Base(file), func(t *testing.T) {
			var r struct {
				Rule struct {
					RuleID         string `toml:"rule_id"`
					Description    string
					FalsePositives []string `toml:"false_positives"`
				}
			}
			if _, err := toml.DecodeFile(file, &r); err != nil {
				t.Fatal(err)
			}
			if !uuid.MatchString(r.Rule.RuleID) || ids[r.Rule.RuleID] != "" {
				t.Errorf("the id is %q, which also has %q", r.Rule.RuleID, ids[r.Rule.RuleID])
			}
			ids[r.Rule.RuleID] = file
			if r.Rule.Description == "" || len(r.Rule.FalsePositives) == 0 {
				t.Error("there is no description, or no false positive")
			}
			var tests packTests
			if _, err := toml.DecodeFile(strings.TrimSuffix(file, ".toml")+".test.toml", &tests); err != nil {
				t.Fatal(err)
			}
			with, without := 0, 0
			for _, test := range tests.Test {
				want := wanted(t, test.Alerts)
				if len(want) > 0 {
					with++
				} else {
					without++
				}
				events := filepath.Join(t.TempDir(), "events.jsonl")
				if err := os.WriteFile(events, []byte(strings.TrimSpace(test.Events)+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				args := []string{"replay", "-q", "--rules", file}
				if test.LearnUntil != "" {
					args = append(args, "--learn-until", test.LearnUntil)
				}
				stdout, _ := newterms(t, 0, append(args, events)...)
				var got []string
				for _, a := range fluentbit.ParseAlerts(t, []byte(stdout)) {
					text, _ := json.Marshal(a.Terms)
					got = append(got, string(text))
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s:\ngot  %s\nwant %s", test.Name, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
				}
			}
			if with == 0 || without == 0 {
				t.Errorf("%d tests with alerts and %d without", with, without)
			}
		})
	}
	if len(ids) < 20 || len(sources) < 6 {
		t.Errorf("%d rules of %d sources", len(ids), len(sources))
	}
}
