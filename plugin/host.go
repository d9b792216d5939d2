package main

// #include "log_queue.h"
import "C"

import (
	"sync"
	"time"
	"unsafe"

	"fluent-bit-newterms/detector"
)

const (
	levelError = detector.LevelError

	// logDelay is how long a line waits for a thread of the host's before
	// it is printed from one of ours.
	logDelay = time.Second
)

// host is what one instance's detector sees of Fluent Bit: a detector.Host.
// It is safe for concurrent use, and does nothing once detached: the
// instance's C structures are freed when its exit callback returns, while a
// goroutine may still hold the host.
type host struct {
	name    instanceName
	prefix  string // as core starts its lines: [output:newterms:newterms.0]
	metrics *metrics

	mu    sync.RWMutex     // held for writing only to detach
	log   *C.struct_nt_log // nil once detached
	timer *time.Timer
}

// openHost finds out who the instance is that p describes.
func openHost(p *C.struct_nt_plugin, k kind) *host {
	plugin := C.GoString(p.name)
	h := &host{name: findName(p, k)}
	h.prefix = "[output:" + plugin + ":" + h.name.shown() + "] "
	if k == inputKind {
		h.prefix = "[input:" + plugin + ":" + h.name.shown() + "] "
	}
	h.log = C.nt_log_new(C.int(k), p.api, p.instance)
	h.timer = time.AfterFunc(time.Hour, h.flushLog)
	h.timer.Stop()
	h.metrics = openMetrics(p, k, h)
	return h
}

// Log queues msg for the host's log, behind the prefix that core gives its
// own lines. The text may come from anywhere: what could break the line is
// escaped, and a text longer than core's line is split.
func (h *host) Log(level detector.Level, msg string) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.log == nil || C.nt_log_enabled(h.log, C.int(level)) == 0 {
		return
	}
	for _, line := range logLines(h.prefix, msg) {
		C.nt_log_push(h.log, C.int(level),
			(*C.char)(unsafe.Pointer(unsafe.StringData(line))), C.size_t(len(line)))
	}
	h.timer.Reset(logDelay)
}

// Enabled tells whether a line of level would be printed.
func (h *host) Enabled(level detector.Level) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.log != nil && C.nt_log_enabled(h.log, C.int(level)) != 0
}

// Metrics returns the host's metrics, nil if it has none.
func (h *host) Metrics() detector.Metrics {
	if h.metrics == nil {
		return nil // and not an interface that holds a nil pointer
	}
	return h.metrics
}

// flushLog prints what waits. Each callback ends with it, because lines
// printed by a thread of core's go where the user wants the log.
func (h *host) flushLog() {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.log != nil {
		C.nt_log_drain(h.log)
	}
}

// detach prints what waits and lets go of everything that belongs to core.
func (h *host) detach() {
	h.timer.Stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.log != nil {
		C.nt_log_free(h.log)
		h.log = nil
	}
}
