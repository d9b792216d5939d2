package main

// #include "worker.h"
import "C"

import (
	"fmt"
	"unsafe"

	"fluent-bit-newterms/detector"

	"github.com/fluent/fluent-bit-go/output"
)

// outputInstance is one [OUTPUT] section. fluent-bit-go keeps it under a key
// for ever, so close empties it.
type outputInstance struct {
	host     *host
	detector *detector.Detector
}

// initOutput opens the detector and starts the threads that will call it. The
// pool takes the place of the context that fluent-bit-go made, and holds that
// as its key: a flush must not enter Go to find its instance.
func initOutput(p *C.struct_nt_plugin, h *host) error {
	if err := checkSpelling(p, outputKind, detector.Properties()); err != nil {
		return err
	}
	properties, err := findProperties(p, h, detector.Properties(), func(key string) string {
		return output.FLBPluginConfigKey(unsafe.Pointer(p), key)
	})
	if err != nil {
		return err
	}
	match := findOutput(p)
	d, err := detector.Open(&registry, properties, h, detector.Where{
		Instance:   h.name.instance,
		Alias:      h.name.alias,
		Match:      match.text,
		MatchRegex: match.regex,
	})
	if err != nil {
		return err
	}
	output.FLBPluginSetContext(unsafe.Pointer(p), &outputInstance{h, d})
	context := (*unsafe.Pointer)(p.context) // its first word is ours
	key := *context
	pool, err := C.nt_pool_start(key, h.log)
	if pool == nil {
		*context = nil
		emptyOutput(key).close()
		return fmt.Errorf("cannot start the threads of the output: %w; raise the limit of threads or memory", err)
	}
	*context = unsafe.Pointer(pool)
	warnOfWorkers(h)
	return nil
}

// newtermsFlush hands a chunk to the instance's detector. It is called by the
// pool's threads; data and tag are borrowed until it returns.
//
// A panic answers RETRY: nothing of the chunk was committed, and trying again
// can at worst fail again, until the user's own Retry_Limit drops the chunk.
// ERROR would drop it, and the alerts in it, at once.
//
//export newtermsFlush
func newtermsFlush(key, data unsafe.Pointer, size C.size_t, tag *C.char) C.int {
	in, _ := output.FLBPluginGetContext(key).(*outputInstance)
	if in == nil || in.detector == nil {
		return output.FLB_RETRY
	}
	code := detector.Retry
	err := recovered(in.host, "a flush", func() error {
		code = in.detector.Flush(C.GoString(tag), unsafe.Slice((*byte)(data), int(size)))
		return nil
	})
	if err != nil {
		in.host.Log(levelError, err.Error())
		return output.FLB_RETRY
	}
	return C.int(code)
}

// FLBPluginExitCtx ends an output instance: the threads first, then the
// detector, then the host's log and metrics, which are freed when this
// returns. Core calls it also for instances that were never initialized, or
// not successfully; their context is nil.
//
//export FLBPluginExitCtx
func FLBPluginExitCtx(ctx unsafe.Pointer) C.int {
	registrations.end()
	if ctx == nil {
		return output.FLB_OK
	}
	pool := (*C.struct_nt_pool)(ctx)
	key := C.nt_pool_key(pool)
	C.nt_pool_stop(pool)
	in := emptyOutput(key)
	in.close()
	in.host.detach()
	return output.FLB_OK
}

// emptyOutput takes the instance out of fluent-bit-go's table. The key's
// memory may be reused, by malloc and then by the next FLBPluginSetContext.
func emptyOutput(key unsafe.Pointer) outputInstance {
	in := output.FLBPluginGetContext(key).(*outputInstance)
	taken := *in
	*in = outputInstance{}
	C.free(key)
	return taken
}

func (in outputInstance) close() {
	err := recovered(in.host, "the exit", in.detector.Close)
	if err != nil {
		in.host.Log(levelError, "closing: "+err.Error())
	}
}
