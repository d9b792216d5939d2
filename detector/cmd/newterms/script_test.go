package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"newterms": main})
}

// The module's own folder, and the reference data beside it, which need not
// be there.
const (
	moduleRoot = "../../.."
	sharedData = moduleRoot + "/../shared/data"
)

var update = flag.Bool("update", false, "write what commands print into the scripts that compare it")

// TestScript runs testdata/script: each file is a session at a shell. They may
// use
//
//	exits N COMMAND    COMMAND ends with this code ("! exec" and "exec" say only whether it was 0)
//	gzip, zstd FILE    make FILE.gz, FILE.zst
//	alerts FILE WANT   the alerts in FILE are those that WANT lists: line, rule and terms
//	lines FILE N       FILE has N lines
//	truncate FILE      FILE loses its last bytes
//	damage FILE        bytes of FILE change
//
// and $ROOT, the module's folder, $DATA, the reference data ([data] tells
// whether it is there) and $KUBERNETES, its rules for Kubernetes.
func TestScript(t *testing.T) {
	root, err := filepath.Abs(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	data, _ := filepath.Abs(sharedData)
	_, noData := os.Stat(data)
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		UpdateScripts:      *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("ROOT", root)
			env.Setenv("DATA", data)
			env.Setenv("KUBERNETES", strings.Join(kubernetesRules(t), ","))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "data" {
				return noData == nil, nil
			}
			return false, fmt.Errorf("no such condition")
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":    scriptExits,
			"gzip":     scriptGzip,
			"zstd":     scriptZstd,
			"alerts":   scriptAlerts,
			"lines":    scriptLines,
			"truncate": scriptTruncate,
			"damage":   scriptDamage,
		},
	})
}

// kubernetesRules are the public rules that the reference data was made with.
func kubernetesRules(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(sharedData + "/rules/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("logs-kubernetes.audit_logs-")) {
			abs, err := filepath.Abs(f)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, abs)
		}
	}
	return out
}

// scriptExits runs a command and wants a code: exits CODE command args...
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		var ok bool
		if code, ok = strings.CutPrefix(err.Error(), "exit status "); !ok {
			ts.Fatalf("%v", err)
		}
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

func scriptGzip(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write([]byte(ts.ReadFile(name)))
		ts.Check(err)
		ts.Check(z.Close())
		ts.Check(os.WriteFile(ts.MkAbs(name)+".gz", b.Bytes(), 0o600))
	}
}

func scriptZstd(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		z, err := zstd.NewWriter(nil)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(name)+".zst", z.EncodeAll([]byte(ts.ReadFile(name)), nil), 0o600))
	}
}

func scriptLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines FILE N")
	}
	if n := fmt.Sprint(strings.Count(ts.ReadFile(args[0]), "\n")); n != args[1] {
		ts.Fatalf("%s has %s lines, want %s", args[0], n, args[1])
	}
}

// expectation is an alert as the reference data lists it.
type expectation struct {
	RuleID string `json:"rule_id"`
	Terms  []any  `json:"new_terms"`
	Line   int    `json:"line"`
}

func (e expectation) String() string {
	terms, _ := jsonLine.Marshal(e.Terms)
	return fmt.Sprintf("%d %s %s", e.Line, e.RuleID, terms)
}

// expectations reads what is listed.
func expectations(text string) ([]string, error) {
	var out []string
	s := bufio.NewScanner(strings.NewReader(text))
	for s.Scan() {
		var e expectation
		if err := jsonLine.Unmarshal(s.Bytes(), &e); err != nil {
			return nil, err
		}
		out = append(out, e.String())
	}
	slices.Sort(out)
	return out, s.Err()
}

// alertsOf reads what replay printed.
func alertsOf(text string) ([]string, error) {
	var out []string
	for line := range strings.Lines(text) {
		var f found
		if err := jsonLine.UnmarshalFromString(line, &f); err != nil {
			return nil, err
		}
		out = append(out, expectation{f.RuleID, f.Terms, f.Own.Line}.String())
	}
	slices.Sort(out)
	return out, nil
}

func scriptAlerts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: alerts FILE WANT")
	}
	got, err := alertsOf(ts.ReadFile(args[0]))
	ts.Check(err)
	want, err := expectations(ts.ReadFile(args[1]))
	ts.Check(err)
	if !slices.Equal(got, want) {
		ts.Fatalf("%d alerts:\n%s\nwant %d:\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}

// scriptTruncate takes the last bytes off a file.
func scriptTruncate(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		ts.Check(os.Truncate(ts.MkAbs(name), info.Size()-12))
	}
}

// scriptDamage changes every hundredth byte of the end of a state.
func scriptDamage(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		b := []byte(ts.ReadFile(name))
		for i := len(b) / 4; i < len(b); i += 100 {
			b[i] ^= 0x55
		}
		ts.Check(os.WriteFile(ts.MkAbs(name), b, 0o600))
	}
}
