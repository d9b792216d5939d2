package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fluent-bit-newterms/test/fluentbit"
)

// cloudTrail writes the recorded events of CloudTrail in each form that they are
// shipped in, and returns the files by form, the folder of the public rules, and
// the alerts that these must raise.
func cloudTrail(t *testing.T) (files map[string]string, rules string, want []string) {
	t.Helper()
	data := filepath.Join(fluentbit.Root, "../shared/data")
	expected, err := os.ReadFile(filepath.Join(data, "sources/cloudtrail.expected.jsonl"))
	if err != nil {
		t.Skip("the recorded events of CloudTrail are not beside the checkout: ", err)
	}
	for line := range strings.Lines(string(expected)) {
		var e struct {
			RuleID string `json:"rule_id"`
			Terms  []any
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		want = append(want, fluentbit.Alert{RuleID: e.RuleID, Terms: e.Terms}.String())
	}
	slices.Sort(want)
	events := strings.Split(strings.TrimSpace(string(fluentbit.Gunzip(t, filepath.Join(data, "sources/cloudtrail.jsonl.gz")))), "\n")
	// Objects in S3 hold some events each; 50 make about 70 KB.
	var objects, texts []string
	for part := range slices.Chunk(events, 50) {
		objects = append(objects, `{"Records":[`+strings.Join(part, ",")+`]}`)
	}
	for _, event := range events {
		text, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, `{"message":`+string(text)+`,"stream":"cloudtrail"}`)
	}
	dir := t.TempDir()
	files = make(map[string]string)
	for form, lines := range map[string][]string{"events": events, "S3 objects": objects, "texts": texts} {
		files[form] = filepath.Join(dir, form+".log")
		write(t, files[form], strings.Join(lines, "\n")+"\n")
	}
	return files, filepath.Join(data, "rules"), want
}

// TestCloudTrailHost: raw events of CloudTrail raise in the host what the public
// rules must raise on them.
func TestCloudTrailHost(t *testing.T) {
	t.Parallel()
	files, rules, want := cloudTrail(t)
	for form, file := range files {
		t.Run(form, func(t *testing.T) {
			config := fluentbit.AlertsInput("alert.newterms") + fluentbit.Detector("aws", filepath.Join(t.TempDir(), "state"), "Rules "+rules)
			run := runHost(t, config, "tag=aws", "events="+file, fmt.Sprintf("records=%d", len(want)), "sleep=300").well(t)
			fluentbit.Same(t, fluentbit.Names(run.alerts), want)
		})
	}
}

// TestCloudTrail is TestCloudTrailHost in a real Fluent Bit. The form "lines" has
// the events as the tail input leaves them without a parser: as text under log.
func TestCloudTrail(t *testing.T) {
	t.Parallel()
	files, rules, want := cloudTrail(t)
	files["lines"] = files["events"]
	fluentbit.Each(t, func(t *testing.T, binary string) {
		for form, file := range files {
			t.Run(form, func(t *testing.T) {
				dir := t.TempDir()
				out := filepath.Join(dir, "alerts")
				tail := []string{"Name tail", "Path " + file, "Tag aws", "Read_from_Head On", "Buffer_Chunk_Size 1M", "Buffer_Max_Size 8M"}
				if form != "lines" {
					tail = append(tail, "Parser audit")
				}
				fb := fluentbit.Start(t, binary, dir, fluentbit.Prelude(dir)+fluentbit.Section("INPUT", tail...)+fluentbit.AlertsInput("alert.newterms")+
					fluentbit.Detector("aws", filepath.Join(dir, "state"), "Rules "+rules)+fluentbit.ToFile("alert.*", out))
				fluentbit.Settled(t, out, len(want))
				fb.Stop()
				fluentbit.Same(t, fluentbit.Names(fluentbit.Alerts(t, out)), want)
			})
		}
	})
}
