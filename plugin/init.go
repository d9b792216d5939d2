package main

// #cgo CFLAGS: -std=gnu11 -O2 -Wall
// #cgo linux LDFLAGS: -ldl -lpthread -Wl,-z,now
// #include "shell.h"
import "C"

import (
	"strings"
	"unsafe"
)

// The answers of FLBPluginInit.
const (
	initFailed = 0 // core logs it, unwinds and ends with status 1
	initDone   = 1
)

// FLBPluginInit starts an instance, output or input: both kinds of the object
// share this callback, and the first word of what they are given names the
// plugin.
//
//export FLBPluginInit
func FLBPluginInit(plugin unsafe.Pointer) (code C.int) {
	registrations.end()
	p := (*C.struct_nt_plugin)(plugin)
	start, k := initOutput, outputKind
	if C.GoString(p.name) == inputName {
		start, k = initInput, inputKind
	}
	h := openHost(p, k)
	err := recovered(h, "start", func() error { return start(p, h) })
	if err != nil {
		for line := range strings.Lines(err.Error()) { // a problem a line
			h.Log(levelError, strings.TrimSuffix(line, "\n"))
		}
		h.detach()
		return initFailed
	}
	h.flushLog()
	return initDone
}
