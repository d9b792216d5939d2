package seen

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
	"slices"
	"sync"
)

// This file reads bbolt's file format (version 2) through plain reads. bbolt
// itself maps the file into memory and believes what it finds: a damaged page
// is a panic, sometimes in a goroutine of its own where nobody can recover it,
// and a file that is shorter than it says, or a disk that cannot be read, is a
// SIGBUS. In a plugin either ends the log pipeline. So every file is walked
// here first, page by page, before bbolt opens it, and bbolt is left with what
// it is good at: writing transactions.
//
// All integers are in the byte order of the machine, as bbolt writes them.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeaderLen = 16 // id 8, flags 2, count 2, overflow 4
	elemLen       = 16 // leaf: flags 4, pos 4, ksize 4, vsize 4; branch: pos 4, ksize 4, id 8
	metaLen       = 64
	bucketLen     = 16 // root page 8, sequence 8

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	flagBucket   = 0x01 // of a leaf element

	noFreelist  = ^uint64(0)
	minPageSize = 1 << 10
	maxPageSize = 1 << 24
)

var (
	errNoMeta    = errors.New("no valid meta page")
	errTruncated = errors.New("the file is shorter than it should be")
	ne           = binary.NativeEndian
)

// boltMeta is a meta page: the root of one committed transaction.
type boltMeta struct {
	pageSize               int
	root, freelist, hwm    uint64
	txid                   uint64
	hasMagic, otherVersion bool
}

func parseMeta(b []byte) (m boltMeta, ok bool) {
	if len(b) < pageHeaderLen+metaLen {
		return m, false
	}
	b = b[pageHeaderLen : pageHeaderLen+metaLen]
	m.hasMagic = ne.Uint32(b) == boltMagic
	m.otherVersion = m.hasMagic && ne.Uint32(b[4:]) != boltVersion
	m.pageSize = int(ne.Uint32(b[8:]))
	m.root, m.freelist = ne.Uint64(b[16:]), ne.Uint64(b[32:])
	m.hwm, m.txid = ne.Uint64(b[40:]), ne.Uint64(b[48:])
	h := fnv.New64a()
	h.Write(b[:56])
	return m, m.hasMagic && !m.otherVersion && ne.Uint64(b[56:]) == h.Sum64() &&
		m.pageSize >= minPageSize && m.pageSize <= maxPageSize && m.pageSize&(m.pageSize-1) == 0
}

// pageFile is a state file as pages.
type pageFile struct {
	r    io.ReaderAt
	size int64
	boltMeta
	// oneMeta: one of the two meta pages is broken, as a crash can leave it.
	oneMeta bool
}

// openPages finds the last committed transaction of a file. With errNoMeta the
// pageFile is still good for a scan of all pages.
func openPages(r io.ReaderAt, size int64) (*pageFile, error) {
	f := &pageFile{r: r, size: size}
	f.pageSize = 4096
	buf := make([]byte, pageHeaderLen+metaLen)
	at := func(off int64) (boltMeta, bool) {
		if n, err := r.ReadAt(buf, off); n < len(buf) && err != nil {
			return boltMeta{}, false
		}
		return parseMeta(buf)
	}
	m0, ok0 := at(0)
	var m1 boltMeta
	var ok1 bool
	if ok0 {
		m1, ok1 = at(int64(m0.pageSize))
	} else {
		// The page size says where the second meta page is, and is in it.
		for ps := minPageSize; ps <= maxPageSize && !ok1; ps <<= 1 {
			if m1, ok1 = at(int64(ps)); ok1 && m1.pageSize != ps {
				ok1 = false
			}
		}
	}
	seen := m0.hasMagic || m1.hasMagic
	switch {
	case ok0 && (!ok1 || m0.txid > m1.txid):
		f.boltMeta = m0
	case ok1:
		f.boltMeta = m1
	default:
		f.hasMagic, f.otherVersion = seen, m0.otherVersion
		f.hwm = uint64(size) / uint64(f.pageSize)
		return f, errNoMeta
	}
	f.hasMagic, f.oneMeta = true, !ok0 || !ok1
	if f.hwm > uint64(size)/uint64(f.pageSize) {
		return f, fmt.Errorf("%w: %d pages of %d bytes, but %d bytes", errTruncated, f.hwm, f.pageSize, size)
	}
	return f, nil
}

