package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/test/fluentbit"
)

// hostRun is what a run of test/host gave.
type hostRun struct {
	alerts []fluentbit.Alert
	bodies [][]byte // the same, as JSON
	log    string
	err    error
}

// runHost runs test/host with a configuration and steps, and returns the
// alerts that its inputs collected.
func runHost(t *testing.T, config string, steps ...string) hostRun {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "host.conf")
	if err := os.WriteFile(path, []byte("[SERVICE]\n    log_level info\n"+config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(fluentbit.Host, append([]string{"-p", fluentbit.Plugin, "-p", fluentbit.Plugin, "-t", "60000", "-c", path}, steps...)...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	done := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() })
	err := cmd.Run()
	done.Stop()
	run := hostRun{log: log.String(), err: err}
	for _, line := range bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var r struct {
			Tag    string
			Record [2]json.RawMessage // [time, metadata] and body
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("the host printed %.200q: %v", line, err)
		}
		run.alerts = append(run.alerts, fluentbit.ParseAlerts(t, r.Record[1])...)
		run.bodies = append(run.bodies, r.Record[1])
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the host said:\n%s", run.log)
		}
	})
	return run
}

// well wants the host to have ended without an error.
func (r hostRun) well(t *testing.T) hostRun {
	t.Helper()
	if r.err != nil {
		t.Errorf("the host ended with %v", r.err)
	}
	return r
}

// TestHostAlertsReenter is TestAlertsReenter in the host.
func TestHostAlertsReenter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, state := fluentbit.AuditLog(t, dir), filepath.Join(dir, "state")
	want := fluentbit.Replayed(t, fluentbit.Rules, log)
	config := fluentbit.AlertsInput("alert.newterms") + fluentbit.Detector("kube.*", state, "Rules "+fluentbit.Rules)
	steps := []string{"time-key=requestReceivedTimestamp", "events=" + log}

	// Alerts leave the outbox half a second after they were handed over.
	fluentbit.Same(t, fluentbit.Names(runHost(t, config, append(steps, "records=45", "sleep=800")...).well(t).alerts), want)
	if again := runHost(t, config, append(steps, "sleep=500")...).well(t).alerts; len(again) != 0 {
		t.Errorf("%d alerts in a second run, want none", len(again))
	}
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	fluentbit.Same(t, fluentbit.Names(runHost(t, config, append(steps, "records=45", "sleep=300")...).well(t).alerts), want)
}

// TestHostForms feeds the same events in every form that Fluent Bit's chunks
// have had, with several threads, and on a small stack.
func TestHostForms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := fluentbit.AuditLog(t, dir)
	want := fluentbit.Replayed(t, fluentbit.Rules, log)
	for _, form := range [][]string{
		{"form=old"},
		{"form=old", "timestamp=int"},
		{"timestamp=float"},
		{"groups=on"},
		{"threads=4", "size=100000"},
		{"size=1"},
		{"stack=0"},
		{"layout=5.0"},
	} {
		t.Run(strings.Join(form, " "), func(t *testing.T) {
			steps := []string{"time-key=requestReceivedTimestamp"}
			if form[0] == "layout=5.0" {
				steps = append([]string{"--layout", "5.0"}, steps...)
			} else {
				steps = append(steps, form...)
			}
			log, want := log, want
			if form[0] == "size=1" { // a record a chunk: as many flushes as records
				short := filepath.Join(t.TempDir(), "short.log")
				lines := bytes.SplitAfter(fluentbit.Gunzip(t, filepath.Join(fluentbit.Root, "test/testdata/k8s-audit.jsonl.gz")), []byte("\n"))
				if err := os.WriteFile(short, bytes.Join(lines[:3000], nil), 0o644); err != nil {
					t.Fatal(err)
				}
				log, want = short, fluentbit.Replayed(t, fluentbit.Rules, short)
			}
			config := fluentbit.AlertsInput("alert.newterms") + fluentbit.Detector("kube.*", filepath.Join(t.TempDir(), "state"), "Rules "+fluentbit.Rules)
			run := runHost(t, config, append(steps, "events="+log, fmt.Sprintf("records=%d", len(want)), "sleep=300")...).well(t)
			fluentbit.Same(t, fluentbit.Names(run.alerts), want)
		})
	}
}

