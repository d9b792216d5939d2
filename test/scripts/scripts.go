// Package scripts reads the scripts of test/testdata/elastic, each of which
// shows one documented behaviour of new_terms rules, and compares what a runner
// gave with what a script wants. Their README has the format.
package scripts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"fluent-bit-newterms/detector/alert"
)

// Script is one of them.
type Script struct {
	Name  string
	Paced bool // a host waits between events as long as their times say
	Files map[string][]byte

	runs   []string // the runners that it is for, nil for all
	alerts []map[string]any
}

// Read returns the scripts in a folder that are for a runner: engine, command
// or host.
func Read(t *testing.T, dir, runner string) []*Script {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(paths) < 25 {
		t.Fatalf("%d scripts, want 25 or more: %v", len(paths), err)
	}
	var all []*Script
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := &Script{Name: strings.TrimSuffix(filepath.Base(path), ".txtar"), Files: make(map[string][]byte)}
		for line := range strings.Lines(string(a.Comment)) {
			line = strings.TrimSpace(line)
			if list, ok := strings.CutPrefix(line, "# runs: "); ok {
				s.runs = strings.Split(list, ", ")
			}
			s.Paced = s.Paced || line == "# host: paced"
		}
		for _, f := range a.Files {
			s.Files[f.Name] = f.Data
		}
		if s.runs != nil && !slices.Contains(s.runs, runner) {
			continue
		}
		for _, line := range Lines(s.Files["alerts.jsonl"]) {
			s.alerts = append(s.alerts, Decode(t, line))
		}
		all = append(all, s)
	}
	return all
}

// Write puts the script's files into a folder of the test's own.
func (s *Script) Write(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, data := range s.Files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Has tells whether the script has a file of that name.
func (s *Script) Has(name string) bool { return s.Files[name] != nil }

// Events returns the events, one a line.
func (s *Script) Events() [][]byte { return Lines(s.Files["events.jsonl"]) }

// TimeKey returns the key that holds the time of the script's events.
func (s *Script) TimeKey() string {
	if bytes.Contains(s.Files["events.jsonl"], []byte(`"@timestamp"`)) {
		return "@timestamp"
	}
	return "requestReceivedTimestamp"
}

// Alerts returns how many alerts the script wants.
func (s *Script) Alerts() int { return len(s.alerts) }

// Lull is a wait of a second or more between two events.
type Lull struct {
	Before int // the event after it, from 0
	Wait   time.Duration
}

// Lulls returns where a host waits, and how long; none unless it is to.
func (s *Script) Lulls(t *testing.T) (lulls []Lull) {
	t.Helper()
	if !s.Paced {
		return nil
	}
	var last time.Time
	for i, line := range s.Events() {
		at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(Decode(t, line)[s.TimeKey()]))
		if err != nil {
			t.Fatal(err)
		}
		if wait := at.Sub(last); i > 0 && wait >= time.Second {
			lulls = append(lulls, Lull{i, wait})
		}
		last = at
	}
	return lulls
}

// Lines splits a text into lines, without an empty one at the end.
func Lines(text []byte) [][]byte {
	text = bytes.TrimSuffix(text, []byte("\n"))
	if len(text) == 0 {
		return nil
	}
	return bytes.Split(text, []byte("\n"))
}

// Decode reads a JSON object, numbers as they are written.
func Decode(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return doc
}

// byClock are what a host takes from the clock, or, as lines, does not know.
var byClock = []string{"line", "newterms.start", "newterms.end", "newterms.learning_since"}

// Compare wants got to be exactly the script's alerts, in order. A host's are
// compared without what it takes from the clock.
func (s *Script) Compare(t *testing.T, got []map[string]any, host bool) {
	t.Helper()
	for i, want := range s.alerts {
		if i >= len(got) {
			t.Errorf("alert %d is missing: %v", i+1, want)
			continue
		}
		for path, val := range want {
			if host && slices.Contains(byClock, path) {
				continue
			}
			if path == "line" {
				path = "newterms.line"
			}
			if have := alert.Find(got[i], path); !equal(have, val) {
				t.Errorf("alert %d: %s is %v, want %v", i+1, path, have, val)
			}
		}
	}
	for i := len(s.alerts); i < len(got); i++ {
		t.Errorf("alert %d is too many: %v of line %v", i+1, got[i]["kibana.alert.new_terms"], alert.Find(got[i], "newterms.line"))
	}
}

// equal compares decoded values, numbers by what they are worth.
func equal(a, b any) bool {
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
		return ok && slices.EqualFunc(x, y, equal)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if val, has := y[k]; !has || !equal(x[k], val) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}
