package seen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"maps"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// journal is the journal that a store writes. It is not safe for concurrent
// use.
type journal struct {
	folder  *folder
	version string // of newterms, for the header
	fault   func(step string) error

	file *os.File    // what was opened last; nil before that
	info os.FileInfo // of it
	size int64       // up to here the file is known to be on disk
	next uint64      // the number of the next record

	// distrust: a write or sync has failed, so that nothing behind size can be
	// trusted, and nothing may be written through this descriptor again.
	distrust bool
	// full: only a write failed, for want of room. A new descriptor will do.
	full bool

	live    int64              // about how much of the file a compaction would keep, without alerts
	alerts  int64              // the same of alerts
	tuples  map[uint32]int64   // the part of live of each rule that is known
	wrote   map[uint32]written // of each rule, since the journal was opened
	retryAt int64              // a compaction failed: not before the file has this size
	w       batchWriter
}

// written is what was last written of a rule.
type written struct {
	extra  uint64 // a hash
	record []byte // as long as the journal may have only one of it
	block  int64  // where that is
}

// Bounds of compaction.
const (
	compactLeast = 4 << 20 // a smaller journal is left alone
	keptBuffer   = 2 << 20 // the memory that is kept for the next batch
)

// errMoved says that the file in the folder is not the one that was opened.
var errMoved = errors.New("the journal was removed, replaced or cut")

func newJournal(f *folder, o *Options) *journal {
	return &journal{folder: f, version: o.Version, fault: o.fault}
}

// use takes f as the journal, in which c was found.
func (j *journal) use(f *os.File, c *contents) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if f != j.file {
		j.close()
	}
	j.file, j.info, j.size, j.next = f, info, c.end, c.next
	j.distrust, j.full, j.retryAt = false, false, 0
	j.tuples, j.wrote = make(map[uint32]int64), make(map[uint32]written)
	j.live = headerSize
	for _, t := range c.rules() {
		var bytes int64
		for r := range t.rows.each {
			bytes += r.bytes()
		}
		j.tuples[t.record.Num] = bytes
		j.live += bytes + int64(2*len(t.record.ID)+512+len(t.record.Meta.Extra))
	}
	j.alerts = 0
	for _, e := range c.alerts {
		j.alerts += e.size()
	}
	return nil
}

func (j *journal) close() {
	if j.file != nil {
		j.file.Close()
		j.file = nil
	}
}

// ready makes sure that the journal can be written: that the file in the folder
// is the one that is open, and whole. An error that wraps errMoved calls for a
// new file.
func (j *journal) ready() error {
	if err := j.fault("check"); err != nil {
		return err
	}
	if j.file == nil || j.distrust || !j.folder.held() {
		return errMoved
	}
	have, err := os.Lstat(j.folder.file(stateName))
	if err != nil || !os.SameFile(have, j.info) || have.Size() < j.size {
		return errMoved
	}
	mine, err := j.file.Stat()
	if err != nil || !os.SameFile(mine, j.info) {
		return errMoved
	}
	if !j.full {
		return nil
	}
	f, err := openFile(j.folder.file(stateName), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err != nil || !os.SameFile(info, j.info) {
		f.Close()
		return errMoved
	}
	if err := f.Truncate(j.size); err != nil {
		f.Close()
		return err
	}
	j.file.Close()
	j.file, j.full = f, false
	return nil
}

// append writes a batch and returns when it is on disk. encode fills it.
func (j *journal) append(encode func(w *batchWriter) error) (err error) {
	j.w.buf, j.w.at = j.w.buf[:0], j.size
	j.w.next, j.w.start, j.w.count = j.next, j.next, 0
	tuples, live := maps.Clone(j.tuples), j.live
	defer func() {
		if cap(j.w.buf) > keptBuffer {
			j.w.buf = nil
		}
		if err != nil { // what was not written does not count
			j.tuples, j.live = tuples, live
			clear(j.wrote)
		}
	}()
	if err := encode(&j.w); err != nil {
		return err
	}
	if j.w.end(); len(j.w.buf) == 0 {
		return nil
	}
	err = j.fault("write")
	if err == nil {
		_, err = j.file.WriteAt(j.w.buf, j.size)
	}
	if err != nil {
		j.full = errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
		j.distrust = !j.full
		return err
	}
	if err = j.fault("sync"); err == nil {
		if err = fdatasync(j.file); err == nil {
			err = j.fault("synced")
		}
	}
	if err != nil {
		j.distrust = true
		return err
	}
	j.size, j.next = j.w.at, j.w.next
	return nil
}

// fdatasync returns when what was written to f is on disk.
func fdatasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return err
		}
	}
}

