package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestConfigStarts holds check --config and a real Fluent Bit together: what
// passes starts, and what has an error does not.
func TestConfigStarts(t *testing.T) {
	binary, err := exec.LookPath("fluent-bit")
	if err != nil {
		t.Skip("SKIPPED: there is no fluent-bit on the PATH")
	}
	so, err := filepath.Abs(moduleRoot + "/build/out_newterms.so")
	if err != nil {
		t.Fatal(err)
	}
	if readable(so) != nil {
		t.Skip("SKIPPED: build/out_newterms.so is not built: make build")
	}
	const good = `
service:
  flush: 0.2
  grace: 1
plugins:
  - SO
  - SO
pipeline:
  inputs:
    - name: tail
      tag: kube.audit
      path: DIR/events.jsonl
      db: DIR/tail.db
      refresh_interval: 1
      read_from_head: on
      exit_on_eof: on
    - name: newterms_alerts
      tag: alert.newterms
  outputs:
    - name: newterms
      match: kube.*
      rules: DIR/rule.toml
      state_path: DIR/state
      learn: off
    - name: stdout
      match: alert.*
`
	for _, c := range []struct {
		name, from, to string
		starts         bool
	}{
		{"as it should be", "", "", true},
		{"with a match of its own alerts", "match: kube.*", `match: "*"`, false},
		{"a rule that is not there", "rule.toml", "nowhere.toml", false},
		{"no inputs for alerts", "newterms_alerts", "dummy", false},
		{"a span that is none", "learn: off", "learn: sometimes", false},
		{"a severity that is none", "tag: alert.newterms", "tag: alert.newterms\n      min_severity: grave", false},
		{"a state in a file", "DIR/state", "DIR/rule.toml", false},
		{"a plugin that is not there", "  - SO\n", "  - DIR/nowhere_newterms.so\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "rule.toml"), ruleOfTools)
			write(t, filepath.Join(dir, "events.jsonl"), plainEvents)
			file := filepath.Join(dir, "fb.yaml")
			text := strings.ReplaceAll(good, c.from, c.to)
			if c.from == "" {
				text = good
			}
			write(t, file, strings.NewReplacer("SO", so, "DIR", dir).Replace(text))
			code := 1
			if c.starts {
				code = 0
			}
			found, _ := command(t, code, "check", "--config", file)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, binary, "-c", file).CombinedOutput()
			if started := err == nil; started != c.starts {
				t.Errorf("Fluent Bit: %v; check said\n%s\n%s", err, found, out)
			}
		})
	}
}
