package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/seen"
)

// command runs the program inside the test and wants an exit code.
func command(t testing.TB, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	if got := run(args, strings.NewReader(""), &out, &err); got != code {
		t.Fatalf("newterms %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, err.String())
	}
	return out.String(), err.String()
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reference returns the lines of a file of the reference data, and skips the
// test where there is none.
func reference(t testing.TB, name string) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(sharedData, name))
	if err != nil {
		t.Skipf("the reference data is not here: %v", err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(string(text)))
}

// TestLearnThenReplay learns from the first half of a cluster's log and
// replays the second: the alerts must be those that the reference has in the
// second half, whichever rule and wherever the cut.
func TestLearnThenReplay(t *testing.T) {
	lines := reference(t, "k8s-audit/cluster-a.jsonl.gz")
	want, err := expectations(strings.Join(reference(t, "k8s-audit/cluster-a.expected.jsonl"), ""))
	if err != nil {
		t.Fatal(err)
	}
	rules := strings.Join(append(kubernetesRules(t), moduleRoot+"/conf/rules"), ",")
	for _, cut := range []int{1, len(lines) / 2, len(lines) * 9 / 10} {
		dir := t.TempDir()
		old, recent := filepath.Join(dir, "old"), filepath.Join(dir, "recent")
		write(t, old, strings.Join(lines[:cut], ""))
		write(t, recent, strings.Repeat("\n", cut)+strings.Join(lines[cut:], ""))
		state := filepath.Join(dir, "state")
		if out, _ := command(t, 0, "learn", "-q", "--rules", rules, "--state", state, old); out != "" {
			t.Errorf("learn printed %q", out)
		}
		out, _ := command(t, 0, "replay", "-q", "--learn", "24h", "--rules", rules, "--state", state, recent)
		got, err := alertsOf(out)
		if err != nil {
			t.Fatal(err)
		}
		var later []string
		for _, w := range want {
			if lineOf(t, w) > cut {
				later = append(later, w)
			}
		}
		if !slices.Equal(got, later) {
			t.Errorf("cut at %d: %d alerts, want %d:\n%s\nwant\n%s", cut, len(got), len(later), strings.Join(got, "\n"), strings.Join(later, "\n"))
		}
	}
}

func lineOf(t testing.TB, expectation string) (n int) {
	t.Helper()
	digits, _, _ := strings.Cut(expectation, " ")
	for _, d := range digits {
		n = 10*n + int(d-'0')
	}
	return n
}

// TestStateInUse holds a state as a plugin does: commands that read work, and
// those that would write refuse.
func TestStateInUse(t *testing.T) {
	dir := t.TempDir()
	state, file := filepath.Join(dir, "state"), filepath.Join(dir, "export")
	write(t, file, exported(t, anyState.Filter(func(d *stateData) bool { return len(d.rules) > 1 }).Example(3)))
	command(t, 0, "state", "import", "--state", state, file)
	want, _ := command(t, 0, "state", "export", "--state", state)
	store, _, err := seen.Open(state, seen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()

	if got, _ := command(t, 0, "state", "export", "--state", state); got != want {
		t.Errorf("exported %s\nwant %s", got, want)
	}
	command(t, 0, "state", "verify", "--state", state)
	if _, note := command(t, 0, "state", "rules", "--state", state); !strings.Contains(note, "in use by process") {
		t.Errorf("rules said %q", note)
	}
	rules := moduleRoot + "/conf/rules"
	for _, args := range [][]string{
		{"state", "forget", "--where", "count > 0", "--yes"},
		{"state", "import", file},
		{"state", "merge", filepath.Join(dir, "state")},
		{"state", "compact"},
		{"learn", "--rules", rules, "/dev/null"},
		{"replay", "--rules", rules, "/dev/null"},
	} {
		_, note := command(t, 2, append(args, "--state", state)...)
		if !strings.Contains(note, "in use") {
			t.Errorf("%s said %q", strings.Join(args, " "), note)
		}
	}
}

func TestPrintable(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"curl/8.5.0 (x)", "curl/8.5.0 (x)"},
		{"日本 é", "日本 é"},
		{"a\x1b[31mb\n\x00", `a\x1b[31mb\n\x00`},
		{"\xff\xfe ok", `\xff\xfe ok`},
		{"\uFFFD stays", "\uFFFD stays"},
		{"right\u202eleft", `right\u202eleft`},
	} {
		if got := printable(c.in); got != c.want {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
	}
}

func TestElide(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{
		{"short", 10, "short"},
		{"0123456789abcdef", 10, "012345…def"},
		{"日本語日本語日本語", 9, "日本語…語"},
	} {
		if got := elide(c.in, c.width); got != c.want {
			t.Errorf("%q in %d became %q, want %q", c.in, c.width, got, c.want)
		}
	}
}
