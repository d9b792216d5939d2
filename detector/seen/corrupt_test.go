package seen

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// smallState makes a state of n tuples and two alerts, in batches of 20 tuples,
// and returns its journal.
func smallState(t testing.TB, n int) []byte {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, m := mustRule(t, s, "r", tenDays)
	var b Batch
	for i := range n {
		m.Observe(terms("allow", "bob", fmt.Sprint("ua", i), strings.Repeat("long ", 100)), at(start+int64(i)), &b)
		if i == n/2 {
			b.AddAlert(OutboxEntry{Rule: "r", Severity: 1, Body: []byte(strings.Repeat("x", 3000))})
			b.AddAlert(OutboxEntry{Rule: "r", Severity: 2, Body: []byte(strings.Repeat("y", 90_000))})
		}
		if i%20 == 19 {
			mustCommit(t, s, &b)
		}
	}
	mustCommit(t, s, &b)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return journalBytes(t, dir)
}

// aBlock is how many tuples of smallState are in a block at most, and lastBatch
// how many in the last batch, which damage makes look like one that a crash cut.
const (
	aBlock    = blockSize/520 + 1
	lastBatch = 20
)

func journalBytes(t testing.TB, dir string) []byte {
	data, err := os.ReadFile(filepath.Join(dir, stateName))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// startWith opens a folder whose journal is data, uses it as an engine
// would, and returns how many of n tuples are still known. Nothing may panic,
// hang or fail.
func startWith(t *testing.T, data []byte, n int) (known int, r Report, dir string) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, stateName)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, r, err := Open(dir, Options{})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer s.Close()
	st, err := s.Rule("r", RuleOptions{Fingerprint: "f", Name: "r", Fields: []string{"a", "b", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMemory(tenDays)
	if _, err := s.Load(st, m); err != nil {
		t.Fatalf("Load: %v", err)
	}
	for i := range n {
		if s, ok := m.Peek(terms("allow", "bob", fmt.Sprint("ua", i), strings.Repeat("long ", 100))); ok {
			if s.Last != start+int64(i) {
				t.Fatalf("tuple %d has become %+v", i, s)
			}
			known++
		}
	}
	s.Outbox(func(e OutboxEntry) error {
		if strings.Trim(string(e.Body), "xy") != "" || len(e.Body)%3000 != 0 {
			t.Fatalf("an alert came back changed")
		}
		return nil
	})
	var b Batch
	m.Observe(terms("after", "the", "crash"), at(start+day), &b)
	b.AddAlert(OutboxEntry{Body: []byte("xxx")})
	mustCommit(t, s, &b)
	if st := s.Stats(); st.Errors > 0 {
		t.Fatalf("writing to it failed: %v", st.LastError)
	}
	mustClose(t, s)
	if problems, err := Verify(dir); err != nil || len(problems) > 0 {
		t.Fatalf("afterwards Verify finds %v, %v", problems, err)
	}
	if r.Reason != "" {
		old, err := os.ReadFile(r.MovedTo)
		if err != nil || !bytes.Equal(old, data) {
			t.Fatalf("what was moved aside is not what was there: %v", err)
		}
	}
	return known, r, dir
}

func TestFlippedBits(t *testing.T) {
	const n = 200
	data := smallState(t, n)
	rnd := rand.New(rand.NewPCG(5, 6))
	step := 1009
	if testing.Short() {
		step = 10_009
	}
	worst := n
	for off := rnd.IntN(step); off < len(data); off += step {
		flipped := bytes.Clone(data)
		flipped[off] ^= 1 << rnd.IntN(8)
		known, r, _ := startWith(t, flipped, n)
		worst = min(worst, known)
		cut := len(r.Notes) == 1 && strings.Contains(r.Notes[0], "cut off")
		if known < n && r.Reason == "" && (!cut || known < n-lastBatch) {
			t.Fatalf("byte %d of %d flipped: %d tuples known and nothing reported: %+v", off, len(data), known, r)
		}
		if r.Reason != "" && r.Lost < n-known-lastBatch {
			t.Fatalf("byte %d flipped: %d tuples are gone and %d records said to be lost", off, n-known, r.Lost)
		}
	}
	t.Logf("%d bytes, at worst %d of %d tuples left", len(data), worst, n)
	// A single bit costs at most one block, and the last batch.
	if worst < n-aBlock-lastBatch {
		t.Errorf("one flipped bit lost %d tuples", n-worst)
	}
}

// What is cut off costs the batch that it cut, as after a crash, and no more.
func TestTruncated(t *testing.T) {
	const n = 200
	data := smallState(t, n)
	last := 0
	for size := headerSize; size < len(data); size += 512 + size/16 {
		known, r, _ := startWith(t, data[:size], n)
		if r.Reason != "" || known < last || known%20 != 0 {
			t.Errorf("cut to %d of %d bytes: %d tuples, %d before, %+v", size, len(data), known, last, r)
		}
		last = known
	}
	if known, r, _ := startWith(t, data[:len(data)-1], n); known != n-lastBatch || len(r.Notes) != 1 {
		t.Errorf("the last byte cost %d tuples: %+v", n-known, r)
	}
	for _, size := range []int{0, 1, headerSize - 1} {
		if known, r, _ := startWith(t, data[:size], n); known != 0 || r.MovedTo == "" {
			t.Errorf("cut to %d bytes: %+v", size, r)
		}
	}
}

func TestZeroedBlocks(t *testing.T) {
	const n = 200
	data := smallState(t, n)
	for off := 0; off < len(data); off += blockSize {
		holed := bytes.Clone(data)
		clear(holed[off:min(off+blockSize, len(holed))])
		known, r, _ := startWith(t, holed, n)
		t.Logf("block %d zeroed: %d of %d known, %s", off/blockSize, known, n, r.Reason)
		if known < n-aBlock-lastBatch {
			t.Errorf("block %d zeroed: %d of %d known", off/blockSize, known, n)
		}
		if last := off+blockSize >= len(data); r.Reason == "" && !last {
			t.Errorf("block %d zeroed, and nothing reported", off/blockSize)
		}
	}
	clear(data)
	if known, r, _ := startWith(t, data, n); known != 0 || !strings.Contains(r.MovedTo, "foreign-") {
		t.Errorf("all zero: %+v", r)
	}
}

// A journal that was compacted loses one block to a flipped bit, wherever it is:
// also the one with the records of the rules.
func TestFlipInACompactedJournal(t *testing.T) {
	const n = 200
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, stateName), smallState(t, n), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Compact(dir); err != nil {
		t.Fatal(err)
	}
	data := journalBytes(t, dir)
	for off := headerSize; off < len(data); off += 2003 {
		flipped := bytes.Clone(data)
		flipped[off] ^= 4
		if known, r, _ := startWith(t, flipped, n); known < n-aBlock {
			t.Errorf("byte %d: %d of %d tuples known, %+v", off, known, n, r)
		}
	}
}

func TestForeignAndNewerFiles(t *testing.T) {
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	newer := appendHeader(nil, "9.0.0")
	newer[16]++
	binary.LittleEndian.PutUint32(newer[60:], crc32.Checksum(newer[:60], castagnoli))
	for _, tc := range []struct {
		name, word string
		data       []byte
		want       error
	}{
		{"text", "foreign", []byte(strings.Repeat("hello\n", 1000)), ErrForeign},
		{"noise", "foreign", noise, ErrForeign},
		{"newer", "newer", append(newer, noise...), ErrNewer},
		{"empty", "empty", nil, ErrCorrupt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, r, _ := startWith(t, tc.data, 0)
			if !strings.Contains(r.MovedTo, stateName+"."+tc.word+"-") || !r.Fresh {
				t.Errorf("%+v", r)
			}
			dir := t.TempDir()
			path := filepath.Join(dir, stateName)
			os.WriteFile(path, tc.data, 0o600)
			for range 2 { // the failed Open must not leave a lock
				_, _, err := Open(dir, Options{OnCorrupt: Stop})
				if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("with Stop: %v", err)
				}
			}
			if left, _ := os.ReadFile(path); !bytes.Equal(left, tc.data) {
				t.Error("with Stop the file was changed")
			}
		})
	}
}

