package main

import (
	"testing"

	"pgregory.net/rapid"

	"fluent-bit-newterms/detector/cmd/newterms/report"
)

// TestBuckets counts at random times, and wants each count in the bucket of
// its time, never too many buckets, and none lost.
func TestBuckets(t *testing.T) {
	for i, step := range bucketSteps[1:] {
		if step%bucketSteps[i] != 0 {
			t.Fatalf("%d is no multiple of %d", step, bucketSteps[i])
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Int64Range(0, 40*365*24*3600e3), 1, 9000).Draw(t, "times")
		b := newBuckets()
		low, high := times[0], times[0]
		for _, ms := range times {
			b.add(ms, 2, 1)
			low, high = min(low, ms), max(high, ms)
			if len(b.by) > maxBuckets {
				t.Fatalf("%d buckets", len(b.by))
			}
		}
		b.fit(low, high, 500)
		want := make(map[int64]report.Activity)
		for _, ms := range times {
			at := ms - ms%b.step()
			a := want[at]
			want[at] = report.Activity{Time: at, Matches: a.Matches + 2, New: a.New + 1}
		}
		got := b.list()
		if len(got) != len(want) {
			t.Fatalf("%d buckets, want %d", len(got), len(want))
		}
		for i, a := range got {
			if a != want[a.Time] {
				t.Fatalf("%+v, want %+v", a, want[a.Time])
			}
			if i > 0 && a.Time <= got[i-1].Time {
				t.Fatal("buckets out of order")
			}
		}
	})
}
