package seen

import (
	"math/bits"
	"slices"
)

// inOrder returns the places of rows by last sighting. What is sorted is numbers
// made of a row's last sighting and its place. Tuples are on disk in the order
// of their first sighting, so often there is nothing to sort.
func inOrder(blocks [][]row) []uint32 {
	rows := 0
	oldest, newest := int64(maxTime), int64(0)
	for _, b := range blocks {
		rows += len(b)
		for i := range b {
			last := b[i].value.last()
			oldest, newest = min(oldest, last), max(newest, last)
		}
	}
	placeBits := bits.Len(uint(len(blocks))) + blockBits
	// Where a number would be too large, times are told apart less finely.
	span := bits.Len64(uint64(max(newest-oldest, 0)))
	coarse := max(span+placeBits-64, 0)
	keys := make([]uint64, 0, rows)
	for i, b := range blocks {
		for j := range b {
			last := uint64(b[j].value.last()-oldest) >> coarse
			keys = append(keys, last<<placeBits|uint64(i<<blockBits|j))
		}
	}
	if !slices.IsSorted(keys) {
		keys = radixSort(keys, placeBits, placeBits+span-coarse)
	}
	places := make([]uint32, len(keys))
	for i, k := range keys {
		places[i] = uint32(k & (1<<placeBits - 1))
	}
	return places
}

// radixSort sorts keys by their bits from lo to hi, above which there are none,
// and leaves those in order that are equal there. It uses keys as scratch.
func radixSort(keys []uint64, lo, hi int) []uint64 {
	const digit = 11
	out := make([]uint64, len(keys))
	for ; lo < hi; lo += digit {
		var at [1 << digit]int
		for _, k := range keys {
			at[k>>lo%(1<<digit)]++
		}
		sum := 0
		for d, n := range at {
			at[d] = sum
			sum += n
		}
		for _, k := range keys {
			d := k >> lo % (1 << digit)
			out[at[d]] = k
			at[d]++
		}
		keys, out = out, keys
	}
	return keys
}
