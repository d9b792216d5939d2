package seen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Snapshot is a state as it was at one moment: the last committed transaction
// of a file that a running process may hold. bbolt itself cannot open such a
// file, since its lock is taken. Here it is read page by page, without a lock:
// a transaction never writes over pages of the one before it, so what was read
// is whole if no more than one transaction ended meanwhile; if more did, it is
// read again. Beyond that every value carries a checksum.
//
// A Snapshot keeps the file open; Close it.
type Snapshot struct {
	path string
	file *os.File
	exam *exam
	// Pid is the process that uses the state, 0 if none does.
	Pid int
}

// RuleInfo describes a rule of a Snapshot.
type RuleInfo struct {
	ID, Name, Fingerprint string
	Num                   uint32
	Fields                []string
	Meta                  RuleMeta
	Tuples                int
}

// Tuple is a tuple in plain terms.
type Tuple struct {
	Terms []any // string, int64, uint64, float64, bool or nil
	Sighting
	Raw []byte // the terms as AppendTerm writes them

	seq uint64
}

// maxReads is how often a file that changes underfoot is read.
const maxReads = 10

// Inspect reads the state in dir, which may be in use. A file with damage is
// returned with its problems as far as it can be read.
func Inspect(dir string) (*Snapshot, []Problem, error) {
	path := filepath.Join(dir, stateName)
	file, err := openFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("there is no state in %s: %w", dir, err)
	}
	if err != nil {
		return nil, nil, err
	}
	s := &Snapshot{path: path, file: file, Pid: holder(dir)}
	err = s.stable(func() error {
		x, why, err := diagnose(file, false)
		s.exam = x
		if why == "" || errors.Is(err, ErrCorrupt) && x != nil {
			if err != nil && x.f == nil {
				return err
			}
			if err != nil && len(x.problems) == 0 {
				x.problem(0, err.Error())
			}
			return nil
		}
		return err
	})
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return s, s.exam.problems, nil
}

// stable runs read until no transaction that could have got in its way ended
// meanwhile.
func (s *Snapshot) stable(read func() error) error {
	for range maxReads {
		before := s.txid()
		err := read()
		if s.txid() == before {
			return err
		}
	}
	return fmt.Errorf("%s changes too fast to be read; stop the process that uses it, or try again", s.path)
}

// txid returns the number of the last committed transaction.
func (s *Snapshot) txid() uint64 {
	f, err := openPages(s.file, 1<<62)
	if err != nil {
		return 0
	}
	return f.txid
}

// holder returns the process that holds the folder, 0 if none does.
func holder(dir string) int {
	f, err := openFile(filepath.Join(dir, lockName), os.O_RDONLY, 0)
	if err != nil {
		return 0
	}
	defer f.Close()
	if flock(f) == nil {
		return 0 // and closing it lets go again
	}
	return readPID(f)
}

// Close closes the file.
func (s *Snapshot) Close() error { return s.file.Close() }

// Rules returns the rules by ID.
func (s *Snapshot) Rules() []RuleInfo {
	var out []RuleInfo
	for id, r := range s.exam.rules {
		out = append(out, RuleInfo{
			ID: id, Name: r.Name, Fingerprint: r.Fingerprint, Num: r.Num,
			Fields: r.Fields, Meta: r.Meta, Tuples: s.exam.counts[r.Num],
		})
	}
	slices.SortFunc(out, func(a, b RuleInfo) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Outbox returns the undelivered alerts, oldest first.
func (s *Snapshot) Outbox() []OutboxEntry {
	var o outbox
	o.load(slices.Clone(s.exam.alerts), 0)
	return o.entries
}

// Tuples calls fn with each tuple of the rule with the given ID, in the order
// in which they were first stored. A tuple is valid until fn returns. Those
// whose checksum does not match are left out; Inspect has named them.
func (s *Snapshot) Tuples(id string, fn func(Tuple) error) error {
	r, ok := s.exam.rules[id]
	if !ok {
		return fmt.Errorf("the state knows no rule %q", id)
	}
	var tuples []Tuple
	err := s.stable(func() error {
		tuples = tuples[:0]
		info, err := s.file.Stat()
		if err != nil {
			return err
		}
		f, err := openPages(s.file, info.Size())
		if err != nil && !errors.Is(err, errTruncated) {
			return err
		}
		x := examineNothing(f)
		x.each(rawBucket{root: f.root}, 1, func(_ int, _ uint64, key, value []byte, flags uint32) {
			if string(key) != tupleBucketName(r.Num) {
				return
			}
			b, _ := parseBucket(value, flags)
			x.each(b, 1, func(_ int, _ uint64, key, value []byte, _ uint32) {
				p, err := openPack(key, value)
				for err == nil && p.next() {
					tuples = append(tuples, Tuple{Sighting: p.entry.sighting(), Raw: slices.Clone(p.entry.terms()), seq: p.seq})
				}
			})
		})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(tuples, func(a, b Tuple) int { return int(a.seq) - int(b.seq) })
	for i := range tuples {
		t := &tuples[i]
		if t.Terms, err = DecodeTerms(t.Raw); err != nil {
			return fmt.Errorf("rule %q: %w", id, err)
		}
		if err := fn(*t); err != nil {
			return err
		}
	}
	return nil
}

// Verify reads the whole state in dir, which may be in use, and says what is
// wrong with it.
func Verify(dir string) ([]Problem, error) {
	s, problems, err := Inspect(dir)
	if err != nil {
		return nil, err
	}
	return problems, s.Close()
}

// Forget deletes the tuples of a rule that match says true for, and returns how
// many. It refuses a state that is in use: the process that uses it has them in
// memory.
func Forget(dir, id string, match func(Tuple) bool) (n int, err error) {
	s, _, err := openExisting(dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	snap, _, err := Inspect(dir)
	if err != nil {
		return 0, err
	}
	defer snap.Close()
	var b Batch
	num := snap.exam.rules[id].Num
	err = snap.Tuples(id, func(t Tuple) error {
		if match(t) {
			b.del(num, t.seq)
			n++
		}
		return nil
	})
	if err != nil || n == 0 {
		return 0, err
	}
	ctx, cancel := s.deadline()
	defer cancel()
	return n, s.Commit(ctx, &b)
}

// Compact rewrites the state without the room that deleted tuples left, and
// returns its size before and after, in bytes. It refuses a state in use.
func Compact(dir string) (before, after int64, err error) {
	s, _, err := openExisting(dir)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	s.io.Lock()
	defer s.io.Unlock()
	f, err := openFile(s.folder.file(stateName), os.O_RDONLY, 0)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	x, _, err := diagnose(f, false)
	if err != nil {
		return 0, 0, err
	}
	s.closeFile()
	var r Report
	if err := s.create("", x, &r); err != nil {
		return x.f.size, x.f.size, notWritable(s.folder.file(stateName), err)
	}
	info, err := os.Lstat(s.folder.file(stateName))
	if err != nil {
		return x.f.size, 0, err
	}
	return x.f.size, info.Size(), nil
}

// openExisting opens a state to change it; it makes none.
func openExisting(dir string) (*Store, Report, error) {
	if _, err := os.Lstat(filepath.Join(dir, stateName)); err != nil {
		return nil, Report{}, fmt.Errorf("there is no state in %s: %w", dir, err)
	}
	return Open(dir, Options{OnCorrupt: Stop, noLoad: true})
}

// deadline is for commands, which may wait longer than a flush, not for ever.
func (s *Store) deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}
