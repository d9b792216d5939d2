package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fluentBit is one running Fluent Bit.
type fluentBit struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *logBuffer
	done chan error
}

// logBuffer is what a process prints.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// prelude is what every configuration begins with.
func prelude(dir string) string {
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			panic(err)
		}
		return path
	}
	plugins := write("plugins.conf", "[PLUGINS]\n    Path "+built.plugin+"\n    Path "+built.plugin+"\n")
	parsers := write("parsers.conf", `[PARSER]
    Name        audit
    Format      json
    Time_Key    requestReceivedTimestamp
    Time_Format %Y-%m-%dT%H:%M:%S.%LZ
    Time_Keep   On
`)
	return "[SERVICE]\n    Flush 0.2\n    Grace 5\n    Log_Level info\n    Plugins_File " + plugins + "\n    Parsers_File " + parsers + "\n"
}

// start runs Fluent Bit with a configuration in classic form.
func start(t *testing.T, binary, dir, config string) *fluentBit {
	t.Helper()
	path := filepath.Join(dir, "fluent-bit.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return startFile(t, binary, path)
}

// startFile runs Fluent Bit with a configuration file.
func startFile(t *testing.T, binary, path string, args ...string) *fluentBit {
	t.Helper()
	fb := &fluentBit{t: t, log: &logBuffer{}, done: make(chan error, 1)}
	fb.cmd = exec.Command(binary, append([]string{"-c", path}, args...)...)
	fb.cmd.Stdout, fb.cmd.Stderr = fb.log, fb.log
	if err := fb.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { fb.done <- fb.cmd.Wait() }()
	t.Cleanup(func() {
		_ = fb.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("Fluent Bit said:\n%s", fb.log)
		}
	})
	return fb
}

// stop ends Fluent Bit as an init system does, and wants it to end well.
func (fb *fluentBit) stop() {
	fb.t.Helper()
	_ = fb.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-fb.done:
		if err != nil {
			fb.t.Errorf("Fluent Bit ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		fb.t.Fatalf("Fluent Bit does not end on SIGTERM")
	}
}

// refused wants Fluent Bit to stop at start-up with a message.
func (fb *fluentBit) refused(message string) {
	fb.t.Helper()
	select {
	case err := <-fb.done:
		if err == nil {
			fb.t.Errorf("Fluent Bit ended without an error")
		}
	case <-time.After(20 * time.Second):
		fb.t.Errorf("Fluent Bit goes on, but should have stopped")
	}
	if !strings.Contains(fb.log.String(), message) {
		fb.t.Errorf("the log does not say %q", message)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("waited too long for %s", what)
}

// settled waits until a file has n lines, and then that no more come.
func settled(t *testing.T, path string, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d lines in %s (there are %d)", n, filepath.Base(path), countLines(path)), func() bool { return countLines(path) >= n })
	time.Sleep(1500 * time.Millisecond)
	if have := countLines(path); have != n {
		t.Errorf("%d lines in %s, want %d", have, filepath.Base(path), n)
	}
}

func countLines(path string) int {
	data, _ := os.ReadFile(path)
	return bytes.Count(data, []byte("\n"))
}

// auditLog writes the real cluster's audit log to a file.
func auditLog(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "audit.log")
	if err := os.WriteFile(path, gunzip(t, filepath.Join(root, "test/testdata/k8s-audit.jsonl.gz")), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func gunzip(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// alert is what the tests look at in an alert.
type alert struct {
	RuleID   string `json:"kibana.alert.rule.rule_id"`
	Severity string `json:"kibana.alert.severity"`
	Terms    []any  `json:"kibana.alert.new_terms"`
	UUID     string `json:"kibana.alert.uuid"`
	Newterms struct {
		Tag, Instance string
		Line          int
	}
}

func (a alert) String() string {
	terms, _ := json.Marshal(a.Terms)
	return a.RuleID + " " + string(terms)
}

// alerts reads alerts, one a line.
func alerts(t *testing.T, path string) []alert {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return parseAlerts(t, data)
}

func parseAlerts(t *testing.T, data []byte) []alert {
	t.Helper()
	var out []alert
	for _, line := range bytes.Split(data, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var a alert
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatalf("not an alert: %v: %.200s", err, line)
		}
		out = append(out, a)
	}
	return out
}

// names returns the alerts as sorted text.
func names(list []alert) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.String()
	}
	slices.Sort(out)
	return out
}

// same wants two lists of alerts to be equal.
func same(t *testing.T, got, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("missing: %s", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("too many: %s", g)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d alerts, want %d", len(got), len(want))
	}
}

// replayed returns the alerts that the command finds in the audit log.
func replayed(t *testing.T, rules, file string) []string {
	t.Helper()
	out, err := exec.Command(built.command, "replay", "--rules", rules, file).Output()
	if err != nil {
		t.Fatalf("replay: %v", err)
	}
	return names(parseAlerts(t, out))
}

// freePort returns a TCP port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
