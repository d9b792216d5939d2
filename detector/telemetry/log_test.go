package telemetry

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// testHost keeps what is logged and counted.
type testHost struct {
	registry
	lines []string
}

func (h *testHost) Log(_ Level, msg string) { h.lines = append(h.lines, msg) }
func (h *testHost) Enabled(Level) bool      { return true }
func (h *testHost) Metrics() Metrics        { return h.registry }

// TestRateLimited: what happens with every record is logged at once, then once
// per minute with the number of lines that were held back, and at the end.
func TestRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &testHost{}
		l := NewRateLimited(h)
		want := func(lines ...string) {
			t.Helper()
			if strings.Join(h.lines, "\n") != strings.Join(lines, "\n") {
				t.Errorf("log %q, want %q", h.lines, lines)
			}
			h.lines = nil
		}
		for i := range 5 {
			l.Warnf("record %d is skipped", i)
		}
		l.Warnf("broken: %v", errors.New("oh"))
		want("record 0 is skipped", "broken: oh")
		time.Sleep(logEvery - 1)
		l.Flush(false)
		want()
		time.Sleep(time.Nanosecond)
		l.Flush(false)
		want("record 4 is skipped (and 3 more like it)")
		l.Flush(false)
		l.Warnf("record %d is skipped", 5)
		want()
		l.Flush(true)
		want("record 5 is skipped")
	})
}

// TestRecover: a panic is counted each time, and logged with its stack, which
// names where it was.
func TestRecover(t *testing.T) {
	h := &testHost{registry: registry{}}
	l := NewRateLimited(h)
	for range 2 {
		func() {
			defer l.Recover("a test")
			panic("oh")
		}()
	}
	log := strings.Join(h.lines, "\n")
	if !strings.Contains(log, "a bug stopped a test: oh") || strings.Count(log, "TestRecover") == 0 || strings.Count(log, "a bug stopped") != 1 {
		t.Errorf("log %s", log)
	}
	h.want(t, map[string]float64{"panics_total": 2})
}
