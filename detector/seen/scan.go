package seen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

const (
	journalFormat = 2
	headerSize    = 64
	headerMagic   = "newterms journal" // 16 bytes
	maxVersion    = headerSize - len(headerMagic) - 4 - 1 - 4
)

// appendHeader appends the header of a journal that version writes.
func appendHeader(dst []byte, version string) []byte {
	h := make([]byte, headerSize)
	copy(h, headerMagic)
	binary.LittleEndian.PutUint32(h[16:], journalFormat)
	version = version[:min(len(version), maxVersion)]
	h[20] = byte(len(version))
	copy(h[21:], version)
	binary.LittleEndian.PutUint32(h[60:], crc32.Checksum(h[:60], castagnoli))
	return append(dst, h...)
}

// readHeader returns the format of a journal and the version that wrote it. ok
// is false if the header is none.
func readHeader(h []byte) (format uint32, version string, ok bool) {
	if len(h) < headerSize || string(h[:16]) != headerMagic || int(h[20]) > maxVersion ||
		binary.LittleEndian.Uint32(h[60:]) != crc32.Checksum(h[:60], castagnoli) {
		return 0, "", false
	}
	return binary.LittleEndian.Uint32(h[16:]), string(h[21 : 21+h[20]]), true
}

// A payload of the log is a group: flags, the number of its first record in the
// journal, how many records its batch has before it (uvarints), and records. The
// groups of a batch follow each other.
const groupEnds = 1 // flag: the group is the last of its batch

// batchWriter writes batches of records.
type batchWriter struct {
	blockWriter
	group []byte
	count int    // records in group
	room  int    // of group, with its header
	next  uint64 // the number of the next record
	start uint64 // the number of the first record of the batch
}

// record adds a record to the batch.
func (w *batchWriter) record(kind byte, body []byte) {
	need := 1 + binary.MaxVarintLen32 + len(body)
	if w.count > 0 && len(w.group)+need > w.room {
		w.flush(0)
	}
	if w.count == 0 {
		w.room = w.blockWriter.room()
		w.group = binary.AppendUvarint(append(w.group[:0], 0), w.next)
		w.group = binary.AppendUvarint(w.group, w.next-w.start)
	}
	w.group = append(w.group, kind)
	w.group = binary.AppendUvarint(w.group, uint64(len(body)))
	w.group = append(w.group, body...)
	w.count++
	w.next++
}

// end ends the batch.
func (w *batchWriter) end() {
	if w.count > 0 {
		w.flush(groupEnds)
	}
	w.start = w.next
}

// endEach ends the batch if its group is full, so that a batch is a group.
func (w *batchWriter) endEach(need int) {
	if w.count > 0 && len(w.group)+need+2*binary.MaxVarintLen32 > w.room {
		w.end()
	}
}

func (w *batchWriter) flush(flags byte) {
	w.group[0] = flags
	w.add(w.group)
	w.count = 0
}

// Problem is one place where a state is damaged.
type Problem struct {
	Offset int64 // in the journal
	What   string
}

func (p Problem) String() string { return fmt.Sprintf("at byte %d: %s", p.Offset, p.What) }

// maxProblems bounds how many problems are named.
const maxProblems = 20

// scanned is what a scan found out about a journal as a whole.
type scanned struct {
	format   uint32 // 0 if there is no sound header
	version  string
	end      int64  // behind the last complete batch
	next     uint64 // the number of the next record
	records  int    // that are sound
	lost     uint64 // that were in damaged blocks
	problems []Problem
	more     int // problems that are not in problems
	// tail says that the last batch, which is not complete, does not merely
	// end early, as after a crash, but is damaged.
	tail bool
}

func (s *scanned) problem(p Problem) {
	if len(s.problems) >= maxProblems {
		s.more++
		return
	}
	s.problems = append(s.problems, p)
}

func (s *scanned) damaged() bool { return len(s.problems) > 0 }

// scanner reads a journal batch by batch.
type scanner struct {
	scanned
	in    *blockReader
	apply func(at int64, kind byte, body []byte) error

	start   uint64    // the number of the first record of the batch
	expect  uint64    // the number of the next record
	held    []heldOf  // the groups of a batch that has not ended, or lacks some
	heldEnd int64     // where they end
	bytes   []byte    // what held refers to
	missing uint64    // records that the batch lacks
	found   []Problem // where it may be damaged
}

type heldOf struct {
	at       int64
	from, to int
}

