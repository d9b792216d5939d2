package record

import (
	"testing"
	"time"

	jsoniter "github.com/json-iterator/go"
	"github.com/tinylib/msgp/msgp"
)

const chunkSize = 2 << 20 // about where Fluent Bit locks a chunk

// auditChunk returns a chunk of audit events, and how many.
func auditChunk(tb testing.TB) (chunk []byte, events int) {
	lines := auditLines(tb, auditFile)
	for len(chunk) < chunkSize {
		line := lines[events%len(lines)]
		chunk = append(chunk, rec(eventTimeExt(uint32(events), 0), treeOf(tb, line))...)
		events++
	}
	return chunk, events
}

// ratio runs ours and theirs in turn, so that both meet the same noise, and
// reports the time of ours as a part of theirs: the best round of each.
func ratio(b *testing.B, unit string, ours, theirs func()) {
	best := [2]time.Duration{1 << 62, 1 << 62}
	for b.Loop() {
		for i, run := range []func(){ours, theirs} {
			start := time.Now()
			run()
			best[i] = min(best[i], time.Since(start))
		}
	}
	b.ReportMetric(float64(best[0])/float64(best[1]), unit)
	b.ReportMetric(0, "ns/op") // of both together: says nothing
}

// scanChunk scans a chunk and checks what it found.
func scanChunk(b *testing.B, w *wanted, chunk []byte, events int) {
	stage := w.plain[0]
	var c Chunk
	found := 0
	for c.Reset(chunk); ; {
		ok, err := c.Next()
		if err != nil {
			b.Fatal(err)
		}
		if !ok {
			break
		}
		w.view.Reset()
		n, err := w.layout.ScanMsgpack(c.Body, w.view)
		if err != nil {
			b.Fatal(err)
		}
		c.Advance(n)
		if w.view.Slot(stage) != 0 {
			found++
		}
	}
	if found != events {
		b.Fatalf("%d stages in %d events", found, events)
	}
}

// BenchmarkScanMsgpack compares a scan of a 2 MB chunk of audit events for the
// seed rule's fields with msgp.Skip over the same chunk, which reads nothing
// at all. With
//
//	go test -run '^$' -bench Msgpack -benchtime 400x -count 3 ./detector/record
//
// it took 0.62 of msgp.Skip's time, our own skip 0.44, and the scan 1/76 of the time
// that fluent-bit-go's decoder takes, on amd64 with Go 1.26.
func BenchmarkScanMsgpack(b *testing.B) {
	chunk, events := auditChunk(b)
	w := seedWanted()
	ratio(b, "x-of-skip", func() { scanChunk(b, w, chunk, events) }, func() {
		n := 0
		for rest := chunk; len(rest) > 0; n++ {
			var err error
			if rest, err = msgp.Skip(rest); err != nil {
				b.Fatal(err)
			}
		}
		if n != events {
			b.Fatalf("%d of %d events", n, events)
		}
	})
}

// BenchmarkSkipMsgpack does the same for our own skip.
func BenchmarkSkipMsgpack(b *testing.B) {
	chunk, events := auditChunk(b)
	ratio(b, "x-of-skip", func() {
		n := 0
		for i := 0; i < len(chunk); n++ {
			if i = skip(chunk, i); i < 0 {
				b.Fatal("broken")
			}
		}
		if n != events {
			b.Fatalf("%d of %d events", n, events)
		}
	}, func() {
		for rest := chunk; len(rest) > 0; {
			var err error
			if rest, err = msgp.Skip(rest); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkScanJSON compares a scan of JSON lines for the seed rule's fields
// with jsoniter's Skip over the same lines. With
//
//	go test -run '^$' -bench ScanJSON -benchtime 400x -count 3 ./detector/record
//
// it took 0.40 of its time.
func BenchmarkScanJSON(b *testing.B) {
	lines := auditLines(b, auditFile)
	w := seedWanted()
	it := jsoniter.NewIterator(jsoniter.ConfigDefault)
	ratio(b, "x-of-skip", func() {
		for _, line := range lines {
			w.view.Reset()
			if n, err := w.layout.ScanJSON(line, w.view); err != nil || n != len(line) || w.view.Slot(w.plain[0]) == 0 {
				b.Fatal(n, err)
			}
		}
	}, func() {
		for _, line := range lines {
			it.ResetBytes(line)
			if it.Skip(); it.Error != nil {
				b.Fatal(it.Error)
			}
		}
	})
}