// wasteful reports whether more than half of the journal is dead.
func (j *journal) wasteful() bool {
	return j.size > compactLeast && j.size > 2*(j.live+j.alerts) && j.size >= j.retryAt
}

// source opens what the journal is to be made anew from: the file in the folder
// if it is the one that was open, else the one behind the descriptor. It returns
// nil if both are gone. done closes it.
func (j *journal) source() (f *os.File, done func()) {
	f, err := openFile(j.folder.file(stateName), os.O_RDONLY, 0)
	if err == nil {
		if info, err := f.Stat(); err == nil && (j.info == nil || os.SameFile(info, j.info)) {
			return f, func() { f.Close() }
		}
		f.Close()
	}
	if j.file != nil {
		if info, err := j.file.Stat(); err == nil && os.SameFile(info, j.info) {
			return j.file, func() {}
		}
	}
	return nil, func() {}
}

// install writes a new journal with what is live in c, whose terms are in from,
// puts it in the place of the journal, which is kept as aside unless that is
// empty, and uses it. c may be nil for an empty journal.
func (j *journal) install(c *contents, from io.ReaderAt, aside string) (err error) {
	tmp := j.folder.file(newName)
	if err := j.fault("create"); err != nil {
		return err
	}
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := openFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(tmp)
		}
	}()
	if c == nil {
		c = &contents{scanned: &scanned{}}
	}
	w := &copier{file: f, fault: j.fault}
	if err := w.copy(c, from, j.version); err != nil {
		return err
	}
	if err := j.fault("sync new"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := j.fault("rename"); err != nil {
		return err
	}
	if err := j.folder.install(aside); err != nil {
		return err
	}
	c.end, c.next = w.at, w.next
	return j.use(f, c)
}

// copier writes the live records of a journal to a new one.
type copier struct {
	batchWriter
	file    *os.File
	written int64
	fault   func(step string) error
	err     error
}

func (w *copier) copy(c *contents, from io.ReaderAt, version string) error {
	w.buf = appendHeader(nil, version)
	w.at = headerSize
	var num [2 * binary.MaxVarintLen64]byte
	w.put(recordCounters, appendRef(num[:0], c.last.rule, c.last.alert))
	rules := c.rules()
	// A rule's record is written twice, far apart: without it, its tuples would
	// be of no use.
	records := func() error {
		for _, t := range rules {
			t.record.Seq = t.seq
			b, err := appendRule(nil, &t.record)
			if err != nil {
				return err
			}
			w.put(recordRule, b)
			if x := t.record.Meta.Extra; len(x) > 0 {
				w.put(recordExtra, append(binary.AppendUvarint(nil, uint64(t.record.Num)), x...))
			}
		}
		return w.flushed()
	}
	if err := records(); err != nil {
		return err
	}
	var b []byte
	for _, t := range rules {
		err := c.terms(from, t, func(r *row, terms []byte) error {
			b = appendSighting(appendRef(b[:0], t.record.Num, r.seq()), r.sighting())
			b = append(b, terms...)
			w.put(recordCombination, b)
			return w.err
		})
		if err != nil {
			return err
		}
	}
	for _, e := range c.outbox() {
		b = appendAlert(b[:0], &e)
		if w.put(recordAlert, b); w.err != nil {
			return w.err
		}
	}
	return records()
}

