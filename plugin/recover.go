package main

// #include "signals.h"
import "C"

import (
	"fmt"

	"fluent-bit-newterms/detector"
)

// init runs when the runtime has installed its handlers, and before any host
// could replace them.
func init() { C.nt_signals_remember() }

// recovered calls f and turns a panic into an error, logged with its stack
// and counted. A panic that left a callback would end the host; what reaches
// here is a bug of ours, never the host's fault.
//
// A nil dereference is a panic only while Go's handlers are in place, which a
// hot reload replaces; so they are put back first.
func recovered(h *host, during string, f func() error) (err error) {
	C.nt_signals_restore()
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		err = fmt.Errorf("a bug in newterms stopped %s: %v; please report it with the lines above", during, v)
		detector.LogPanic(h)
	}()
	return f()
}
