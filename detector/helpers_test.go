package detector

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// chunkOf makes a Fluent Bit chunk of events of the dataset app, one for each
// user, a second apart.
func chunkOf(at time.Time, users ...string) []byte {
	var b []byte
	for i, u := range users {
		t := at.Add(time.Duration(i) * time.Second)
		b = msgp.AppendArrayHeader(b, 2)
		b = msgp.AppendArrayHeader(b, 2)
		sec, nsec := uint32(t.Unix()), uint32(t.Nanosecond())
		b = append(b, 0xd7, 0, byte(sec>>24), byte(sec>>16), byte(sec>>8), byte(sec),
			byte(nsec>>24), byte(nsec>>16), byte(nsec>>8), byte(nsec))
		b = msgp.AppendMapHeader(b, 0)
		b = msgp.AppendMapHeader(b, 2)
		b = msgp.AppendString(b, "event")
		b = msgp.AppendMapHeader(b, 1)
		b = msgp.AppendString(msgp.AppendString(b, "dataset"), "app")
		b = msgp.AppendString(b, "user")
		b = msgp.AppendMapHeader(b, 1)
		b = msgp.AppendString(msgp.AppendString(b, "name"), u)
	}
	return b
}

// properties are an output's configuration.
type settings map[string]string

func (s settings) Get(key string) string { return s[key] }

// testHost keeps what is logged and counted.
type testHost struct {
	mu     sync.Mutex
	lines  []string
	values map[string]float64
}

func newTestHost() *testHost { return &testHost{values: make(map[string]float64)} }

func (h *testHost) Log(level Level, msg string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf("%d %s", level, msg))
}

func (h *testHost) Enabled(Level) bool { return true }
func (h *testHost) Metrics() Metrics   { return h }

func (h *testHost) Counter(name, _ string, _ ...string) Counter { return hostMetric{h, name} }
func (h *testHost) Gauge(name, _ string, _ ...string) Gauge     { return hostMetric{h, name} }

// logged tells whether a line holds all the texts.
func (h *testHost) logged(texts ...string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
lines:
	for _, line := range h.lines {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		return true
	}
	return false
}

func (h *testHost) value(name string) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.values[name]
}

type hostMetric struct {
	h    *testHost
	name string
}

func (m hostMetric) Add(n float64, _ ...string) {
	m.h.mu.Lock()
	defer m.h.mu.Unlock()
	m.h.values[m.name] += n
}

func (m hostMetric) Set(n float64, _ ...string) {
	m.h.mu.Lock()
	defer m.h.mu.Unlock()
	m.h.values[m.name] = n
}

// openDetector opens a detector with a state of its own, and closes it at the
// end of the test unless that is done before.
func openDetector(t *testing.T, s settings) (*Detector, *testHost) {
	t.Helper()
	return openDetectorIn(t, &Registry{}, s)
}

func openDetectorIn(t *testing.T, reg *Registry, s settings) (*Detector, *testHost) {
	t.Helper()
	if s["state_path"] == "" {
		s["state_path"] = filepath.Join(t.TempDir(), "state")
	}
	h := newTestHost()
	d, err := Open(reg, s, h, Where{Instance: "newterms.0", Match: "kube.*"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		case <-d.stop:
		default:
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return d, h
}

// eventually waits for something that happens in the background.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// linesOf returns the lines of a file, none if it is not there.
func linesOf(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}
