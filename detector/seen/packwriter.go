package seen

import (
	"bytes"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// packWriter changes the tuples in a rule's bucket, one pack at a time. It is
// fastest if their numbers ascend. What it is given, and what it returns, must
// not change before the transaction ends.
type packWriter struct {
	b    *bolt.Bucket
	rule uint32

	// The pack at hand: what lies from base up to the key of the next one.
	open       bool
	there      bool // it is in the bucket
	dirty      bool
	base, next uint64
	entries    []numbered

	arena []byte // values and keys on their way to the bucket
}

// maxKeySeq is the highest sequence number that a key has room for.
const maxKeySeq = 1<<48 - 1

func newPackWriter(b *bolt.Bucket, rule uint32) *packWriter {
	b.FillPercent = 1 // new tuples are appended: fill the pages
	return &packWriter{b: b, rule: rule}
}

// get returns a tuple, nil if there is none.
func (w *packWriter) get(seq uint64) (entry, error) {
	if err := w.seek(seq); err != nil {
		return nil, err
	}
	if i, ok := w.find(seq); ok {
		return w.entries[i].entry, nil
	}
	return nil, nil
}

// put writes a tuple, new or not.
func (w *packWriter) put(seq uint64, e entry) error {
	if err := w.seek(seq); err != nil {
		return err
	}
	w.dirty = true
	i, ok := w.find(seq)
	if !ok {
		w.entries = slices.Insert(w.entries, i, numbered{seq: seq})
	}
	w.entries[i].entry = e
	if len(w.entries) == 8*maxPackTuples && i == len(w.entries)-1 {
		return w.write(maxPackTuples) // new tuples, of which more may come
	}
	return nil
}

// del deletes a tuple, if it is there.
func (w *packWriter) del(seq uint64) error {
	if err := w.seek(seq); err != nil {
		return err
	}
	if i, ok := w.find(seq); ok {
		w.dirty = true
		w.entries = slices.Delete(w.entries, i, i+1)
	}
	return nil
}

// find returns where in the pack at hand a tuple is, or would be.
func (w *packWriter) find(seq uint64) (int, bool) {
	if n := len(w.entries); n == 0 || w.entries[n-1].seq < seq {
		return n, false
	}
	return slices.BinarySearchFunc(w.entries, seq, func(e numbered, seq uint64) int {
		switch {
		case e.seq < seq:
			return -1
		case e.seq > seq:
			return 1
		}
		return 0
	})
}

// seek makes the pack that seq belongs to the one at hand. If there is none, one
// is begun with seq.
func (w *packWriter) seek(seq uint64) error {
	if w.open && w.base <= seq && seq < w.next {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.open, w.there, w.base, w.next = true, false, seq, maxKeySeq+1
	c := w.b.Cursor()
	want := tupleKey(w.rule, seq)
	key, value := c.Seek(want[:])
	if key != nil && !bytes.Equal(key, want[:]) {
		_, w.next = splitTupleKey(key)
	}
	switch {
	case key == nil:
		key, value = c.Last()
	case !bytes.Equal(key, want[:]):
		key, value = w.before(c, want[:])
	default:
		if after, _ := c.Next(); after != nil {
			_, w.next = splitTupleKey(after)
		}
	}
	if len(key) != tupleKeyLen {
		return nil // there is nothing before it but the bucket's label
	}
	p, err := openPack(key, value)
	for err == nil && p.next() {
		w.entries = append(w.entries, p.numbered)
	}
	if err != nil || p.err != nil {
		w.open = false
		return fmt.Errorf("%w: tuples of rule %d on disk: %w", ErrCorrupt, w.rule, errValue)
	}
	w.there, w.base = true, p.base
	return nil
}

// before moves c from the first key behind want to the last one before it, and
// returns that, or nil. Pages that this transaction has emptied are still in the
// tree, and Prev, unlike the cursor's other moves, stops at each of them.
func (w *packWriter) before(c *bolt.Cursor, want []byte) (key, value []byte) {
	if key, value = c.Prev(); key != nil {
		return key, value
	}
	if first, _ := w.b.Cursor().First(); first == nil || bytes.Compare(first, want) >= 0 {
		return nil, nil
	}
	for key == nil {
		key, value = c.Prev()
	}
	return key, value
}

// flush writes the pack at hand, or what has become of it: nothing, or several.
func (w *packWriter) flush() error {
	if w.dirty && len(w.entries) == 0 && w.there {
		k := tupleKey(w.rule, w.base)
		if err := w.b.Delete(k[:]); err != nil {
			return err
		}
	} else if w.dirty {
		if err := w.write(0); err != nil {
			return err
		}
	}
	w.open, w.dirty, w.entries = false, false, w.entries[:0]
	return nil
}

// write writes the pack at hand, one full pack after the other, until no more than
// left entries are left, which then begin a pack of their own: none, at the end,
// or at least maxPackTuples, so that there always is such a pack.
func (w *packWriter) write(left int) error {
	entries := w.entries
	for len(entries) > left {
		const chunk = 256 << 10
		if room := maxPack + len(entries[0].entry); cap(w.arena)-len(w.arena) < room {
			w.arena = make([]byte, 0, max(min(chunk, len(entries)*(len(entries[0].entry)+4)), room+32))
		}
		off, n := len(w.arena), 0
		w.arena, n = appendPack(w.arena, w.rule, w.base, entries)
		k := tupleKey(w.rule, w.base)
		if err := w.b.Put(k[:], w.arena[off:len(w.arena):len(w.arena)]); err != nil {
			return err
		}
		if entries = entries[n:]; len(entries) > 0 {
			w.base, w.there = entries[0].seq, false
		}
	}
	w.entries = append(w.entries[:0], entries...)
	return nil
}
