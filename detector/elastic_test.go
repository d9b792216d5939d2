package detector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// script is one file of test/testdata/elastic; its README has the format.
type script struct {
	name   string
	runs   string // the runners that it is for, "" for all
	files  map[string][]byte
	alerts []map[string]any
}

func (s *script) lines() [][]byte { return splitLines(s.files["events.jsonl"]) }

func splitLines(text []byte) [][]byte {
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

func scripts(t *testing.T) []*script {
	t.Helper()
	paths, err := filepath.Glob("../test/testdata/elastic/*.txtar")
	if err != nil || len(paths) < 25 {
		t.Fatalf("%d scripts, want 25 or more: %v", len(paths), err)
	}
	var all []*script
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := &script{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), files: make(map[string][]byte)}
		_, s.runs, _ = strings.Cut(string(a.Comment), "# runs: ")
		for _, f := range a.Files {
			s.files[f.Name] = f.Data
		}
		for _, line := range splitLines(s.files["alerts.jsonl"]) {
			s.alerts = append(s.alerts, decoded(t, line))
		}
		all = append(all, s)
	}
	return all
}

func decoded(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return doc
}

// write puts the script's files into a folder.
func (s *script) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range s.files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (s *script) rules(t *testing.T) []*rule.Rule {
	t.Helper()
	dir := s.write(t)
	var o rule.Options
	if s.files["exceptions.toml"] != nil {
		o.Exceptions = []string{filepath.Join(dir, "exceptions.toml")}
	}
	set, err := rule.Load([]string{filepath.Join(dir, "rule.toml")}, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range set.Warnings {
		t.Errorf("warning: %v", w)
	}
	return set.Rules
}

// TestElasticEngine runs every script through the engine: all events in one
// batch, and each in one of its own.
func TestElasticEngine(t *testing.T) {
	for _, s := range scripts(t) {
		for _, size := range []int{1, 2, 1000} {
			t.Run(fmt.Sprintf("%s/%d", s.name, size), func(t *testing.T) {
				var got []map[string]any
				e := newTestEngine(t, EngineOptions{
					Source: func(i int) map[string]any { return map[string]any{"line": i + 1} },
					Alert:  func(a *Alert) { got = append(got, decoded(t, a.Body)) },
				}, s.rules(t), seen.OpenMemory(seen.Options{}))
				feed(t, e, s.lines(), 0, size)
				if err := e.Finish(); err != nil {
					t.Fatal(err)
				}
				s.compare(t, got)
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
	for _, s := range scripts(t) {
		t.Run(s.name, func(t *testing.T) {
			dir := s.write(t)
			args := []string{"replay", "--rules", "rule.toml", "--learn", "off"}
			if s.files["exceptions.toml"] != nil {
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
			if len(out) > 0 {
				for _, line := range splitLines(out) {
					got = append(got, decoded(t, line))
				}
			}
			s.compare(t, got)
		})
	}
}

// compare wants exactly the script's alerts, in order.
func (s *script) compare(t *testing.T, got []map[string]any) {
	t.Helper()
	for i, want := range s.alerts {
		if i >= len(got) {
			t.Errorf("alert %d is missing: %v", i+1, want)
			continue
		}
		for path, val := range want {
			if path == "line" {
				path = "newterms.line"
			}
			if have := alert.Find(got[i], path); !equalJSON(have, val) {
				t.Errorf("alert %d: %s is %v, want %v", i+1, path, have, val)
			}
		}
	}
	for i := len(s.alerts); i < len(got); i++ {
		t.Errorf("alert %d is too many: %v of line %v", i+1, got[i]["kibana.alert.new_terms"], alert.Find(got[i], "newterms.line"))
	}
}

// equalJSON compares decoded values, numbers by what they are worth.
func equalJSON(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		if !ok {
			return false
		}
		if x == y {
			return true
		}
		f, err1 := x.Float64()
		g, err2 := y.Float64()
		exact := len(x) < 16 && len(y) < 16
		return err1 == nil && err2 == nil && f == g && exact
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equalJSON(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if !equalJSON(x[k], y[k]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}
