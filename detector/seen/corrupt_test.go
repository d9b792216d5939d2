package seen

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// smallState makes a state of n tuples and two alerts and returns its bytes, up
// to the last page in use.
func smallState(t testing.TB, n int) []byte {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, m := mustRule(t, s, "r", tenDays)
	var b Batch
	for i := range n {
		m.Observe(terms("allow", "bob", fmt.Sprint("ua", i)), at(start+int64(i)), &b)
	}
	b.AddAlert(OutboxEntry{Rule: "r", Severity: 1, Body: []byte(strings.Repeat("x", 3000))})
	b.AddAlert(OutboxEntry{Rule: "r", Severity: 2, Body: []byte(strings.Repeat("y", 9000))})
	mustCommit(t, s, &b)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return stateBytes(t, dir)
}

// aPage is about how many tuples of smallState are in a page.
const aPage = 4096 / (entryHeader + 18)

func stateBytes(t testing.TB, dir string) []byte {
	f, err := os.ReadFile(filepath.Join(dir, stateName))
	if err != nil {
		t.Fatal(err)
	}
	p, err := openPages(bytes.NewReader(f), int64(len(f)))
	if err != nil {
		t.Fatal(err)
	}
	return f[:int(p.hwm)*p.pageSize]
}

// startWith opens a folder whose state file holds data, uses it as an engine
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
		if s, ok := m.Peek(terms("allow", "bob", fmt.Sprint("ua", i))); ok {
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
	step := 41
	if testing.Short() {
		step = 401
	}
	unnoticed, worst := 0, n
	for off := rnd.IntN(step); off < len(data); off += step {
		flipped := bytes.Clone(data)
		flipped[off] ^= 1 << rnd.IntN(8)
		known, r, _ := startWith(t, flipped, n)
		worst = min(worst, known)
		if known < n && r.Reason == "" {
			t.Fatalf("byte %d flipped: %d tuples known and nothing reported", off, known)
		}
		if r.Reason == "" {
			unnoticed++ // free pages, unused space: of no consequence
		}
	}
	t.Logf("%d bytes, %d flips without consequence, at worst %d of %d tuples left", len(data), unnoticed, worst, n)
	// A single bit costs at most one page of values.
	if worst < n-aPage {
		t.Errorf("one flipped bit lost %d tuples", n-worst)
	}
}

func TestFlipInATupleLosesNothing(t *testing.T) {
	const n = 200
	data := smallState(t, n)
	i := bytes.Index(data, []byte("ua123"))
	data[i] ^= 4
	known, r, _ := startWith(t, data, n)
	if known != n || r.Lost != 0 || len(r.Problems) != 1 {
		t.Errorf("%d of %d known, report %+v", known, n, r)
	}
	if !strings.Contains(r.MovedTo, stateName+".damaged-2") {
		t.Errorf("moved to %s", r.MovedTo)
	}
}

func TestDamagedTupleLosesItsPack(t *testing.T) {
	const n = 200
	data := smallState(t, n)
	i := bytes.Index(data, []byte("ua123"))
	data[i] ^= 4
	data[i+1] ^= 1
	known, r, _ := startWith(t, data, n)
	if known < n-maxPackTuples || known >= n || r.Lost != 1 || len(r.Problems) != 1 {
		t.Errorf("%d of %d known, report %+v", known, n, r)
	}
}

func TestTruncated(t *testing.T) {
	const n = 200
	data := smallState(t, n)
	for size := 0; size < len(data); size += 512 + size/16 {
		_, r, _ := startWith(t, data[:size], n)
		if r.Reason == "" {
			t.Errorf("cut to %d of %d bytes: nothing reported", size, len(data))
		}
	}
	if known, r, _ := startWith(t, data[:len(data)-1], n); known < n-aPage || !strings.Contains(r.MovedTo, "truncated-") {
		t.Errorf("the last byte cost %d tuples, moved to %s", n-known, r.MovedTo)
	}
}

func TestZeroedPages(t *testing.T) {
	const n = 200
	data := smallState(t, n)
	for off := 0; off < len(data); off += 4096 {
		holed := bytes.Clone(data)
		clear(holed[off : off+4096])
		known, r, _ := startWith(t, holed, n)
		t.Logf("page %d zeroed: %d of %d known, %s", off/4096, known, n, r.Reason)
		if known < n-aPage {
			t.Errorf("page %d zeroed: %d of %d known", off/4096, known, n)
		}
	}
	clear(data)
	if known, r, _ := startWith(t, data, n); known != 0 || !strings.Contains(r.MovedTo, "zeroed-") {
		t.Errorf("all zero: %+v", r)
	}
}

func TestForeignAndNewerFiles(t *testing.T) {
	noise := make([]byte, 20_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	other := func(bucket, key string, value []byte) []byte {
		path := filepath.Join(t.TempDir(), "x")
		db, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: 4096})
		if err != nil {
			t.Fatal(err)
		}
		db.Update(func(tx *bolt.Tx) error {
			b, _ := tx.CreateBucket([]byte(bucket))
			return b.Put([]byte(key), value)
		})
		db.Close()
		data, _ := os.ReadFile(path)
		return data
	}
	newer := formatValue()
	newer[len(newer)-2] = 2
	seal([]byte(keyFormat), newer)
	for _, tc := range []struct {
		name, word string
		data       []byte
		want       error
	}{
		{"text", "foreign", []byte(strings.Repeat("hello\n", 1000)), ErrForeign},
		{"noise", "foreign", noise, ErrForeign},
		{"another bbolt database", "foreign", other("users", "bob", []byte("1")), ErrForeign},
		{"newer", "newer", other(bucketFormat, keyFormat, newer), ErrNewer},
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

// A bucket's sequence number is the one thing that decides what is written next
// and has no checksum: bbolt keeps it.
func TestFlipInASequenceNumber(t *testing.T) {
	const n = 40
	data := smallState(t, n)
	name := []byte(tupleBucketName(1))
	for bit := 0; bit < 64; bit += 3 {
		flipped := bytes.Clone(data)
		// It is behind the root page in the bucket's header. Pages that were
		// given up have a header, too; which is in use does not matter here.
		for off := bytes.Index(data, name); off >= 0; {
			flipped[off+len(name)+8+bit/8] ^= 1 << (bit % 8)
			next := bytes.Index(data[off+1:], name)
			if next < 0 {
				break
			}
			off += 1 + next
		}
		known, r, _ := startWith(t, flipped, n)
		if known != n {
			t.Errorf("bit %d: %d of %d tuples are known", bit, known, n)
		}
		if noticed := r.Reason != ""; noticed != (bit >= 40) {
			t.Errorf("bit %d: it was noticed is %v: %s", bit, noticed, r.Reason)
		}
	}
}
