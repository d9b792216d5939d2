package main

// #include "shell.h"
import "C"

import (
	"runtime/cgo"
	"unsafe"

	"fluent-bit-newterms/detector"

	"github.com/fluent/fluent-bit-go/input"
)

// inputInstance is one [INPUT] section. Core runs all of its callbacks on the
// one thread that also initialized it, and that thread is how they find it:
// the context that core could pass lies at a different offset from version to
// version, so it is never written.
type inputInstance struct {
	host  *host
	input *detector.Input
}

func initInput(p *C.struct_nt_plugin, h *host) error {
	if err := checkSpelling(p, inputKind, detector.InputProperties()); err != nil {
		return err
	}
	properties, err := findProperties(p, h, detector.InputProperties(), func(key string) string {
		return input.FLBPluginConfigKey(unsafe.Pointer(p), key)
	})
	if err != nil {
		return err
	}
	in, err := detector.OpenInput(&registry, properties, h, detector.InputWhere{
		Instance: h.name.instance,
		Tag:      findInput(p),
	})
	if err != nil {
		return err
	}
	C.nt_set_thread_input(C.uintptr_t(cgo.NewHandle(&inputInstance{h, in})))
	return nil
}

// currentInput returns the instance of this thread, nil if it has none.
func currentInput() *inputInstance {
	handle := cgo.Handle(C.nt_thread_input())
	if handle == 0 {
		return nil
	}
	return handle.Value().(*inputInstance)
}

// FLBPluginInputCallback hands the next alerts to core, as records in a
// buffer of malloc's. Nothing to hand over is a size of 0.
//
//export FLBPluginInputCallback
func FLBPluginInputCallback(data *unsafe.Pointer, size *C.size_t) C.int {
	*data, *size = nil, 0
	in := currentInput()
	if in == nil {
		return input.FLB_OK
	}
	var records []byte
	err := recovered(in.host, "collecting alerts", func() error {
		records = in.input.Collect()
		return nil
	})
	if err != nil {
		in.host.Log(levelError, err.Error())
	} else if len(records) > 0 {
		*data, *size = C.CBytes(records), C.size_t(len(records))
	}
	in.host.flushLog()
	return input.FLB_OK
}

// FLBPluginInputCleanupCallback is core's sign that the records were appended
// to the input's chunks: only now may they leave the outbox.
//
//export FLBPluginInputCleanupCallback
func FLBPluginInputCleanupCallback(data unsafe.Pointer) C.int {
	C.free(data)
	in := currentInput()
	if in == nil {
		return input.FLB_OK
	}
	err := recovered(in.host, "handing alerts over", func() error {
		in.input.HandedOver()
		return nil
	})
	if err != nil {
		in.host.Log(levelError, err.Error())
	}
	in.host.flushLog()
	return input.FLB_OK
}

// FLBPluginInputPause says that core takes nothing more from this input: it is
// about to stop, or its buffers are full. Without it, alerts would be handed
// over to a ring that core throws away.
//
//export FLBPluginInputPause
func FLBPluginInputPause() { turn(func(in *detector.Input) { in.Pause() }, "a pause") }

// FLBPluginInputResume ends a pause.
//
//export FLBPluginInputResume
func FLBPluginInputResume() { turn(func(in *detector.Input) { in.Resume() }, "the end of a pause") }

// turn tells the input of this thread that it is paused or goes on.
func turn(f func(*detector.Input), during string) {
	in := currentInput()
	if in == nil {
		return
	}
	err := recovered(in.host, during, func() error {
		f(in.input)
		return nil
	})
	if err != nil {
		in.host.Log(levelError, err.Error())
	}
	in.host.flushLog()
}

// FLBPluginExit ends the input instance of this thread. Outputs have
// FLBPluginExitCtx.
//
//export FLBPluginExit
func FLBPluginExit() C.int {
	registrations.end()
	in := currentInput()
	if in == nil {
		return input.FLB_OK
	}
	cgo.Handle(C.nt_thread_input()).Delete()
	C.nt_set_thread_input(0)
	if err := recovered(in.host, "the exit", in.input.Close); err != nil {
		in.host.Log(levelError, "closing: "+err.Error())
	}
	in.host.detach()
	return input.FLB_OK
}
