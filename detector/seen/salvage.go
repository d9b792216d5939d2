package seen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	bolt "go.etcd.io/bbolt"
)

// boltOptions are how every state file is opened. The list of free pages is
// kept on disk: without it bbolt walks the whole file at every open and after
// every failed write, in a goroutine whose panics nobody can recover.
func boltOptions(open func(string, int, fs.FileMode) (*os.File, error)) *bolt.Options {
	return &bolt.Options{
		Timeout:         1, // one try: a held lock is an error at once
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: 16 << 20,
		PageSize:        4096,
		OpenFile:        open,
		NoStatistics:    true,
	}
}

// build writes a new state file at path, which must not exist, and syncs it.
func build(path string, open func(string, int, fs.FileMode) (*os.File, error), fill func(w *builder) error) (err error) {
	o := boltOptions(open)
	o.NoSync, o.NoGrowSync = true, true
	db, err := bolt.Open(path, 0o600, o)
	if err != nil {
		return err
	}
	w := &builder{db: db}
	err = w.init()
	if err == nil && fill != nil {
		err = fill(w)
	}
	if err == nil {
		err = w.flush()
	} else if w.tx != nil {
		w.tx.Rollback()
	}
	if err == nil {
		err = db.Sync()
	}
	return errors.Join(err, db.Close())
}

// builder fills a new state file.
type builder struct {
	db *bolt.DB
	tx *bolt.Tx
	// bytes written in tx; a large transaction is cut in pieces, since nobody
	// looks at the file before it is whole.
	bytes int
}

