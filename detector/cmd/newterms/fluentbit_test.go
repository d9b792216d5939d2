package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// plainEvents and hostileEvent hold what forms that do not escape strings
// cannot tell from their own.
const (
	plainEvents = `{"@timestamp":"2026-01-01T10:00:00Z","user":{"name":"alice"},"process":{"name":"curl","args":["-s","say \"hi\", he said",{"n":-1.5}]},"ok":true,"no":null}
{"@timestamp":"2026-01-01T10:01:00Z","user":{"name":"bob é \u2028"},"process":{"name":"C:\\nc {\"a\":\"b\"}"}}
`
	hostileEvent = `{"@timestamp":"2026-01-01T10:02:00Z","user":{"name":"eve"},"process":{"name":"x\", \"name\"=>\"y\"}\nz"}}
`
)

// TestFluentBitForms lets a real Fluent Bit write events in all of its forms,
// and wants the alerts that the events themselves give.
func TestFluentBitForms(t *testing.T) {
	binary, err := exec.LookPath("fluent-bit")
	if err != nil {
		t.Skip("SKIPPED: there is no fluent-bit on the PATH")
	}
	dir := t.TempDir()
	rules, events := filepath.Join(dir, "rule.toml"), filepath.Join(dir, "events.jsonl")
	write(t, rules, ruleOfTools)
	write(t, events, plainEvents+hostileEvent)
	write(t, filepath.Join(dir, "parsers.conf"), "[PARSER]\n    Name js\n    Format json\n")

	type form struct {
		output, format string
		alerts         int // of 3
		says           string
	}
	forms := []form{
		{"file", "", 3, ""},
		{"file", "plain", 3, ""},
		{"file", "msgpack", 3, ""},
		{"file", "ltsv", 0, "are not escaped, so they can be forged"},
		{"file", "csv", 0, "csv form, which leaves the names of fields out"},
		{"stdout", "", 0, "are not escaped, so they can be forged"},
		{"stdout", "json", 3, ""},
		{"stdout", "json_lines", 3, ""},
		{"stdout", "json_stream", 3, ""},
	}
	config := `
[SERVICE]
    Flush 0.2
    Grace 1
    Parsers_File parsers.conf
[INPUT]
    Name tail
    Path ` + events + `
    Tag kube.audit
    Parser js
    Read_from_Head on
    Exit_On_Eof on
`
	for _, f := range forms {
		if f.output == "file" {
			config += "[OUTPUT]\n    Name file\n    Match *\n    Path " + dir + "\n    File file." + f.format + "\n"
			if f.format != "" {
				config += "    Format " + f.format + "\n"
			}
		}
	}
	fluentBit := func(config string) []byte {
		write(t, filepath.Join(dir, "fb.conf"), config)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, binary, "-q", "-c", "fb.conf")
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("fluent-bit: %v", err)
		}
		return out
	}
	input, _, _ := strings.Cut(config, "[OUTPUT]")
	fluentBit(config)
	want := alertsWithoutLine(t, rules, events)
	if len(want) != 3 {
		t.Fatalf("%d alerts of the events themselves", len(want))
	}
	for _, f := range forms {
		t.Run(f.output+" "+f.format, func(t *testing.T) {
			file := filepath.Join(dir, f.output+"."+f.format)
			if f.output == "stdout" {
				config := input + "[OUTPUT]\n    Name stdout\n    Match *\n"
				if f.format != "" {
					config += "    Format " + f.format + "\n"
				}
				write(t, file, string(fluentBit(config)))
			}
			code := 0
			if f.alerts == 0 {
				code = 2 // nothing in the file can be read
			}
			got, note := command(t, code, "replay", "--rules", rules, file)
			if terms := termsOf(t, got); !slices.Equal(terms, want[:f.alerts]) {
				text, _ := os.ReadFile(file)
				t.Errorf("alerts %q, want %q, of\n%s\n%s", terms, want[:f.alerts], text, note)
			}
			if !strings.Contains(note, f.says) || f.says == "" && strings.Contains(note, "passed over") {
				t.Errorf("it said %q, want %q", note, f.says)
			}
		})
	}
}

func alertsWithoutLine(t *testing.T, rules, file string) []string {
	t.Helper()
	out, _ := command(t, 0, "replay", "-q", "--rules", rules, file)
	return termsOf(t, out)
}

// termsOf returns the time and terms of each alert.
func termsOf(t *testing.T, alerts string) (terms []string) {
	t.Helper()
	for line := range strings.Lines(alerts) {
		var f struct {
			Time  string `json:"@timestamp"`
			Terms []any  `json:"kibana.alert.new_terms"`
		}
		if err := jsonLine.UnmarshalFromString(line, &f); err != nil {
			t.Fatal(err)
		}
		terms = append(terms, fmt.Sprintf("%s %q", f.Time, f.Terms))
	}
	return terms
}
