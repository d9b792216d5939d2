//go:build cgo

package main

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"github.com/fluent/fluent-bit-go/output"

	"fluent-bit-newterms/detector/mapping"
)

// decoder compares a pass with what decoding the same chunk by fluent-bit-go
// takes, which has then not looked at anything.
func (b *bench) decoder() (result, error) {
	run, check, err := knownTo(rulesSeed, mapping.Options{}, b.log.chunks)
	if err != nil {
		return result{}, err
	}
	var records int
	decode := func(chunk []byte) {
		d := output.NewDecoder(unsafe.Pointer(unsafe.SliceData(chunk)), len(chunk))
		for {
			ret, _, body := output.GetRecord(d)
			if ret != 0 {
				break
			}
			if body["stage"] != nil {
				records++
			}
		}
	}
	// A pass makes no garbage, so what counts is its thread, as in the lines
	// before. Of the decoder all threads count, since its garbage is mostly
	// collected by others than the one that makes it: that is done at the end of
	// each of its turns, which are the whole log, less what it takes to collect
	// nothing. They are not taken in turn with ours, which would find the log
	// driven out of the processor's caches by the collector.
	ours := race(raceFor, len(b.log.chunks), run)[0]
	theirs, nothing := turn{}, turn{}
	for begin := time.Now(); time.Since(begin) < 2*raceFor; {
		theirs.take(func() {
			records = 0
			for _, chunk := range b.log.chunks {
				decode(chunk)
			}
			runtime.GC()
		})
		nothing.take(runtime.GC)
	}
	decoding := theirs.best - nothing.best
	if records != len(b.log.lines) {
		return result{}, fmt.Errorf("the decoder found %d events, want %d", records, len(b.log.lines))
	}
	x := ratio(decoding, ours)
	n := float64(records)
	return result{
		value: fmt.Sprintf("1/%.0f", x), reached: x >= 60,
		note: fmt.Sprintf("%.0f ns a record, GetRecord %.0f", float64(ours)/n, float64(decoding)/n),
	}, check()
}

// turn is the least processor time, of all threads, that many runs took.
type turn struct{ best time.Duration }

func (t *turn) take(run func()) {
	runtime.GC()
	start := processTime()
	run()
	if took := processTime() - start; t.best == 0 || took < t.best {
		t.best = took
	}
}
