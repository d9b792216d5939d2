package seen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// Names of the top-level buckets. There are no others, and none inside them.
const (
	bucketFormat = "newterms"
	bucketRules  = "rules"
	bucketOutbox = "outbox"
	bucketTuples = "t" // and the rule's number, 4 bytes, big-endian

	keyFormat = "format"
	keyRule   = "\x00" // in a tuple bucket: whose it is; sorts before all tuples

	magic         = "newterms"
	formatVersion = 1
)

func tupleBucketName(rule uint32) string {
	return string(binary.BigEndian.AppendUint32([]byte(bucketTuples), rule))
}

func tupleBucketRule(name string) (uint32, bool) {
	if len(name) != len(bucketTuples)+4 || name[:len(bucketTuples)] != bucketTuples {
		return 0, false
	}
	return binary.BigEndian.Uint32([]byte(name[len(bucketTuples):])), true
}

// Problem is something wrong in a state file.
type Problem struct {
	Page uint64 // 0 if it is not about one page
	Rule string // the rule's ID, if it is about one
	What string
}

func (p Problem) String() string {
	s := p.What
	if p.Page != 0 {
		s = fmt.Sprintf("page %d: %s", p.Page, s)
	}
	if p.Rule != "" {
		s = fmt.Sprintf("rule %q: %s", p.Rule, s)
	}
	return s
}

// maxProblems is how many problems are listed; more are counted.
const maxProblems = 1000

// rawBucket is where a bucket's pages are.
type rawBucket struct {
	root   uint64
	seq    uint64
	inline []byte // the only page, in its parent's page, if root is 0
}

// exam is what a walk over the whole file found.
type exam struct {
	f        *pageFile
	version  int // 0 if the file does not say that it is ours
	rules    map[string]ruleRecord
	tuples   map[uint32]rawBucket
	counts   map[uint32]int
	owners   map[uint32]ruleRecord // by the tuple buckets themselves
	gathered map[uint32]*gathered  // the tuples themselves; nil if they are not wanted
	alerts   []OutboxEntry
	ruleSeq  uint64
	alertSeq uint64

	mu       sync.Mutex
	problems []Problem
	more     int // problems not listed
	values   int // values that do not match their sum
	reached  pageSet
	free     pageSet // nil if the free list cannot be used
}

func (x *exam) damaged() bool { return len(x.problems) > 0 }

func (x *exam) problem(page uint64, what string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.problems) >= maxProblems {
		x.more++
		return
	}
	x.problems = append(x.problems, Problem{Page: page, What: what})
}

func (x *exam) bad(page uint64, err error) { x.problem(page, err.Error()) }

// badValue notes a value that does not match its sum.
func (x *exam) badValue(page uint64, key []byte) {
	x.mu.Lock()
	x.values++
	x.mu.Unlock()
	x.problem(page, fmt.Sprintf("the value under key %x does not match its checksum", key))
}

// examine walks everything that the file's last transaction reaches: pages,
// their order, every value's checksum, and the list of free pages. After an
// examination without problems bbolt has nothing left to stumble over. With keep
// the tuples are gathered on the way, which spares Load a second walk.
func examine(f *pageFile, keep bool) *exam {
	x := &exam{
		f:       f,
		rules:   make(map[string]ruleRecord),
		tuples:  make(map[uint32]rawBucket),
		counts:  make(map[uint32]int),
		owners:  make(map[uint32]ruleRecord),
		reached: newPageSet(f.hwm),
	}
	if keep {
		x.gathered = make(map[uint32]*gathered)
	}
	buckets := make(map[string]rawBucket)
	x.each(rawBucket{root: f.root}, 1, func(_ int, id uint64, key, value []byte, flags uint32) {
		b, ok := parseBucket(value, flags)
		if !ok {
			x.problem(id, fmt.Sprintf("%q is no bucket", key))
			return
		}
		buckets[string(key)] = b
	})
	for name, b := range buckets {
		rule, isTuples := tupleBucketRule(name)
		switch {
		case name == bucketFormat:
			x.each(b, 1, x.readFormat)
		case name == bucketRules:
			x.ruleSeq = b.seq
			x.each(b, 1, x.readRule)
		case name == bucketOutbox:
			x.alertSeq = b.seq
			x.each(b, 1, x.readAlert)
		case isTuples:
			if b.seq > maxSeq {
				// No checksum covers it, and the tuples to come would be
				// numbered from there.
				x.problem(0, fmt.Sprintf("the tuples of rule number %d cannot have been numbered up to %d", rule, b.seq))
			}
			x.tuples[rule] = b
			x.checkTuples(rule, b)
		default:
			x.problem(0, fmt.Sprintf("a bucket named %q is not ours", name))
		}
	}
	x.readFreelist()
	return x
}

func parseBucket(value []byte, flags uint32) (b rawBucket, ok bool) {
	if flags&flagBucket == 0 || len(value) < bucketLen {
		return b, false
	}
	b.root, b.seq = ne.Uint64(value), ne.Uint64(value[8:])
	if b.root == 0 {
		b.inline = append([]byte(nil), value[bucketLen:]...)
		return b, len(b.inline) >= pageHeaderLen
	}
	return b, true
}

// workers is how many goroutines read the pages of a large bucket.
func workers() int { return min(runtime.GOMAXPROCS(0), 4) }