func (w *builder) init() error {
	if err := w.put(bucketFormat, []byte(keyFormat), formatValue()); err != nil {
		return err
	}
	for _, name := range []string{bucketRules, bucketOutbox} {
		if _, err := w.tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

func (w *builder) put(bucket string, key, value []byte) error {
	b, err := w.bucket(bucket)
	if err != nil {
		return err
	}
	b.FillPercent = 1
	if err := b.Put(key, value); err != nil {
		return err
	}
	return w.wrote(len(key) + len(value))
}

func (w *builder) bucket(name string) (*bolt.Bucket, error) {
	if err := w.begin(); err != nil {
		return nil, err
	}
	return w.tx.CreateBucketIfNotExists([]byte(name))
}

// wrote ends the transaction if it has become large.
func (w *builder) wrote(bytes int) error {
	if w.bytes += bytes; w.bytes > 8<<20 {
		return w.flush()
	}
	return nil
}

// get returns the value under key, nil if there is none.
func (w *builder) get(bucket string, key []byte) []byte {
	if w.begin() != nil {
		return nil
	}
	if b := w.tx.Bucket([]byte(bucket)); b != nil {
		return b.Get(key)
	}
	return nil
}

func (w *builder) begin() (err error) {
	if w.tx == nil {
		w.tx, err = w.db.Begin(true)
	}
	return err
}

func (w *builder) setSequence(bucket string, seq uint64) error {
	b, err := w.bucket(bucket)
	if err != nil {
		return err
	}
	return b.SetSequence(max(seq, b.Sequence()))
}

func (w *builder) flush() error {
	if w.tx == nil {
		return nil
	}
	tx := w.tx
	w.tx, w.bytes = nil, 0
	return tx.Commit()
}

// salvaged counts what was read back from a damaged file.
type salvaged struct {
	rules, tuples, alerts int
	orphans               int // tuples of rules that are no longer known
	repaired              int // packs of tuples
}

// salvage copies whatever still matches its checksum from the file behind x:
// first what the tree reaches, then every page that it does not reach and that
// is not known to be free, leaf by leaf and element by element. Where a tuple
// turns up twice the later sighting wins. A page that bbolt had given up but
// not yet listed as free may so bring back a tuple that was forgotten: it is
// then known until its window has passed, which is the price of reading a
// broken file.
func salvage(x *exam, w *builder) (n salvaged, err error) {
	owners := make(map[uint32]string)
	take := func(key, value []byte) {
		if err == nil {
			err = n.take(w, owners, key, value)
		}
	}
	// Rules first: tuples need them.
	for _, pass := range []func(key, value []byte){
		func(key, value []byte) {
			if len(value) > 4 && value[4] == kindRule {
				take(key, value)
			}
		},
		func(key, value []byte) {
			if len(value) > 4 && value[4] != kindRule {
				take(key, value)
			}
		},
	} {
		x.eachWhole(pass)
	}
	if err != nil {
		return n, err
	}
	var top uint64
	for num := range owners {
		top = max(top, uint64(num))
	}
	for num := range x.tuples {
		top = max(top, uint64(num))
	}
	if err := w.setSequence(bucketRules, max(top, x.ruleSeq)); err != nil {
		return n, err
	}
	return n, w.setSequence(bucketOutbox, x.alertSeq)
}

// take writes one element to the new file if it is whole.
func (n *salvaged) take(w *builder, owners map[uint32]string, key, value []byte) error {
	if err := w.begin(); err != nil {
		return err
	}
	switch value[4] {
	case kindRule:
		r, err := readRule(key, value)
		if err != nil {
			return nil
		}
		id := string(key)
		if id == keyRule {
			// The bucket's own label: enough to start the rule's
			// record from, if that is lost.
			if id = r.ID; w.get(bucketRules, []byte(id)) != nil {
				return nil
			}
			if value, err = encodeRule(id, &r); err != nil {
				return err
			}
		}
		if old, err := readRule([]byte(id), w.get(bucketRules, []byte(id))); err == nil {
			if old.Num > r.Num || old.Num == r.Num && (string(key) == keyRule || old.Rev > r.Rev) {
				return nil
			}
			delete(owners, old.Num)
		} else {
			n.rules++
		}
		owners[r.Num] = id
		r.ID = id
		label, err := encodeRule(keyRule, r.label())
		if err != nil {
			return err
		}
		if err := w.put(tupleBucketName(r.Num), []byte(keyRule), label); err != nil {
			return err
		}
		return w.put(bucketRules, []byte(id), value)
	case kindTuple:
		p, err := openPack(key, value)
		if err != nil && len(key) == tupleKeyLen {
			if p, err = openPack(key, repair(key, value)); err == nil {
				n.repaired++
			}
		}
		if err != nil {
			return nil
		}
		return n.takePack(w, owners, key, &p)
	case kindAlert:
		e, err := readAlert(key, value)
		if err != nil {
			return nil
		}
		if w.get(bucketOutbox, key) == nil {
			n.alerts++
		}
		if err := w.setSequence(bucketOutbox, e.ID); err != nil {
			return err
		}
		return w.put(bucketOutbox, key, append([]byte(nil), value...))
	}
	return nil
}

// takePack writes the tuples of a pack to the new file. Of one tuple the later
// sighting wins.
func (n *salvaged) takePack(w *builder, owners map[uint32]string, key []byte, p *packReader) error {
	num, _ := splitTupleKey(key)
	if _, ok := owners[num]; !ok {
		for p.next() {
			n.orphans++
		}
		return nil
	}
	b, err := w.bucket(tupleBucketName(num))
	if err != nil {
		return err
	}
	packs := newPackWriter(b, num)
	for p.next() {
		old, err := packs.get(p.seq)
		switch {
		case err != nil:
			return err
		case old == nil:
			n.tuples++
		case old.sighting().Last >= p.entry.sighting().Last:
			continue
		}
		if err := packs.put(p.seq, p.entry); err != nil {
			return err
		}
	}
	if err := packs.flush(); err != nil {
		return err
	}
	if err := b.SetSequence(max(b.Sequence(), p.seq)); err != nil {
		return err
	}
	return w.wrote(maxPack)
}

// eachWhole calls fn with every element that can be found, by the tree or
// without it. fn has to check the checksums.
func (x *exam) eachWhole(fn func(key, value []byte)) {
	f := x.f
	r := reader{f: f}
	ps := f.pageSize
	pages := uint64(f.size) / uint64(ps)
	for id := uint64(2); id < pages; id++ {
		if x.free != nil && id < f.hwm && x.free.has(id) {
			continue
		}
		b, err := r.bytes(int64(id)*int64(ps), ps)
		if err != nil {
			continue // a bad sector, say: the rest may be readable
		}
		n := 1
		if over := uint64(ne.Uint32(b[12:])); over > 0 && over < 1<<16 {
			n = int(min(over+1, pages-id))
			if b, err = r.bytes(int64(id)*int64(ps), n*ps); err != nil {
				continue
			}
		}
		if flags := ne.Uint16(b[8:]); flags == flagBranch || flags == flagFreelist {
			continue
		}
		eachLoose(b, 0, fn)
	}
}

// eachLoose reads a page without trust in its header: every element that stays
// inside the page.
func eachLoose(b []byte, depth int, fn func(key, value []byte)) {
	p := page{count: int(ne.Uint16(b[10:])), b: b}
	if fits := (len(b) - pageHeaderLen) / elemLen; p.count > fits || p.count == 0 {
		// The count is broken, and with it where the elements end: take
		// the first element's word for it, which points past them all.
		p.count = fits
		if len(b) >= pageHeaderLen+elemLen {
			p.count = min(int(ne.Uint32(b[pageHeaderLen+4:])/elemLen), fits)
		}
	}
	for i := range p.count {
		key, value, flags, ok := p.leaf(i)
		if !ok {
			continue
		}
		if flags&flagBucket != 0 {
			if bk, ok := parseBucket(value, flags); ok && bk.inline != nil && depth == 0 {
				eachLoose(bk.inline, 1, fn)
			}
			continue
		}
		fn(key, value)
	}
}

func (n salvaged) String() string {
	return fmt.Sprintf("%d tuples of %d rules and %d undelivered alerts were read back", n.tuples, n.rules, n.alerts)
}

// zeroed reports whether a file holds nothing but zeros.
func zeroed(f *pageFile) bool {
	r := reader{f: f}
	for off := int64(0); off < f.size; off += maxAhead {
		b, err := r.bytes(off, int(min(maxAhead, f.size-off)))
		if err != nil {
			return false
		}
		for len(b) >= 8 {
			if binary.LittleEndian.Uint64(b) != 0 {
				return false
			}
			b = b[8:]
		}
		for _, c := range b {
			if c != 0 {
				return false
			}
		}
	}
	return true
}
