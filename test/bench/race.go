package main

import (
	"math"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// race runs functions over n pieces in turn for as long as limit, so that all
// meet the same noise of the machine, and returns for each the sum of its best
// times for every piece: what it takes when nothing else gets in the way. The
// time is the processor's, spent by the thread.
func race(limit time.Duration, n int, runs ...func(piece int)) []time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best := make([]time.Duration, len(runs)*n)
	for i := range best {
		best[i] = math.MaxInt64
	}
	for begin := time.Now(); ; {
		for piece := range n {
			for i, run := range runs {
				start := threadTime()
				run(piece)
				b := &best[piece*len(runs)+i]
				*b = min(*b, threadTime()-start)
			}
		}
		if time.Since(begin) > limit {
			break
		}
	}
	sums := make([]time.Duration, len(runs))
	for k, d := range best {
		sums[k%len(runs)] += d
	}
	return sums
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// threadTime is the processor time that the thread has spent.
func threadTime() time.Duration { return read(unix.CLOCK_THREAD_CPUTIME_ID) }

// processTime is the processor time that all threads have spent, the
// collector's included.
func processTime() time.Duration { return read(unix.CLOCK_PROCESS_CPUTIME_ID) }

func read(clock int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		panic(err) // every Linux has these clocks
	}
	return time.Duration(t.Nano())
}
