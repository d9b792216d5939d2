package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCloudTrail: raw events of CloudTrail, in every form that they are shipped
// in, raise the alerts that the public rules must raise on them.
func TestCloudTrail(t *testing.T) {
	const data = "../../../../shared/data/"
	packed, err := os.ReadFile(data + "sources/cloudtrail.jsonl.gz")
	if err != nil {
		t.Skip("no data beside the repository: ", err)
	}
	unzip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	expected, err := os.ReadFile(data + "sources/cloudtrail.expected.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(expected)) {
		var e struct {
			RuleID string `json:"rule_id"`
			Terms  []any
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint(e.RuleID, e.Terms))
	}
	slices.Sort(want)
	quote := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	for name, wrap := range map[string]func(string) string{
		"bare": func(s string) string { return s },
		"text": func(s string) string { return `{"log":` + quote(s) + `,"stream":"stdout"}` },
		"EventBridge": func(s string) string {
			return `{"version":"0","source":"aws.s3","account":"1","region":"r","resources":[],"detail":` + s + `}`
		},
		"S3": func(s string) string { return `{"Records":[` + s + `]}` },
		"CloudWatch": func(s string) string {
			return `{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{"id":"1","timestamp":1,"message":` + quote(s) + `}]}`
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "events.jsonl")
			var b strings.Builder
			for _, line := range lines {
				b.WriteString(wrap(line) + "\n")
			}
			if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errs bytes.Buffer
			if code := run([]string{"replay", "-q", "--learn", "off", "--rules", data + "rules", file}, strings.NewReader(""), &out, &errs); code != 0 {
				t.Fatalf("exit %d: %s", code, errs.String())
			}
			var got []string
			for line := range strings.Lines(out.String()) {
				var a map[string]any
				if err := json.Unmarshal([]byte(line), &a); err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprint(a["kibana.alert.rule.rule_id"], a["kibana.alert.new_terms"]))
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("alerts:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}
