package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/cmd/newterms/report/browsertest"
)

// TestReportInBrowser makes the report of a real cluster's log, opens it in
// Chromium, and wants data in each of its charts: as much as was found.
func TestReportInBrowser(t *testing.T) {
	const log = moduleRoot + "/test/testdata/k8s-audit.jsonl.gz"
	script, err := os.ReadFile("testdata/charts.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		rules []string
	}{
		{"the rule that comes with it", []string{moduleRoot + "/conf/rules"}},
		{"all rules on Kubernetes", append(kubernetesRules(t), moduleRoot+"/conf/rules")},
	} {
		if c.name != "the rule that comes with it" && len(c.rules) == 1 {
			continue // the reference data is not here
		}
		t.Run(c.name, func(t *testing.T) {
			rules := strings.Join(c.rules, ",")
			alerts, _ := command(t, 0, "replay", "-q", "--rules", rules, "--max-alerts", "0", log)
			n := strings.Count(alerts, "\n")
			page, _ := command(t, 0, "report", "-q", "-o", "-", "--rules", rules, "--max-alerts", "0", log)
			if m := regexp.MustCompile(`"tuples":\d+`).FindString(page); m == "" || n < 40 {
				t.Fatalf("%d alerts, %q", n, m)
			}
			want := fmt.Sprintf("const want = {tuples: %d, alerts: %d};\n", n, n) // without learning each tuple alerts
			if result := browsertest.Use(t, page, want+string(script)); result != "fine" {
				t.Error(result)
			}
		})
	}
}
