//go:build cgo

package main

import (
	"errors"
	"fmt"
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
	chunks := b.log.chunks[:1]
	run, check, err := known(e, chunks)
	if err != nil {
		return result{}, err
	}
	var records int
	// The decoder's garbage is collected by other threads: that is its time too.
	best := raceBy(processTime, raceFor, 1, run, func(i int) {
		d := output.NewDecoder(unsafe.Pointer(unsafe.SliceData(chunks[i])), len(chunks[i]))
		records = 0
		for {
			ret, _, body := output.GetRecord(d)
			if ret != 0 {
				break
			}
			if body["stage"] != nil {
				records++
			}
		}
	})
	if records == 0 {
		return result{}, errors.New("the decoder found no event")
	}
	x := ratio(best[1], best[0])
	n := float64(records)
	return result{
		value: fmt.Sprintf("1/%.0f", x), reached: x >= 60,
		note: fmt.Sprintf("%.0f ns a record, GetRecord %.0f", float64(best[0])/n, float64(best[1])/n),
	}, check()
}
