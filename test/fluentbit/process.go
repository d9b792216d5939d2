package fluentbit

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is one running Fluent Bit.
type Process struct {
	t    *testing.T
	Cmd  *exec.Cmd
	Log  *LogBuffer
	Done chan error
}

// LogBuffer is what a process prints.
type LogBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *LogBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Start runs Fluent Bit with a configuration in classic form.
func Start(t *testing.T, binary, dir, config string) *Process {
	t.Helper()
	path := filepath.Join(dir, "fluent-bit.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return StartFile(t, binary, path)
}

// StartFile runs Fluent Bit with a configuration file.
func StartFile(t *testing.T, binary, path string, args ...string) *Process {
	t.Helper()
	fb := &Process{t: t, Log: &LogBuffer{}, Done: make(chan error, 1)}
	fb.Cmd = exec.Command(binary, append([]string{"-c", path}, args...)...)
	fb.Cmd.Stdout, fb.Cmd.Stderr = fb.Log, fb.Log
	if err := fb.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { fb.Done <- fb.Cmd.Wait() }()
	t.Cleanup(func() {
		_ = fb.Cmd.Process.Kill()
		if t.Failed() {
			t.Logf("Fluent Bit said:\n%s", fb.Log)
		}
	})
	return fb
}

// Stop ends Fluent Bit as an init system does, and wants it to end well.
func (fb *Process) Stop() {
	fb.t.Helper()
	_ = fb.Cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-fb.Done:
		if err != nil {
			fb.t.Errorf("Fluent Bit ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		fb.t.Fatalf("Fluent Bit does not end on SIGTERM")
	}
}

// Refused wants Fluent Bit to stop at start-up with a message.
func (fb *Process) Refused(message string) {
	fb.t.Helper()
	select {
	case err := <-fb.Done:
		if err == nil {
			fb.t.Errorf("Fluent Bit ended without an error")
		}
	case <-time.After(20 * time.Second):
		fb.t.Errorf("Fluent Bit goes on, but should have stopped")
	}
	if !strings.Contains(fb.Log.String(), message) {
		fb.t.Errorf("the log does not say %q", message)
	}
}

// Eventually waits until a condition holds.
func Eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("waited too long for %s", what)
}

// Settled waits until a file has n lines, and then that no more come.
func Settled(t *testing.T, path string, n int) {
	t.Helper()
	Eventually(t, fmt.Sprintf("%d lines in %s (there are %d)", n, filepath.Base(path), CountLines(path)), func() bool { return CountLines(path) >= n })
	time.Sleep(1500 * time.Millisecond)
	if have := CountLines(path); have != n {
		t.Errorf("%d lines in %s, want %d", have, filepath.Base(path), n)
	}
}

func CountLines(path string) int {
	data, _ := os.ReadFile(path)
	return bytes.Count(data, []byte("\n"))
}

// AuditLog writes the real cluster's audit log to a file.
func AuditLog(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "audit.log")
	if err := os.WriteFile(path, Gunzip(t, filepath.Join(Root, "test/testdata/k8s-audit.jsonl.gz")), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func Gunzip(t *testing.T, path string) []byte {
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

// FreePort returns a TCP port that nobody listens on.
func FreePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
