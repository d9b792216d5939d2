//go:build cgo

package main

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/fluent/fluent-bit-go/output"

	"fluent-bit-newterms/detector/mapping"
)

// decoder compares a pass with what decoding the same chunk by fluent-bit-go
// takes, which has then not looked at anything.
func (b *bench) decoder() (result, error) {
	rules, err := rulesSeed.load()
	if err != nil {
		return result{}, err
	}
	e, err := newEngine(rules, mapping.Options{})
	if err != nil {
		return result{}, err
	}
	run, check, err := known(e, b.log.chunks)
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
	// What counts is the processor time of all threads, since garbage is mostly
	// collected by others than the one that makes it. Nobody pays for another's:
	// each turn, of the whole log, begins with the collector done and idle. The
	// decoder's garbage is collected at the end of its turn, which is the
	// decoder's time, less what it takes to collect nothing. The pass makes none.
	best := raceBy(processTime, runtime.GC, 2*raceFor, 1,
		func(int) {
			for i := range b.log.chunks {
				run(i)
			}
		},
		func(int) {
			records = 0
			for _, chunk := range b.log.chunks {
				decode(chunk)
			}
			runtime.GC()
		},
		func(int) { runtime.GC() })
	best[1] -= best[2]
	if records != len(b.log.lines) {
		return result{}, fmt.Errorf("the decoder found %d events, want %d", records, len(b.log.lines))
	}
	x := ratio(best[1], best[0])
	n := float64(records)
	return result{
		value: fmt.Sprintf("1/%.0f", x), reached: x >= 60,
		note: fmt.Sprintf("%.0f ns a record, GetRecord %.0f", float64(best[0])/n, float64(best[1])/n),
	}, check()
}
