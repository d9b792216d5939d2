package rule

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzTOML and FuzzNDJSON feed the loaders with whatever bytes: there is no
// panic, each problem has its place and its words, and a rule that is loaded
// is complete.
func FuzzTOML(f *testing.F)   { fuzzLoader(f, "fuzz.toml", ".toml", sampleTOML, odd) }
func FuzzNDJSON(f *testing.F) { fuzzLoader(f, "fuzz.ndjson", ".ndjson", sampleJSON) }

func fuzzLoader(f *testing.F, name, extension string, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	archives, _ := filepath.Glob("testdata/problems/*.txtar")
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, extension) {
				f.Add(file.Data)
			}
		}
	}
	// Value lists are looked for beside the file: there are none here.
	name = filepath.Join(f.TempDir(), name)
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := Parse(name, data, Options{})
		checkLoaded(t, name, data, set, err)
	})
}

func checkLoaded(t *testing.T, name string, data []byte, set *Set, err error) {
	t.Helper()
	var problems Problems
	if err != nil && !errors.As(err, &problems) {
		t.Fatalf("%T is no Problems", err)
	}
	lines := strings.Count(string(data), "\n") + 1
	for _, p := range append(problems, set.Warnings...) {
		if p.File != name || p.Msg == "" || p.Line > lines || p.Line > 0 && p.Column < 1 {
			t.Errorf("a problem without a place or words: %+v", p)
		}
		if p.Line == 0 && len(data) > 0 {
			t.Errorf("a problem without a line: %v", p)
		}
		if !utf8.ValidString(p.Error()) && utf8.Valid(data) {
			t.Errorf("a message that is not UTF-8: %q", p.Error())
		}
	}
	for _, r := range set.Rules {
		if r.ID == "" || r.Name == "" || r.Filter == nil || (len(r.Terms) == 0) != r.IsQuery() || r.Interval <= 0 ||
			!r.IsQuery() && r.Window <= r.Interval || r.MaxSignals < 1 || r.RiskScore < 0 || r.RiskScore > 100 || usualScore[r.Severity] == 0 {
			t.Errorf("a rule that is not complete: %+v", r)
		}
		if _, err := numbers.Marshal(r.Raw); err != nil {
			t.Errorf("the parameters of %q do not become JSON: %v", r.ID, err)
		}
		for _, e := range r.Exceptions {
			if e.Node == nil {
				t.Errorf("an exception of %q matches nothing", r.ID)
			}
		}
	}
	again, _ := Parse(name, data, Options{})
	if len(again.Rules) != len(set.Rules) {
		t.Fatalf("%d rules at first, %d then", len(set.Rules), len(again.Rules))
	}
	for i, r := range set.Rules {
		if again.Rules[i].Fingerprint() != r.Fingerprint() {
			t.Errorf("the fingerprint of %q is another the second time", r.ID)
		}
	}
}

// TestHostileFiles loads files that are made to exhaust the loader.
func TestHostileFiles(t *testing.T) {
	deep := strings.Repeat("[", 200_000)
	for name, text := range map[string]string{
		"deep.toml":        "a = " + deep,
		"deep.ndjson":      `{"rule_id":` + deep,
		"deep_map.ndjson":  strings.Repeat(`{"a":`, 200_000) + "1" + strings.Repeat("}", 200_000),
		"query.ndjson":     `{"rule_id":"r","name":"n","type":"new_terms","query":"` + strings.Repeat("(", 200_000) + `"}`,
		"bytes.toml":       "\xff\xfe[rule]\x00",
		"bytes.ndjson":     "{\"a\":\"\xff\"}",
		"long_key.toml":    strings.Repeat("k", 1<<20) + " = 1\n[rule]\ntype = 'new_terms'",
		"filters.ndjson":   `{"rule_id":"r","name":"n","type":"new_terms","filters":[{"query":` + strings.Repeat(`{"bool":{"must":`, 90) + `{}` + strings.Repeat("}}", 90) + `}],"new_terms_fields":["x"],"history_window_start":"now-1d"}`,
		"control.ndjson":   `{"rule_id":"a\u0000b","name":"n","type":"new_terms","query":"a:b"}`,
		"truncated.ndjson": sampleJSON[:len(sampleJSON)/2],
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			set, err := Load([]string{path}, Options{})
			if name != "filters.ndjson" && err == nil {
				t.Error("no error")
			}
			checkLoaded(t, path, []byte(text), set, err)
		})
	}
}