// each calls fn with every element of a bucket, checks the pages on the way and
// notes what is wrong with them. The order is that of the pages in the file.
// With more than one worker fn is called at the same time from each of them.
func (x *exam) each(b rawBucket, workers int, fn func(w int, page uint64, key, value []byte, flags uint32)) {
	visit := func(w int, ref pageRef, p *page, err error) {
		if err == nil {
			err = p.inside(ref)
		}
		if err != nil {
			x.bad(ref.id, err)
			return
		}
		for i := range p.count {
			key, value, flags, _ := p.leaf(i)
			fn(w, ref.id, key, value, flags)
		}
	}
	if b.root == 0 {
		p, err := parsePage(0, b.inline)
		if err == nil && p.flags != flagLeaf {
			err = errors.New("a bucket inside a page is broken")
		}
		visit(0, pageRef{}, &p, err)
		return
	}
	refs := x.f.leaves(b.root, func(id uint64, err error) { x.bad(id, err) })
	x.f.walked(b.root, x.mark)
	x.f.scan(refs, workers, func(w int, ref pageRef, p *page, err error) {
		if err == nil && !x.mark(p) {
			err = errors.New("it is used twice")
		}
		visit(w, ref, p, err)
	})
}

// mark notes that a page is in use; false if it was already.
func (x *exam) mark(p *page) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.reached.add(p.id, uint32(len(p.b)/x.f.pageSize-1))
}

// walked calls mark for the branch pages below root.
func (f *pageFile) walked(root uint64, mark func(*page) bool) {
	r := reader{f: f}
	level := []uint64{root}
	for len(level) > 0 {
		var next []uint64
		for _, id := range level {
			p, err := r.page(id)
			if err != nil || p.flags != flagBranch {
				if err == nil {
					return // a level of leaves
				}
				continue
			}
			if !mark(&p) {
				continue // a leaf scan would go in circles, too: leaves says so
			}
			for i := range p.count {
				if _, child, ok := p.branch(i); ok {
					next = append(next, child)
				}
			}
		}
		level = next
	}
}

func (x *exam) readFormat(_ int, id uint64, key, value []byte, _ uint32) {
	if string(key) != keyFormat {
		return
	}
	p, err := payload(kindFormat, key, value)
	if err != nil || len(p) < len(magic)+2 || string(p[:len(magic)]) != magic {
		x.badValue(id, key)
		return
	}
	x.version = int(binary.LittleEndian.Uint16(p[len(magic):]))
}

func formatValue() []byte {
	v := append([]byte{0, 0, 0, 0, kindFormat}, magic...)
	v = binary.LittleEndian.AppendUint16(v, formatVersion)
	seal([]byte(keyFormat), v)
	return v
}

func (x *exam) readRule(_ int, id uint64, key, value []byte, _ uint32) {
	r, err := readRule(key, value)
	if err != nil {
		x.badValue(id, key)
		return
	}
	x.rules[string(key)] = r
}

func (x *exam) readAlert(_ int, id uint64, key, value []byte, _ uint32) {
	e, err := readAlert(key, value)
	if err != nil {
		x.badValue(id, key)
		return
	}
	x.alerts = append(x.alerts, e)
}

// checkTuples checks every tuple of a rule and counts them.
func (x *exam) checkTuples(rule uint32, b rawBucket) {
	counts := make([]int, workers())
	var g *gathered
	if x.gathered != nil {
		g = newGathered(len(counts))
		g.seq = b.seq
		x.gathered[rule] = g
	}
	x.each(b, len(counts), func(w int, id uint64, key, value []byte, flags uint32) {
		if string(key) == keyRule {
			if r, err := readRule(key, value); err == nil {
				x.mu.Lock()
				x.owners[rule] = r
				x.mu.Unlock()
				return
			}
		}
		p, err := openPack(key, value)
		for err == nil && p.next() {
			counts[w]++
			if g != nil {
				g.parts[w].add(p.seq, p.entry)
			}
		}
		if err != nil || p.err != nil || flags != 0 || binary.BigEndian.Uint32(key) != rule {
			x.badValue(id, key)
		}
	})
	for _, n := range counts {
		x.counts[rule] += n
	}
}

// readFreelist checks that no page is both free and in use: bbolt would write
// over it.
func (x *exam) readFreelist() {
	f := x.f
	if f.freelist == noFreelist {
		return
	}
	r := reader{f: f}
	id := f.freelist
	fail := func(what string) { x.problem(id, "the list of free pages "+what) }
	if id < 2 || id >= f.hwm {
		fail("is not in the file")
		return
	}
	off := int64(id) * int64(f.pageSize)
	b, err := r.bytes(off, f.pageSize)
	if err != nil {
		fail("cannot be read: " + err.Error())
		return
	}
	over := uint64(ne.Uint32(b[12:]))
	if ne.Uint64(b) != id || ne.Uint16(b[8:]) != flagFreelist || id+over >= f.hwm {
		fail("is not one")
		return
	}
	if b, err = r.bytes(off, int(over+1)*f.pageSize); err != nil {
		fail("cannot be read: " + err.Error())
		return
	}
	n, b := uint64(ne.Uint16(b[10:])), b[pageHeaderLen:]
	if n == 0xffff {
		n, b = ne.Uint64(b), b[8:]
	}
	if n > uint64(len(b)/8) {
		fail("is longer than its page")
		return
	}
	if !x.reached.add(id, uint32(over)) {
		fail("is in use for something else")
		return
	}
	free := newPageSet(f.hwm)
	for i := range n {
		p := ne.Uint64(b[i*8:])
		if p < 2 || p >= f.hwm || x.reached.has(p) || !free.add(p, 0) {
			fail(fmt.Sprintf("holds page %d, which is not free", p))
			return
		}
	}
	x.free = free
}