// TestHostBroken feeds chunks that break off and chunks with changed bytes:
// the plugin lives, and finds what comes after.
func TestHostBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := fluentbit.AuditLog(t, dir)
	// Changed bytes make new tuples, more than a rule may alert on by default.
	config := fluentbit.AlertsInput("alert.newterms") + fluentbit.Detector("kube.*", filepath.Join(dir, "state"), "Rules "+fluentbit.Rules, "Max_Alerts 1000000")
	steps := []string{"time-key=requestReceivedTimestamp", "size=50000"}
	for n := range 40 {
		steps = append(steps, fmt.Sprintf("truncate=%d", 1+n*n*31))
		if n%8 == 0 {
			steps = append(steps, "events="+log)
		}
	}
	steps = append(steps, "truncate=-1")
	for seed := range 3 {
		steps = append(steps, fmt.Sprintf("flip=%d:20", seed+1), "events="+log)
	}
	steps = append(steps, "flip=1:0", "events="+log, "sleep=500")
	run := runHost(t, config, steps...).well(t)
	have := fluentbit.Names(run.alerts)
	for _, w := range fluentbit.Replayed(t, fluentbit.Rules, log) {
		found := false
		for _, h := range have {
			found = found || h == w
		}
		if !found {
			t.Errorf("missing: %s", w)
		}
	}
	if !strings.Contains(run.log, "chunk is broken") {
		t.Error("the log does not say that a chunk is broken")
	}
}

// TestHostReload reloads hot between the flushes: nothing is lost, though the
// host throws away what lies in its inputs' rings, as Fluent Bit does. What may
// have been thrown away comes again, with the same uuid.
func TestHostReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := fluentbit.AuditLog(t, dir)
	lines := bytes.SplitAfter(fluentbit.Gunzip(t, filepath.Join(fluentbit.Root, "test/testdata/k8s-audit.jsonl.gz")), []byte("\n"))
	const parts = 20
	steps := []string{"time-key=requestReceivedTimestamp"}
	for i := range parts {
		part := filepath.Join(dir, fmt.Sprintf("part%d", i))
		from, to := i*len(lines)/parts, (i+1)*len(lines)/parts
		if err := os.WriteFile(part, bytes.Join(lines[from:to], nil), 0o644); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, "events="+part, fmt.Sprintf("sleep=%d", i*13%100), "reload")
	}
	for _, ring := range []string{"0", "250"} {
		t.Run("ring "+ring, func(t *testing.T) {
			config := fluentbit.AlertsInput("alert.newterms") + fluentbit.Detector("kube.*", filepath.Join(t.TempDir(), "state"), "Rules "+fluentbit.Rules)
			run := runHost(t, config, append([]string{"--ring", ring}, append(steps, "records=45", "sleep=1500")...)...).well(t)
			fluentbit.Same(t, fluentbit.Names(once(t, run.alerts)), fluentbit.Replayed(t, fluentbit.Rules, log))
		})
	}
}

// once drops the alerts that come again with the same uuid, and wants none to
// have come with another.
func once(t *testing.T, list []fluentbit.Alert) (out []fluentbit.Alert) {
	t.Helper()
	uuids := make(map[string]string)
	for _, a := range list {
		have, again := uuids[a.String()]
		if again && have != a.UUID {
			t.Errorf("%s came with two uuids, %s and %s", a, have, a.UUID)
		}
		if !again {
			out = append(out, a)
		}
		uuids[a.String()] = a.UUID
	}
	return out
}

// TestHostRefused wants the host, as Fluent Bit would, to end with an error
// when an instance refuses to start, and to hold nothing after that.
func TestHostRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	for _, test := range []struct{ name, config, message string }{
		{"nowhere", fluentbit.Detector("kube.*", state, "Rules "+fluentbit.Rules), "alerts have nowhere to go"},
		{"bad rules", fluentbit.AlertsInput("alert.x") + fluentbit.Detector("kube.*", state, "Rules "+fluentbit.Rules+"/none"), "property rules"},
		{"loop", fluentbit.AlertsInput("kube.x") + fluentbit.Detector("kube.*", state, "Rules "+fluentbit.Rules), "alerts would raise alerts"},
		{"second state", fluentbit.AlertsInput("alert.x") + fluentbit.Detector("kube.*", state, "Rules "+fluentbit.Rules) + fluentbit.Detector("a.*", state, "Rules "+fluentbit.Rules), "in use by output"},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := runHost(t, test.config, "sleep=1")
			if run.err == nil {
				t.Error("the host started")
			}
			if !strings.Contains(run.log, test.message) {
				t.Errorf("the log does not say %q", test.message)
			}
		})
	}
	// Nothing of the failures above holds the state.
	runHost(t, fluentbit.AlertsInput("alert.x")+fluentbit.Detector("kube.*", state, "Rules "+fluentbit.Rules), "sleep=1").well(t)
}