// A state of version 1 is moved aside, and the message says what to do.
func TestStateOfVersion1(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, oldName)
	os.WriteFile(path, []byte("bbolt"), 0o600)
	if _, _, err := Open(dir, Options{OnCorrupt: Stop}); !errors.Is(err, ErrOld) || !strings.Contains(err.Error(), "newterms learn") {
		t.Errorf("with Stop: %v", err)
	}
	if _, _, err := Inspect(dir); !errors.Is(err, ErrOld) {
		t.Errorf("Inspect: %v", err)
	}
	s, r := mustOpen(t, dir, Options{})
	if old, _ := os.ReadFile(r.MovedTo); string(old) != "bbolt" || !r.Fresh || !strings.Contains(r.Loss(), "newterms learn") {
		t.Errorf("%+v: %s", r, r.Loss())
	}
	mustClose(t, s)
	if _, r := mustOpen(t, dir, Options{}); r.Reason != "" {
		t.Errorf("the second time: %+v", r)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(smallState(f, 40), uint32(5000), byte(3))
	f.Fuzz(func(t *testing.T, data []byte, off uint32, with byte) {
		if len(data) > 1<<18 {
			return
		}
		data = bytes.Clone(data)
		if len(data) > 0 {
			data[int(off)%len(data)] ^= with
		}
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, stateName), data, 0o600)
		s, _, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b Batch
		b.AddAlert(OutboxEntry{Body: []byte("x")})
		mustCommit(t, s, &b)
		mustClose(t, s)
	})
}