// page is one page with its overflow.
type page struct {
	id    uint64
	flags uint16
	count int
	b     []byte
}

// parsePage checks that everything the page says of itself is inside it.
func parsePage(id uint64, b []byte) (p page, err error) {
	p = page{id: id, flags: ne.Uint16(b[8:]), count: int(ne.Uint16(b[10:])), b: b}
	if own := ne.Uint64(b); own != id {
		return p, fmt.Errorf("it calls itself page %d", own)
	}
	if p.flags != flagBranch && p.flags != flagLeaf {
		return p, fmt.Errorf("it is neither branch nor leaf (flags %#x)", p.flags)
	}
	if pageHeaderLen+p.count*elemLen > len(b) || p.flags == flagBranch && p.count == 0 {
		return p, fmt.Errorf("it cannot have %d elements", p.count)
	}
	return p, nil
}

// leaf returns an element of a leaf page, or ok false if it leaves the page.
func (p *page) leaf(i int) (key, value []byte, flags uint32, ok bool) {
	off := pageHeaderLen + i*elemLen
	e := p.b[off : off+elemLen]
	flags = ne.Uint32(e)
	k, v := uint64(ne.Uint32(e[8:])), uint64(ne.Uint32(e[12:]))
	start := uint64(off) + uint64(ne.Uint32(e[4:]))
	if start < uint64(pageHeaderLen+p.count*elemLen) || start+k+v > uint64(len(p.b)) || k == 0 {
		return nil, nil, 0, false
	}
	return p.b[start : start+k : start+k], p.b[start+k : start+k+v : start+k+v], flags, true
}

// branch returns an element of a branch page.
func (p *page) branch(i int) (key []byte, child uint64, ok bool) {
	off := pageHeaderLen + i*elemLen
	e := p.b[off : off+elemLen]
	k := uint64(ne.Uint32(e[4:]))
	start := uint64(off) + uint64(ne.Uint32(e))
	if start < uint64(pageHeaderLen+p.count*elemLen) || start+k > uint64(len(p.b)) || k == 0 {
		return nil, 0, false
	}
	return p.b[start : start+k], ne.Uint64(e[8:]), true
}

// reader reads pages, ahead of itself as long as they follow one another.
type reader struct {
	f     *pageFile
	buf   []byte
	start int64 // where in the file buf begins
	ahead int
}

const maxAhead = 512 << 10

// bytes returns n bytes at off, valid until the next call.
func (r *reader) bytes(off int64, n int) ([]byte, error) {
	if end := r.start + int64(len(r.buf)); off < r.start || off+int64(n) > end {
		if off >= r.start && off <= end+int64(r.f.pageSize) {
			r.ahead = min(max(r.ahead*2, 4*r.f.pageSize), maxAhead)
		} else {
			r.ahead = 0
		}
		want := int(min(int64(max(n, r.ahead)), r.f.size-off))
		if off < 0 || want < n {
			return nil, errTruncated
		}
		r.buf = slices.Grow(r.buf[:0], want)[:want]
		r.start = off
		if m, err := r.f.r.ReadAt(r.buf, off); m < want {
			r.buf = r.buf[:0]
			if err == nil || err == io.EOF {
				err = errTruncated
			}
			return nil, err
		}
	}
	i := int(off - r.start)
	return r.buf[i : i+n], nil
}

// page reads a page, valid until the next call.
func (r *reader) page(id uint64) (page, error) {
	if id < 2 || id >= r.f.hwm {
		return page{}, fmt.Errorf("there is no page %d", id)
	}
	ps := r.f.pageSize
	off := int64(id) * int64(ps)
	b, err := r.bytes(off, ps)
	if err != nil {
		return page{}, err
	}
	if over := uint64(ne.Uint32(b[12:])); over > 0 {
		if id+over >= r.f.hwm {
			return page{}, fmt.Errorf("it cannot be %d pages long", over+1)
		}
		if b, err = r.bytes(off, int(over+1)*ps); err != nil {
			return page{}, err
		}
	}
	return parsePage(id, b)
}

// pageRef is a page to visit and the keys that may be in it: lo <= key < hi,
// either empty for no bound.
type pageRef struct {
	id     uint64
	lo, hi string
}

// pageSet is a set of page numbers.
type pageSet []uint64

func newPageSet(n uint64) pageSet { return make(pageSet, n/64+1) }

