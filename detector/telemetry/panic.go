package telemetry

import (
	"runtime/debug"
	"strings"
)

// maxStackLines bounds what one panic writes to the log.
const maxStackLines = 48

// LogPanic logs the stack of a panic that was recovered, and counts it. It is
// called from the deferred function.
func LogPanic(host Host) {
	countPanic(host)
	logStack(host)
}

func countPanic(host Host) {
	if m := host.Metrics(); m != nil {
		m.Counter("panics_total", "Panics that were recovered; each is a bug.").Add(1)
	}
}

func logStack(host Host) {
	lines := strings.Split(strings.TrimSpace(string(debug.Stack())), "\n")
	for _, line := range lines[:min(len(lines), maxStackLines)] {
		host.Log(LevelError, "panic: "+strings.TrimLeft(line, "\t"))
	}
}
