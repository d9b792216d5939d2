package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/test/fluentbit"
)

// newterms runs the command and wants an exit code.
func newterms(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, words bytes.Buffer
	cmd := exec.Command(fluentbit.Command, args...)
	cmd.Stdout, cmd.Stderr = &out, &words
	err := cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		t.Fatalf("newterms %s: %v, want exit code %d\n%s", strings.Join(args, " "), err, code, words.String())
	}
	return out.String(), words.String()
}

// TestLearnedState learns from the first part of a log, lets a Fluent Bit that
// would learn for a day run on that state over all of it, and wants at once the
// alerts of the rest alone. While it runs, the command reads the state and
// does not write to it.
func TestLearnedState(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		log, out, state, other := fluentbit.AuditLog(t, dir), filepath.Join(dir, "alerts"), filepath.Join(dir, "state"), filepath.Join(dir, "other")
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		const half = 15_000
		lines := bytes.SplitAfter(text, []byte("\n"))
		old, recent := filepath.Join(dir, "old.log"), filepath.Join(dir, "recent.log")
		for path, part := range map[string][][]byte{old: lines[:half], recent: lines[half:]} {
			if err := os.WriteFile(path, bytes.Join(part, nil), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		newterms(t, 0, "learn", "-q", "--rules", fluentbit.Rules, "--state", state, old)
		newterms(t, 0, "learn", "-q", "--rules", fluentbit.Rules, "--state", other, old)
		found, _ := newterms(t, 0, "replay", "-q", "--rules", fluentbit.Rules, "--state", other, recent)
		want := fluentbit.Names(fluentbit.ParseAlerts(t, []byte(found)))
		if len(want) == 0 || len(want) == fluentbit.SeedAlerts {
			t.Fatalf("%d alerts of the rest", len(want))
		}

		config := fluentbit.Prelude(dir) + fluentbit.Tail(log) + fluentbit.AlertsInput("alert.newterms") +
			strings.Replace(fluentbit.Detector("kube.*", state, "Rules "+fluentbit.Rules), "Learn off", "Learn 24h", 1) + fluentbit.ToFile("alert.*", out)
		fb := fluentbit.Start(t, binary, dir, config)
		fluentbit.Settled(t, out, len(want))
		fluentbit.Same(t, fluentbit.Names(fluentbit.Alerts(t, out)), want)

		list, _ := newterms(t, 0, "state", "list", "--state", state)
		if n := strings.Count(list, "\n") - 2; n != fluentbit.SeedAlerts {
			t.Errorf("%d tuples are listed, want %d", n, fluentbit.SeedAlerts)
		}
		if exported, _ := newterms(t, 0, "state", "export", "--state", state); strings.Count(exported, "\n") != 1+fluentbit.SeedAlerts {
			t.Errorf("exported %s", exported)
		}
		newterms(t, 0, "state", "verify", "--state", state)
		_, words := newterms(t, 0, "state", "rules", "--state", state)
		if holder := fmt.Sprintf("in use by process %d", fb.Cmd.Process.Pid); !strings.Contains(words, holder) {
			t.Errorf("it said %q, want %q", words, holder)
		}
		newterms(t, 0, "report", "--state", state, "-o", filepath.Join(dir, "report.html"))
		for _, args := range [][]string{
			{"state", "forget", "--where", "count > 0", "--yes"},
			{"state", "forget", "--where", "count > 0"},
			{"state", "import", os.DevNull},
			{"state", "merge", other},
			{"state", "compact"},
			{"learn", "--rules", fluentbit.Rules, old},
			{"replay", "--rules", fluentbit.Rules, old},
		} {
			if _, words := newterms(t, 2, append(args, "--state", state)...); !strings.Contains(words, "the state is in use") || strings.Contains(words, "[y/N]") {
				t.Errorf("%s said %q", strings.Join(args, " "), words)
			}
		}
		time.Sleep(time.Second)
		fb.Stop()
		if n := fluentbit.CountLines(out); n != len(want) {
			t.Errorf("%d alerts at the end, want %d", n, len(want))
		}
		newterms(t, 0, "state", "forget", "--where", "user_agent.original: curl*", "--yes", "--state", state)
		newterms(t, 0, "state", "compact", "--state", state)
		newterms(t, 0, "state", "verify", "--state", state)
	})
}