func (s pageSet) has(id uint64) bool { return s[id/64]>>(id%64)&1 != 0 }

// add adds id and the pages that it overflows into; false if one is in s.
func (s pageSet) add(id uint64, over uint32) bool {
	for i := id; i <= id+uint64(over); i++ {
		if s.has(i) {
			return false
		}
		s[i/64] |= 1 << (i % 64)
	}
	return true
}

// leaves returns the leaf pages below root, ordered by their place in the file.
// Pages that cannot be used are handed to bad and left out, with what is below
// them. All leaves of a tree are equally deep; only the first of a level is
// looked at to see whether it is the last.
func (f *pageFile) leaves(root uint64, bad func(id uint64, err error)) []pageRef {
	level := []pageRef{{id: root}}
	r := reader{f: f}
	for depth := 0; len(level) > 0; depth++ {
		if depth > 32 {
			bad(root, errors.New("its tree is too deep"))
			return nil
		}
		level = byPlace(level)
		var next []pageRef
		for i, ref := range level {
			p, err := r.page(ref.id)
			if err != nil {
				bad(ref.id, err)
				continue
			}
			if p.flags == flagLeaf {
				if i == 0 || len(next) == 0 {
					return level[i:]
				}
				bad(ref.id, errors.New("a leaf among branches"))
				continue
			}
			next = f.children(&p, ref, next, bad)
		}
		if uint64(len(next)) > f.hwm {
			bad(root, errors.New("its tree has more pages than the file"))
			return nil
		}
		level = next
	}
	return nil
}

// byPlace orders pages by their place in the file.
func byPlace(refs []pageRef) []pageRef {
	if slices.IsSortedFunc(refs, func(a, b pageRef) int { return cmp.Compare(a.id, b.id) }) {
		return refs
	}
	var last uint64
	bitsOf := bits.Len(uint(len(refs)))
	keys := make([]uint64, len(refs))
	for i := range refs {
		last = max(last, refs[i].id)
		keys[i] = refs[i].id<<bitsOf | uint64(i)
	}
	out := make([]pageRef, len(refs))
	for i, k := range radixSort(keys, bitsOf, bitsOf+bits.Len64(last)) {
		out[i] = refs[k&(1<<bitsOf-1)]
	}
	return out
}

func (f *pageFile) children(p *page, ref pageRef, next []pageRef, bad func(uint64, error)) []pageRef {
	first := len(next)
	last := ref.lo
	for i := range p.count {
		b, child, ok := p.branch(i)
		key := string(b)
		if !ok || key < last || i > 0 && key == last || ref.hi != "" && key >= ref.hi {
			bad(p.id, errors.New("its keys are out of place"))
			continue
		}
		lo := key
		if i == 0 {
			lo = ref.lo // what is below the first key goes there too
		}
		if len(next) > first {
			next[len(next)-1].hi = key
		}
		next = append(next, pageRef{id: child, lo: lo})
		last = key
	}
	if len(next) > first {
		next[len(next)-1].hi = ref.hi
	}
	return next
}

// scan reads leaf pages with several workers, each of which gets a run of pages
// that lie next to each other. The page is valid until fn returns.
func (f *pageFile) scan(refs []pageRef, workers int, fn func(worker int, ref pageRef, p *page, err error)) {
	workers = max(min(workers, len(refs)/64), 1)
	var wg sync.WaitGroup
	for w := range workers {
		part := refs[len(refs)*w/workers : len(refs)*(w+1)/workers]
		run := func() {
			r := reader{f: f}
			for _, ref := range part {
				p, err := r.page(ref.id)
				if err == nil && p.flags != flagLeaf {
					err = errors.New("a branch among leaves")
				}
				fn(w, ref, &p, err)
			}
		}
		if w == workers-1 {
			run()
		} else {
			wg.Go(run)
		}
	}
	wg.Wait()
}

// inside reports whether the keys of a leaf page are in order and in bounds.
func (p *page) inside(ref pageRef) error {
	var last []byte
	for i := range p.count {
		key, _, _, ok := p.leaf(i)
		switch {
		case !ok:
			return errors.New("an element leaves the page")
		case i == 0 && ref.lo != "" && string(key) < ref.lo,
			i > 0 && bytes.Compare(key, last) <= 0,
			ref.hi != "" && string(key) >= ref.hi:
			return errors.New("its keys are out of place")
		}
		last = key
	}
	return nil
}
