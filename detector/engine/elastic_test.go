package engine

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/test/scripts"
)

const elasticScripts = "../../test/testdata/elastic"

var decoded = scripts.Decode

// scriptRules returns a script's rules with its exceptions.
func scriptRules(t *testing.T, s *scripts.Script) []*rule.Rule {
	t.Helper()
	dir := s.Write(t)
	var o rule.Options
	if s.Has("exceptions.toml") {
		o.Exceptions = []string{filepath.Join(dir, "exceptions.toml")}
	}
	set, err := rule.Load([]string{filepath.Join(dir, "rule.toml")}, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range set.Warnings {
		if !strings.Contains(w.Error(), "expired") {
			t.Errorf("warning: %v", w)
		}
	}
	return set.Rules
}

// TestElasticEngine runs every script through the engine: all events in one
// batch, and each in one of its own.
func TestElasticEngine(t *testing.T) {
	for _, s := range scripts.Read(t, elasticScripts, "engine") {
		for _, size := range []int{1, 2, 1000} {
			t.Run(fmt.Sprintf("%s/%d", s.Name, size), func(t *testing.T) {
				var got []map[string]any
				e := newTestEngine(t, Options{
					Source: func(i int) map[string]any { return map[string]any{"line": i + 1} },
					Alert:  func(a *Alert) { got = append(got, scripts.Decode(t, a.Body)) },
				}, scriptRules(t, s), seen.OpenMemory(seen.Options{}))
				feed(t, e, s.Events(), 0, size)
				if err := e.Finish(); err != nil {
					t.Fatal(err)
				}
				s.Compare(t, got, false)
			})
		}
	}
}

// TestElasticCommand runs every script through newterms replay.
func TestElasticCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command")
	}
	bin := filepath.Join(t.TempDir(), "newterms")
	if out, err := exec.Command("go", "build", "-o", bin, "./cmd/newterms").CombinedOutput(); err != nil {
		t.Skipf("the command does not build: %v\n%s", err, out)
	}
	for _, s := range scripts.Read(t, elasticScripts, "command") {
		t.Run(s.Name, func(t *testing.T) {
			dir := s.Write(t)
			args := []string{"replay", "--rules", "rule.toml", "--learn", "off"}
			if s.Has("exceptions.toml") {
				args = append(args, "--exceptions", "exceptions.toml")
			}
			cmd := exec.Command(bin, append(args, "events.jsonl")...)
			cmd.Dir = dir
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			var got []map[string]any
			for _, line := range scripts.Lines(out) {
				got = append(got, scripts.Decode(t, line))
			}
			s.Compare(t, got, false)
		})
	}
}
