package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const ruleOfTools = `[rule]
name = "New tool"
rule_id = "tool"
type = "new_terms"
language = "kuery"
query = "process.name: *"
severity = "low"
risk_score = 21
description = "A tool that a user has not used before."
[rule.new_terms]
field = "new_terms_fields"
value = ["user.name", "process.name"]
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-7d"
`

// TestFollowAndInterrupt feeds replay from a pipe that stays open. Alerts must
// come out while it waits for more, and what was found must have been printed
// and kept when it is interrupted, whose exit code is 130.
func TestFollowAndInterrupt(t *testing.T) {
	dir := t.TempDir()
	rules, state := filepath.Join(dir, "rule.toml"), filepath.Join(dir, "state")
	write(t, rules, ruleOfTools)
	stdin, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	defer feed.Close()
	out, stdout := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run([]string{"replay", "--rules", rules, "--state", state, "-"}, stdin, stdout, &stderr)
		stdout.Close()
	}()
	lines := make(chan string)
	go func() {
		s := bufio.NewScanner(out)
		for s.Scan() {
			lines <- s.Text()
		}
		close(lines)
	}()
	for i := range 3 {
		fmt.Fprintf(feed, `{"@timestamp":"2026-01-01T10:0%d:00Z","user":{"name":"u%d"},"process":{"name":"x"}}`+"\n", i, i)
		select {
		case line := <-lines:
			if !strings.Contains(line, fmt.Sprintf(`"kibana.alert.new_terms":["u%d","x"]`, i)) {
				t.Fatalf("alert %d is %s", i, line)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("an alert was held back until there was more to read")
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for line := range lines {
		t.Errorf("more alerts: %s", line)
	}
	if got := <-code; got != exitInterrupted {
		t.Errorf("exit code %d, want %d", got, exitInterrupted)
	}
	if words := stderr.String(); !strings.Contains(words, "3 events in 3 lines") || !strings.Contains(words, "interrupted") {
		t.Errorf("it said %q", words)
	}
	if list, _ := command(t, 0, "state", "list", "--state", state); strings.Count(list, " · x\n") != 3 {
		t.Errorf("the state holds\n%s", list)
	}
}
