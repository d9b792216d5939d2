package main

import (
	"bytes"
	"fmt"
	"iter"

	"fluent-bit-newterms/detector/cmd/newterms/input"
)

var errTooLong = fmt.Errorf("the line is longer than %d MiB", input.MaxLine>>20)

// lines yields the lines of a chunk with their numbers, without line ends.
func lines(c *input.Chunk) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		n := c.Line
		for rest := c.Data; len(rest) > 0; n++ {
			line, after, _ := bytes.Cut(rest, []byte{'\n'})
			if !yield(n, bytes.TrimSuffix(line, []byte{'\r'})) {
				return
			}
			rest = after
		}
	}
}