// scan reads the journal in f up to size and calls apply with each record of
// its complete batches, in order; what apply gets is valid until it returns. A
// batch in which something is damaged counts if another one begins after it,
// which only happens once it was complete.
func scan(f io.ReaderAt, size int64, apply func(at int64, kind byte, body []byte) error) (*scanned, error) {
	head := make([]byte, headerSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	s := &scanner{apply: apply}
	var ok bool
	if s.format, s.version, ok = readHeader(head[:n]); !ok {
		s.problem(Problem{0, "the header is damaged"})
	}
	s.end = min(headerSize, size)
	s.in = newBlockReader(f, headerSize, size, func(off int64, what string) {
		if len(s.found) < maxProblems {
			s.found = append(s.found, Problem{off, what})
		}
	})
	for {
		group, at, err := s.in.next()
		if err == io.EOF {
			for _, p := range s.found {
				s.problem(p)
			}
			s.tail = len(s.found) > 0
			return &s.scanned, nil
		}
		s.group(group, at)
	}
}

var errUnsorted = errors.New("records come twice or are missing")

func (s *scanner) group(group []byte, at int64) {
	head := body{b: group}
	flags := head.take(1)
	first := head.uint()
	start := first - head.uint()
	if head.bad || start > first || start < s.start || first < s.expect {
		s.problem(Problem{at, errUnsorted.Error()})
		return
	}
	lacking := func(n uint64) Problem { return Problem{at, fmt.Sprintf("%d records before it are missing", n)} }
	if start != s.start && (start > s.expect || len(s.held) > 0) {
		// Another batch begins, so all before it was complete.
		if start > s.expect && len(s.found) == 0 {
			s.found = append(s.found, lacking(start-s.expect))
		}
		s.missing += max(start, s.expect) - s.expect
		s.expect = max(start, s.expect)
		s.settle()
	}
	if s.start = start; first > s.expect {
		if s.missing += first - s.expect; len(s.found) == 0 {
			s.found = append(s.found, lacking(first-s.expect))
		}
	}
	ends := flags[0]&groupEnds != 0
	if ends && first == start {
		for _, p := range s.found {
			s.problem(p) // it cost no record
		}
		s.found = s.found[:0]
		s.expect = first + s.batch(at, head.b)
		s.end, s.next = s.in.off, s.expect
		return
	}
	s.expect = first + countRecords(head.b)
	from := len(s.bytes)
	s.bytes = append(s.bytes, head.b...)
	s.held = append(s.held, heldOf{at, from, len(s.bytes)})
	s.heldEnd = s.in.off
	if ends && s.missing == 0 {
		s.settle()
	}
}

// settle applies what is held: it was complete once.
func (s *scanner) settle() {
	for _, h := range s.held {
		s.batch(h.at, s.bytes[h.from:h.to])
	}
	for _, p := range s.found {
		s.problem(p)
	}
	if s.lost += s.missing; len(s.held) > 0 {
		s.end = s.heldEnd
	}
	s.next = s.expect
	s.held, s.bytes, s.found, s.missing = s.held[:0], s.bytes[:0], s.found[:0], 0
}

// batch applies the records of a group and returns how many they are.
func (s *scanner) batch(at int64, records []byte) (n uint64) {
	x := body{b: records}
	for len(x.b) > 0 {
		kind := x.take(1)
		data := x.take(x.uint())
		n++
		if x.bad {
			s.problem(Problem{at, errRecord.Error()})
			return n
		}
		s.records++
		if err := s.apply(at, kind[0], data); err != nil {
			s.problem(Problem{at, err.Error()})
			s.lost++
		}
	}
	return n
}

// countRecords returns how many records there are in a group.
func countRecords(records []byte) (n uint64) {
	for x := (body{b: records}); len(x.b) > 0; n++ {
		x.take(1)
		x.take(x.uint())
	}
	return n
}

// diagnose reads the journal in f whole and says what is wrong with it: an error
// that wraps ErrForeign, ErrNewer or ErrCorrupt and a word for the name that the
// file gets; or an error and no word if it cannot be read. c is then what can be
// read, nil if nothing.
func diagnose(f *os.File, hash bool) (c *contents, why string, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, "", err
	}
	path, size := f.Name(), info.Size()
	head := make([]byte, headerSize)
	if n, err := f.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, "", err
	} else if format, version, ok := readHeader(head[:n]); ok && format > journalFormat {
		return nil, "newer", fmt.Errorf("%w: %s has format %d and was written by newterms %s, and this version reads format %d; run the newer version, or set another state path",
			ErrNewer, path, format, version, journalFormat)
	}
	if c, err = readContents(f, size, hash); err != nil {
		return nil, "", err
	}
	switch {
	case size == 0:
		return nil, "empty", fmt.Errorf("%w: %s is empty", ErrCorrupt, path)
	case c.format == 0 && c.records == 0:
		return nil, "foreign", fmt.Errorf("%w: %s", ErrForeign, path)
	case c.damaged():
		more := ""
		if n := len(c.problems) - 1 + c.more; n > 0 {
			more = fmt.Sprintf(", and %d more places", n)
		}
		return c, "damaged", fmt.Errorf("%w: %s: %v%s", ErrCorrupt, path, c.problems[0], more)
	}
	return c, "", nil
}
