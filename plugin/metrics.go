package main

// #include "metrics.h"
import "C"

import (
	"strings"
	"sync"
	"time"
	"unsafe"

	"fluent-bit-newterms/detector"
)

// metrics makes counters and gauges in the instance's own metrics context:
// a detector.Metrics. Fluent Bit shows them beside its own, as newterms_NAME
// with a first label name that tells instances apart, as core's have it.
type metrics struct {
	host    *host
	context unsafe.Pointer // ends with the instance

	// cmetrics does not guard its sets of labels. Ours are touched under mu
	// only; core, which reads them for a scrape, takes no lock at all.
	mu   sync.Mutex
	made map[string]*metric
}

// metric is a counter or a gauge.
type metric struct {
	metrics *metrics
	kind    C.int
	c       unsafe.Pointer // nil if core could not make it
	labels  int
}

// openMetrics returns nil if the host has no metrics.
func openMetrics(p *C.struct_nt_plugin, k kind, h *host) *metrics {
	context := C.nt_metrics_context(C.int(k), p.api, p.instance)
	if context == nil {
		return nil
	}
	return &metrics{host: h, context: context, made: map[string]*metric{}}
}

// Counter returns the counter newterms_name, made at its first use.
func (m *metrics) Counter(name, help string, labels ...string) detector.Counter {
	return counter{m.metric(C.NT_COUNTER, name, help, labels)}
}

// Gauge returns the gauge newterms_name, made at its first use.
func (m *metrics) Gauge(name, help string, labels ...string) detector.Gauge {
	return gauge{m.metric(C.NT_GAUGE, name, help, labels)}
}

func (m *metrics) metric(kind C.int, name, help string, labels []string) *metric {
	name = strings.TrimPrefix(name, "newterms_")
	m.host.mu.RLock()
	defer m.host.mu.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if made := m.made[name]; made != nil {
		return made
	}
	made := &metric{metrics: m, kind: kind, labels: len(labels)}
	m.made[name] = made
	if m.host.log == nil || len(labels) >= C.NT_MAX_LABELS {
		return made
	}
	cName, cHelp := C.CString(name), C.CString(help)
	defer C.free(unsafe.Pointer(cName))
	defer C.free(unsafe.Pointer(cHelp))
	made.c = C.nt_metric_create(kind, m.context, cName, cHelp,
		C.int(1+len(labels)), chars(packLabels("name", labels)))
	return made
}

// update adds to a counter or sets a gauge. It does nothing when the number
// of label values is not that of the labels, or the instance has ended.
func (x *metric) update(v float64, labels []string) {
	m := x.metrics
	if x.c == nil || len(labels) != x.labels {
		return
	}
	packed := packLabels(m.host.name.shown(), labels)
	now := C.uint64_t(time.Now().UnixNano())
	m.host.mu.RLock()
	defer m.host.mu.RUnlock()
	if m.host.log == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	C.nt_metric_update(x.kind, x.c, now, C.double(v), C.int(1+len(labels)), chars(packed))
}

type counter struct{ *metric }

// Add adds n, which must not be negative.
func (c counter) Add(n float64, labelValues ...string) { c.update(n, labelValues) }

type gauge struct{ *metric }

// Set sets the gauge to v.
func (g gauge) Set(v float64, labelValues ...string) { g.update(v, labelValues) }

// packLabels returns the texts one after the other, each ended by a NUL: one
// block to hand to C, with no pointer in it.
func packLabels(first string, rest []string) []byte {
	packed := appendLabel(nil, first)
	for _, label := range rest {
		packed = appendLabel(packed, label)
	}
	return packed
}

func appendLabel(dst []byte, label string) []byte {
	if strings.IndexByte(label, 0) >= 0 {
		label = strings.ReplaceAll(label, "\x00", "")
	}
	return append(append(dst, label...), 0)
}

func chars(b []byte) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.SliceData(b)))
}
