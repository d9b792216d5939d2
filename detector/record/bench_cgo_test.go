//go:build cgo

package record

import (
	"testing"
	"unsafe"

	"github.com/fluent/fluent-bit-go/output"
)

// BenchmarkScanMsgpackVersusDecoder compares the same scan with the decoder
// of fluent-bit-go.
func BenchmarkScanMsgpackVersusDecoder(b *testing.B) {
	chunk, events := auditChunk(b)
	w := seedWanted()
	ratio(b, "x-of-decoder", func() { scanChunk(b, w, chunk, events) }, func() {
		d := output.NewDecoder(unsafe.Pointer(unsafe.SliceData(chunk)), len(chunk))
		n := 0
		for {
			ret, _, body := output.GetRecord(d)
			if ret != 0 {
				break
			}
			if body["stage"] != nil {
				n++
			}
		}
		if n != events {
			b.Fatalf("%d of %d events", n, events)
		}
	})
}
