package main

import (
	"fmt"
	"runtime/debug"
	"strings"
)

// stackLines bounds what a panic writes to the host's log.
const stackLines = 48

// recovered calls f and turns a panic into an error, logged with its stack
// and counted. A panic that left a callback would end the host; what reaches
// here is a bug of ours, never the host's fault.
//
// It cannot catch a nil dereference after the first hot reload: Fluent Bit
// then re-installs its signal handlers without SA_ONSTACK.
func recovered(h *host, during string, f func() error) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		err = fmt.Errorf("a bug in newterms stopped %s: %v; please report it with the lines above", during, v)
		lines := strings.Split(strings.TrimSpace(string(debug.Stack())), "\n")
		if len(lines) > stackLines {
			lines = lines[:stackLines]
		}
		for _, line := range lines {
			h.Log(levelError, "panic: "+strings.TrimLeft(line, "\t"))
		}
		h.countPanic()
	}()
	return f()
}