// put writes a record. Batches are as small as groups, so that damage costs no
// more than it must; the file is in use once it is whole.
func (w *copier) put(kind byte, body []byte) {
	w.endEach(len(body))
	w.record(kind, body)
	if len(w.buf) >= 8*blockSize {
		w.write()
	}
}

func (w *copier) write() {
	if w.err != nil {
		return
	}
	if w.err = w.fault("write new"); w.err == nil {
		_, w.err = w.file.WriteAt(w.buf, w.written)
	}
	w.written += int64(len(w.buf))
	w.buf = w.buf[:0]
}

func (w *copier) flushed() error {
	w.end()
	w.write()
	return w.err
}

// hashSeed keys the hashes of what was last written.
var hashSeed = maphash.MakeSeed()

// encode adds the records of jobs to a batch. rules are the records of the rules
// that jobs refer to.
func (j *journal) encode(w *batchWriter, jobs []*job, rules map[string]ruleRecord) error {
	var b []byte
	written := make(map[string]bool)
	for _, job := range jobs {
		for _, id := range job.rules {
			if r, ok := rules[id]; ok && !written[id] {
				written[id] = true
				if err := j.rule(w, &r); err != nil {
					return err
				}
			}
		}
		for i := range job.batch.ops {
			op := &job.batch.ops[i]
			if _, ok := j.tuples[op.rule]; !ok {
				continue // a rule that is gone: nobody misses its tuples
			}
			if r := j.wrote[op.rule]; r.record != nil && w.at/blockSize != r.block {
				// Without its record, a rule's tuples would be of no use: a
				// second one, in another block.
				w.record(recordRule, r.record)
				r.record = nil
				j.wrote[op.rule] = r
			}
			b = appendRef(b[:0], op.rule, op.seq)
			switch op.kind {
			case opNew:
				b = append(appendSighting(b, op.s), job.batch.terms(op)...)
				w.record(recordCombination, b)
				j.count(op.rule, int64(op.n)+tupleOverhead)
			case opSighting:
				w.record(recordSighting, appendSighting(b, op.s))
			case opForget:
				w.record(recordForget, b)
				j.count(op.rule, -int64(op.n)-tupleOverhead)
			}
		}
		for i := range job.batch.alerts {
			e := &job.batch.alerts[i]
			b = appendAlert(b[:0], e)
			w.record(recordAlert, b)
		}
		for _, id := range job.batch.acks {
			w.record(recordAck, binary.AppendUvarint(b[:0], id))
		}
		for _, num := range job.drop {
			w.record(recordDrop, binary.AppendUvarint(b[:0], uint64(num)))
			j.live -= j.tuples[num]
			delete(j.tuples, num)
		}
	}
	return nil
}

// count notes that the tuples of a rule have grown.
func (j *journal) count(rule uint32, bytes int64) {
	j.tuples[rule] += bytes
	j.live += bytes
}

// rule adds what is known of a rule, as far as it has changed.
func (j *journal) rule(w *batchWriter, r *ruleRecord) error {
	if _, ok := j.tuples[r.Num]; !ok {
		j.tuples[r.Num] = 0
	}
	b, err := appendRule(nil, r)
	if err != nil {
		return err
	}
	w.record(recordRule, b)
	was, again := j.wrote[r.Num]
	now := written{extra: maphash.Bytes(hashSeed, r.Meta.Extra)}
	if !again {
		now.record, now.block = b, w.at/blockSize
	}
	if now.extra != was.extra {
		w.record(recordExtra, append(binary.AppendUvarint(nil, uint64(r.Num)), r.Meta.Extra...))
	}
	j.wrote[r.Num] = now
	return nil
}

// describe says how an error of the journal came to be.
func describe(err error) error {
	if errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w: the process may not write files of this size (ulimit -f, LimitFSIZE)", err)
	}
	return err
}
