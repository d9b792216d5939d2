package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/seen"
)

// stateEngine opens an engine with the seed rule over a state on disk. New
// tuples only teach it: alerts have a cost of their own, and limits.
func stateEngine(dir string) (*engine.Engine, *seen.Store, error) {
	rules, err := rulesSeed.load()
	if err != nil {
		return nil, nil, err
	}
	store, _, err := seen.Open(dir, seen.Options{})
	if err != nil {
		return nil, nil, err
	}
	e := engine.New(engine.Options{MaxTerms: 1_100_000, LearnUntil: math.MaxInt64}, store)
	if _, err := e.SetRules(rules); err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return e, store, nil
}

// tuples makes chunks of audit events of which each has a tuple of its own,
// from the number from on, 5,000 events a chunk. A tuple's terms are 90 bytes.
func tuples(from, n int) [][]byte {
	var c chunker
	for i := from; i < from+n; i++ {
		body := msgp.AppendMapHeader(nil, 5)
		text := func(key, val string) { body = msgp.AppendString(msgp.AppendString(body, key), val) }
		text("auditID", fmt.Sprintf("%036d", i))
		text("stage", "ResponseComplete")
		body = msgp.AppendMapHeader(msgp.AppendString(body, "user"), 1)
		text("username", fmt.Sprintf("system:serviceaccount:namespace:user-%04d", i/2%2000))
		text("userAgent", fmt.Sprintf("agent/%031d", i/4000))
		body = msgp.AppendMapHeader(msgp.AppendString(body, "annotations"), 1)
		text("authorization.k8s.io/decision", []string{"allow", "forbid"}[i%2])
		c.add(uint32(i%20_000), body)
		if (i-from)%5000 == 4999 {
			c.chunks = append(c.chunks, nil)
		}
	}
	if n := len(c.chunks) - 1; len(c.chunks[n]) == 0 {
		c.chunks = c.chunks[:n]
	}
	return c.chunks
}

func feed(e *engine.Engine, chunks [][]byte) error {
	for _, c := range chunks {
		if owed, err := e.Chunk("audit", c); owed != nil || err != nil {
			return errors.Join(owed, err)
		}
	}
	return nil
}

// flushed are medians: a disk is never twice the same.
type flushed struct {
	whole   time.Duration // a flush that adds 5,000 tuples
	journal time.Duration // of it, writing them
	plain   time.Duration // writing and syncing the same terms to a plain file
	lru     time.Duration // the LRU alone, filled with as much
}

