package seen

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// readBucket returns the tuples of a rule by number, and checks what must be
// true of their packs.
func readBucket(t *testing.T, b *bolt.Bucket, rule uint32) (tuples map[uint64]string, packs int) {
	t.Helper()
	tuples = make(map[uint64]string)
	last := int64(-1)
	err := b.ForEach(func(key, value []byte) error {
		if string(key) == keyRule {
			return nil
		}
		p, err := openPack(key, value)
		if err != nil {
			return err
		}
		n := 0
		for p.next() {
			if int64(p.seq) <= last || p.seq < p.base {
				t.Errorf("tuple %d is in pack %d behind tuple %d", p.seq, p.base, last)
			}
			last = int64(p.seq)
			tuples[p.seq] = string(p.entry)
			n++
		}
		if n == 0 || n > maxPackTuples || n > 1 && len(value) > maxPack {
			t.Errorf("pack %d has %d tuples in %d bytes", p.base, n, len(value))
		}
		packs++
		return p.err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tuples, packs
}

// Whatever is put and deleted, in whatever order and in however many
// transactions, the packs hold what a map holds.
func TestPackWriterAgainstAMap(t *testing.T) {
	const rule = 3
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 17))
		o := boltOptions(func(name string, flag int, perm fs.FileMode) (*os.File, error) { return os.OpenFile(name, flag, perm) })
		o.NoSync, o.NoGrowSync = true, true
		db, err := bolt.Open(filepath.Join(t.TempDir(), "x"), 0o600, o)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		want := make(map[uint64]string)
		top := uint64(0)
		for range 60 {
			err := db.Update(func(tx *bolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists([]byte(tupleBucketName(rule)))
				if err != nil {
					return err
				}
				if err := b.Put([]byte(keyRule), []byte("label")); err != nil {
					return err
				}
				w := newPackWriter(b, rule)
				one := func(seq uint64) error {
					if got, err := w.get(seq); err != nil || string(got) != want[seq] {
						return fmt.Errorf("tuple %d is %x, %v; want %x", seq, got, err, want[seq])
					}
					if rnd.IntN(3) == 0 {
						delete(want, seq)
						return w.del(seq)
					}
					size := rnd.IntN(200)
					if rnd.IntN(50) == 0 {
						size = rnd.IntN(9000)
					}
					e := appendEntry(nil, at(int64(seq)), bytes.Repeat([]byte{byte(seq)}, size))
					want[seq] = string(e)
					return w.put(seq, e)
				}
				// Several jobs share a transaction.
				for range 1 + rnd.IntN(4) {
					switch kind := rnd.IntN(6); {
					case kind == 0 && top > 0: // anything, at random
						for range rnd.IntN(50) {
							if err := one(rnd.Uint64N(top + 20)); err != nil {
								return err
							}
						}
					case kind == 1 && top > 0: // a run
						from := rnd.Uint64N(top)
						for seq := from; seq < from+rnd.Uint64N(200); seq++ {
							if err := one(seq); err != nil {
								return err
							}
						}
					case kind == 2 && top > 0 && rnd.IntN(4) == 0:
						// Whole pages go, and what is before them is looked for.
						from := rnd.Uint64N(top)
						for seq := from; seq < from+top/8; seq++ {
							delete(want, seq)
							if err := w.del(seq); err != nil {
								return err
							}
						}
						for seq := from - min(from, 300); seq < from; seq++ {
							if err := one(seq); err != nil {
								return err
							}
						}
					default: // new ones
						for range rnd.IntN(300) {
							top += 1 + rnd.Uint64N(2)*rnd.Uint64N(300)
							if err := one(top); err != nil {
								return err
							}
						}
					}
				}
				return w.flush()
			})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			err = db.View(func(tx *bolt.Tx) error {
				got, packs := readBucket(t, tx.Bucket([]byte(tupleBucketName(rule))), rule)
				if !maps.Equal(got, want) {
					t.Fatalf("seed %d: %d tuples, want %d", seed, len(got), len(want))
				}
				if len(want) == 0 && packs > 0 {
					t.Errorf("seed %d: %d packs of nothing", seed, packs)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(want) < 100 {
			t.Errorf("seed %d: only %d tuples at the end", seed, len(want))
		}
	}
}

// Tuples that come one at a time fill packs as well as many at once.
func TestPacksAreFilled(t *testing.T) {
	const n = 2000
	for _, each := range []int{1, 7, n} {
		t.Run(fmt.Sprint(each), func(t *testing.T) {
			dir := t.TempDir()
			s, _ := mustOpen(t, dir, Options{})
			st, m := mustRule(t, s, "r", MemoryConfig{MaxTuples: 2 * n, Window: tenDays.Window, Fields: 3})
			var b Batch
			for i := range n {
				m.Observe(ninety(i), at(start), &b)
				if i%each == 0 {
					mustCommit(t, s, &b)
				}
			}
			mustCommit(t, s, &b)
			err := s.db.View(func(tx *bolt.Tx) error {
				got, packs := readBucket(t, tx.Bucket([]byte(tupleBucketName(st.Num))), st.Num)
				if len(got) != n || packs > n/7 {
					t.Errorf("%d tuples in %d packs", len(got), packs)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A pack whose checksum is right and that is none is told, not read.
func TestPackThatIsNone(t *testing.T) {
	good, _ := appendPack(nil, 1, 5, []numbered{{5, appendEntry(nil, at(start), terms("a"))}, {9, appendEntry(nil, at(start), terms("b"))}})
	body := good[valueHeader:]
	half := len(body) / 2
	for name, body := range map[string][]byte{
		"empty":              nil,
		"cut":                body[:len(body)-1],
		"only a number":      {1},
		"an entry too short": {0, entryHeader - 1, 1, 2, 3},
		"twice the same":     slices.Concat(body[:half], body[:half]),
		"backwards":          slices.Concat([]byte{8}, body[1:half], []byte{4}, body[half+1:]),
		"beyond all numbers": slices.Concat(binary.AppendUvarint(nil, 1<<62), body[1:half]),
	} {
		t.Run(name, func(t *testing.T) {
			key := tupleKey(1, 5)
			v := append([]byte{0, 0, 0, 0, kindTuple}, body...)
			seal(key[:], v)
			p, err := openPack(key[:], v)
			if err != nil {
				t.Fatal(err)
			}
			for p.next() {
			}
			if p.err == nil {
				t.Error("it is read without an error")
			}
		})
	}
}

func FuzzPack(f *testing.F) {
	v, _ := appendPack(nil, 1, 5, []numbered{{5, appendEntry(nil, at(start), terms("a"))}, {300, appendEntry(nil, at(start), terms("b"))}})
	f.Add(v[valueHeader:])
	f.Fuzz(func(t *testing.T, body []byte) {
		key := tupleKey(1, 5)
		v := append([]byte{0, 0, 0, 0, kindTuple}, body...)
		seal(key[:], v)
		p, err := openPack(key[:], v)
		if err != nil {
			t.Fatal(err)
		}
		var entries []numbered
		for p.next() {
			entries = append(entries, p.numbered)
		}
		if p.err != nil || len(entries) > maxPackTuples || len(v) > maxPack {
			return
		}
		// Numbers may be written longer than need be; what they say must stay.
		again, n := appendPack(nil, 1, 5, entries)
		q, err := openPack(key[:], again)
		for i := 0; err == nil && q.next(); i++ {
			if q.seq != entries[i].seq || !bytes.Equal(q.entry, entries[i].entry) {
				t.Fatalf("tuple %d has become another", i)
			}
		}
		if n != len(entries) || err != nil || q.err != nil {
			t.Fatalf("%d of %d tuples came back, %v, %v", n, len(entries), err, q.err)
		}
	})
}
