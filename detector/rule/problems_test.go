package rule

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestProblems loads the files of each archive in testdata/problems and
// compares all that is said about them with the archive's last file, "want".
// The archive's comment may have a line "load: NAMES"; otherwise the folder
// of its files is loaded, or what a line "exceptions: NAMES" names with it.
func TestProblems(t *testing.T) {
	archives, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives in testdata/problems: %v", err)
	}
	for _, name := range archives {
		name, err := filepath.Abs(name) // loadArchive changes the folder
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := loadArchive(t, archive)
			want := &archive.Files[len(archive.Files)-1]
			if want.Name != "want" {
				t.Fatalf("the last file is %s, want want", want.Name)
			}
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want.Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want.Data)
			}
		})
	}
}

// loadArchive writes the archive's files to a folder, loads them and returns
// what was said, a line each.
func loadArchive(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range archive.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if f.Name != "want" {
			if err := os.WriteFile(path, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(dir)
	spec, options := []string{"."}, Options{}
	for line := range strings.Lines(string(archive.Comment)) {
		if names, ok := strings.CutPrefix(line, "load: "); ok {
			spec = strings.Fields(names)
		}
		if names, ok := strings.CutPrefix(line, "exceptions: "); ok {
			options.Exceptions = strings.Fields(names)
		}
	}
	set, err := Load(spec, options)
	var lines []string
	if err != nil {
		lines = append(lines, "error: "+strings.ReplaceAll(err.Error(), "\n", "\nerror: "))
		var problems Problems
		if !errors.As(err, &problems) {
			t.Errorf("%T is no Problems", err)
		}
	}
	for _, w := range set.Warnings {
		lines = append(lines, "warning: "+w.Error())
	}
	for _, r := range set.Rules {
		line := "rule: " + r.ID + ": " + r.Filter.String()
		for _, e := range r.Exceptions {
			line += "\n  except " + e.Node.String()
			if !e.Expires.IsZero() {
				line += " until " + e.Expires.UTC().Format("2006-01-02T15:04:05Z")
			}
		}
		lines = append(lines, line)
	}
	if s := set.SkippedSummary(); s != "" {
		lines = append(lines, s)
	}
	lines = slices.DeleteFunc(lines, func(s string) bool { return s == "" })
	return strings.Join(lines, "\n") + "\n"
}