// newTuples measures flushes with 5,000 new tuples, once.
func (b *bench) newTuples() (*flushed, error) {
	if b.flushed != nil {
		return b.flushed, nil
	}
	dir, err := os.MkdirTemp("", "newterms-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	e, store, err := stateEngine(filepath.Join(dir, "state"))
	if err != nil {
		return nil, err
	}
	defer store.Close()
	f, err := os.Create(filepath.Join(dir, "plain"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	floor, err := simplelru.NewLRU[uint64, [4]uint64](1_100_000, nil)
	if err != nil {
		return nil, err
	}
	const rounds, each = 60, 5000
	bytes := make([]byte, each*90)
	for i := range bytes {
		bytes[i] = byte(i * 7)
	}
	// Made beforehand, so that nobody clears up after it in a flush.
	chunks := tuples(0, rounds*each)
	var whole, journal, plain, lru []time.Duration
	n := uint64(0)
	for i := range rounds {
		before := store.Stats().CommitTime
		start := time.Now()
		if err := feed(e, chunks[i:i+1]); err != nil {
			return nil, err
		}
		whole = append(whole, time.Since(start))
		journal = append(journal, store.Stats().CommitTime-before)
		start = time.Now()
		if _, err := f.Write(bytes); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		plain = append(plain, time.Since(start))
		start = time.Now()
		for range each {
			n++
			floor.Add(n*0x9E3779B97F4A7C15, [4]uint64{n})
		}
		lru = append(lru, time.Since(start))
	}
	if e.Known() != rounds*each {
		return nil, fmt.Errorf("%d tuples known, want %d", e.Known(), rounds*each)
	}
	b.flushed = &flushed{median(whole), median(journal), median(plain), median(lru)}
	return b.flushed, nil
}

// flush compares a flush with 5,000 new tuples with a plain write.
func (b *bench) flush() (result, error) {
	f, err := b.newTuples()
	if err != nil {
		return result{}, err
	}
	return most(ratio(f.whole, f.plain), 7, "%.1f ms a flush, reading it included; plain %.1f ms", ms(f.whole), ms(f.plain)), nil
}

// journal compares what of it is the journal's.
func (b *bench) journal() (result, error) {
	f, err := b.newTuples()
	if err != nil {
		return result{}, err
	}
	return most(ratio(f.journal, f.plain), 2, "%.1f ms with its one sync", ms(f.journal)), nil
}

// bareFlush compares what the LRU takes alone, which no flush that uses it can
// be below.
func (b *bench) bareFlush() (result, error) {
	f, err := b.newTuples()
	if err != nil {
		return result{}, err
	}
	r := most(ratio(f.lru, f.plain), 2, "golang-lru %.1f ms; a flush takes %.1f times that", ms(f.lru), ratio(f.whole, f.lru))
	r.noGoal = true
	return r, nil
}

// quiet counts the writes of a process whose flushes hold nothing new.
func (b *bench) quiet() (result, error) {
	dir, err := os.MkdirTemp("", "newterms-bench-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	e, store, err := stateEngine(dir)
	if err != nil {
		return result{}, err
	}
	defer store.Close()
	chunks := tuples(0, 5000)
	if err := feed(e, chunks); err != nil {
		return result{}, err
	}
	before, err := writes()
	if err != nil {
		return result{}, errMissing("no /proc/self/io")
	}
	for range 50 {
		if err := feed(e, chunks); err != nil {
			return result{}, err
		}
	}
	after, err := writes()
	if e.Known() != 5000 {
		return result{}, fmt.Errorf("%d tuples known, want 5000", e.Known())
	}
	return result{value: fmt.Sprint(after - before), reached: after == before, note: "writes in 50 flushes of 5,000 known tuples"}, err
}

// writes returns how many times the process has written to anything.
func writes() (n int, err error) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, err
	}
	for _, ln := range lineSplit(text) {
		if _, err := fmt.Sscanf(ln, "syscw: %d", &n); err == nil {
			return n, nil
		}
	}
	return 0, errors.New("no syscw in /proc/self/io")
}

const million = 1_000_000

// memory is what a million known tuples take on the heap, more than an empty
// engine.
func (b *bench) memory() (result, error) {
	dir, err := b.millionState()
	if err != nil {
		return result{}, err
	}
	empty, err := os.MkdirTemp("", "newterms-bench-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(empty)
	measure := func(dir string, want int) (used uint64, err error) {
		before := heap()
		e, store, err := stateEngine(dir)
		if err != nil {
			return 0, err
		}
		// What is read at start is in a table of its own until it is seen
		// again: all of it is.
		if want > 0 {
			for from := 0; from < want; from += 50_000 {
				if err := feed(e, tuples(from, 50_000)); err != nil {
					return 0, err
				}
			}
		}
		used = heap() - before
		if e.Known() != want {
			err = fmt.Errorf("%d tuples known, want %d", e.Known(), want)
		}
		return used, errors.Join(err, store.Close())
	}
	none, err := measure(empty, 0)
	if err != nil {
		return result{}, err
	}
	all, err := measure(dir, million)
	if err != nil {
		return result{}, err
	}
	mb := (float64(all) - float64(none)) / 1e6
	return result{value: fmt.Sprintf("%.0f", mb), reached: mb <= 160, note: "of heap, all tuples seen again since the start"}, nil
}

func heap() uint64 {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// millionState returns a folder with a state of a million tuples, which it
// makes once and remove takes away.
func (b *bench) millionState() (dir string, err error) {
	if b.state != "" {
		return b.state, nil
	}
	if dir, err = os.MkdirTemp("", "newterms-bench-"); err != nil {
		return "", err
	}
	b.state = dir
	e, store, err := stateEngine(dir)
	if err != nil {
		return "", err
	}
	for from := 0; from < million && err == nil; from += 50_000 {
		err = feed(e, tuples(from, 50_000))
	}
	return dir, errors.Join(err, store.Close())
}

// remove takes away what lines share.
func (b *bench) remove() error { return os.RemoveAll(b.state) }

// start compares opening a state of a million tuples, until the first flush
// can be taken, with reading its file.
func (b *bench) start() (result, error) {
	dir, err := b.millionState()
	if err != nil {
		return result{}, err
	}
	buf := make([]byte, 1<<20)
	var size int64
	read := func() error {
		size = 0
		return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			for {
				n, err := f.Read(buf)
				size += int64(n)
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
			}
		})
	}
	var ours, theirs []time.Duration
	for range 7 {
		start := time.Now()
		if err := read(); err != nil {
			return result{}, err
		}
		theirs = append(theirs, time.Since(start))
		runtime.GC()
		start = time.Now()
		e, store, err := stateEngine(dir)
		if err != nil {
			return result{}, err
		}
		ours = append(ours, time.Since(start))
		if e.Known() != million {
			err = fmt.Errorf("%d tuples known, want %d", e.Known(), million)
		}
		if err = errors.Join(err, store.Close()); err != nil {
			return result{}, err
		}
	}
	a, c := least(ours), least(theirs)
	note := fmt.Sprintf("a journal of %.0f MB, read in %.0f ms from the page cache", float64(size)/1e6, ms(c))
	return result{value: fmt.Sprintf("%.2f", a.Seconds()), reached: a <= time.Second, note: note}, nil
}
