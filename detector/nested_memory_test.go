package detector

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// An event with very many elements does not hold the memory that it took to look
// at each, once it has been dealt with.
func TestManyElements(t *testing.T) {
	e := newTestEngine(t, EngineOptions{Clock: time.Now},
		[]*rule.Rule{ruleOf(t, "kubernetes.audit.requestObject.spec.containers: { image: a }", "user.name")}, seen.OpenMemory(seen.Options{}))
	const n = 50_000
	b := []byte("\x92\xce\x69\xa3\x84\x80\x83\xa7auditID\xa1a\xa5stage\xa1s\xadrequestObject\x81\xa4spec\x81\xaacontainers")
	b = append(b, 0xdd, 0, n>>16, n>>8&0xff, n&0xff)
	b = append(b, bytes.Repeat([]byte{0x80}, n)...)
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	if _, err := e.Chunk("x", b); err != nil {
		t.Fatal(err)
	}
	if after := inUse(); after > before+(8<<20) {
		t.Errorf("%d MB are kept of an event of %d KB", (after-before)>>20, len(b)>>10)
	}
	runtime.KeepAlive(e)
}
