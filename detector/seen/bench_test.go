package seen

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// ninety returns tuple i of 90 bytes of terms: 2 decisions, 2,000 users, and
// user agents of which every tuple of a user has one.
func ninety(i int) []byte {
	return terms([]string{"allow", "forbid"}[i%2],
		fmt.Sprintf("system:serviceaccount:namespace:user-%04d", i/2%2000),
		fmt.Sprintf("agent/%031d", i/4000))
}

func fill(tb testing.TB, dir string, n int) {
	s, _ := mustOpen(tb, dir, Options{})
	_, m := mustRule(tb, s, "r", MemoryConfig{MaxTuples: n, Window: 240 * time.Hour, Fields: 3})
	var b Batch
	for i := range n {
		m.Observe(ninety(i), at(start+int64(i)), &b)
		if len(b.ops) == 20_000 {
			mustCommit(tb, s, &b)
		}
	}
	mustCommit(tb, s, &b)
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
}

func heap() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func rss() int64 {
	b, _ := os.ReadFile("/proc/self/statm")
	var size, pages int64
	fmt.Sscan(string(b), &size, &pages)
	return pages * int64(os.Getpagesize())
}

// BenchmarkStart opens a state of a million tuples and loads it, against
// reading the bytes of its file.
func BenchmarkStart(b *testing.B) {
	const n = 1_000_000
	dir := b.TempDir()
	fill(b, dir, n)
	path := filepath.Join(dir, stateName)
	read := func() time.Duration {
		t := time.Now()
		f, _ := os.Open(path)
		defer f.Close()
		buf := make([]byte, 1<<20)
		for {
			if _, err := f.Read(buf); err == io.EOF {
				break
			}
		}
		return time.Since(t)
	}
	read()
	var plain, opened, loaded time.Duration
	var used, resident int64
	for b.Loop() {
		plain += read()
		before, beforeRSS := heap(), rss()
		t := time.Now()
		s, r := mustOpen(b, dir, Options{})
		opened += time.Since(t)
		_, m := mustRule(b, s, "r", MemoryConfig{MaxTuples: n, Window: 240 * time.Hour, Fields: 3})
		loaded += time.Since(t)
		resident = rss() - beforeRSS
		used = heap() - before
		if m.Len() != n || r.Tuples != n {
			b.Fatalf("%d tuples, report %+v", m.Len(), r)
		}
		s.Close()
		runtime.KeepAlive(m)
	}
	k := float64(b.N)
	b.ReportMetric(float64(plain.Milliseconds())/k, "ms-read")
	b.ReportMetric(float64(opened.Milliseconds())/k, "ms-open")
	b.ReportMetric(float64(loaded.Milliseconds())/k, "ms-start")
	b.ReportMetric(float64(loaded)/float64(plain), "x-read")
	b.ReportMetric(float64(used)/1e6, "MB-heap")
	b.ReportMetric(float64(resident)/1e6, "MB-rss")
}

// BenchmarkCommit writes 5,000 new tuples, against writing and syncing the same
// bytes to a plain file.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			s, _ := mustOpen(b, dir, Options{})
			_, m := mustRule(b, s, "r", MemoryConfig{MaxTuples: 1 << 24, Window: 240 * time.Hour, Fields: 3})
			f, err := os.Create(filepath.Join(b.TempDir(), "plain"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			var batch Batch
			var plain, ours time.Duration
			i := 0
			for b.Loop() {
				for range n {
					m.Observe(ninety(i), at(start+int64(i)), &batch)
					i++
				}
				bytes := append([]byte(nil), batch.arena...)
				t := time.Now()
				f.Write(bytes)
				f.Sync()
				plain += time.Since(t)
				t = time.Now()
				mustCommit(b, s, &batch)
				ours += time.Since(t)
			}
			b.StopTimer()
			s.Close()
			_, r, err := Open(dir, Options{ReadOnly: true})
			if err != nil || r.Tuples != i {
				b.Fatalf("%d tuples on disk, %d committed, %v", r.Tuples, i, err)
			}
			b.ReportMetric(float64(plain.Microseconds())/float64(b.N), "us-plain")
			b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "us-commit")
			b.ReportMetric(float64(ours)/float64(plain), "x-plain")
		})
	}
}

// BenchmarkObserve is the cost of a known tuple, which must not allocate.
func BenchmarkObserve(b *testing.B) {
	m := NewMemory(MemoryConfig{MaxTuples: 1 << 20, Window: 240 * time.Hour, Fields: 3})
	tuples := make([][]byte, 100_000)
	for i := range tuples {
		tuples[i] = ninety(i)
		m.Observe(tuples[i], at(start), nil)
	}
	var batch Batch
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if o := m.Observe(tuples[i%len(tuples)], at(start+int64(i)/1000), &batch); o.Verdict != Known {
			b.Fatal(o)
		}
		i++
	}
}
