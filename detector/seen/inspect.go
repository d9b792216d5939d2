package seen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Snapshot is a state as it was at one moment: the complete batches of a journal
// that a running process may hold. It is read without a lock. A journal only
// grows, and one that is made anew is another file.
//
// A Snapshot keeps the file open; Close it.
type Snapshot struct {
	file     *os.File
	contents *contents
	// Pid is the process that uses the state, 0 if none does.
	Pid int
	// Version is the version of newterms that wrote the journal.
	Version string
	// Incomplete is how many bytes follow the last complete batch: of one that
	// is being written, or that a crash left.
	Incomplete int64
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

// Inspect reads the state in dir, which may be in use. A journal with damage is
// returned with its problems as far as it can be read.
func Inspect(dir string) (*Snapshot, []Problem, error) { return inspect(dir, false) }

func inspect(dir string, hash bool) (*Snapshot, []Problem, error) {
	file, err := openFile(filepath.Join(dir, stateName), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if old := filepath.Join(dir, oldName); exists(old) {
			return nil, nil, fmt.Errorf("%w, which this version does not read: %s", ErrOld, old)
		}
		return nil, nil, fmt.Errorf("there is no state in %s: %w", dir, err)
	}
	if err != nil {
		return nil, nil, err
	}
	s := &Snapshot{file: file, Pid: holder(dir)}
	info, err := file.Stat()
	if err == nil {
		var why string
		if s.contents, why, err = diagnose(file, hash); why == "damaged" {
			err = nil
		}
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	if s.contents.tail && s.Pid != 0 {
		// A batch that is being written.
		s.contents.problems = slices.DeleteFunc(s.contents.problems, func(p Problem) bool { return p.Offset >= s.contents.end })
	}
	s.Version = s.contents.version
	s.Incomplete = max(info.Size()-s.contents.end, 0)
	return s, s.contents.problems, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
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
	for _, t := range s.contents.rules() {
		r := &t.record
		out = append(out, RuleInfo{
			ID: r.ID, Name: r.Name, Fingerprint: r.Fingerprint, Num: r.Num,
			Fields: r.Fields, Meta: r.Meta, Tuples: t.rows.live,
		})
	}
	slices.SortFunc(out, func(a, b RuleInfo) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Outbox returns the undelivered alerts, oldest first.
func (s *Snapshot) Outbox() []OutboxEntry { return s.contents.outbox() }

// table returns what is known of the rule with the given ID.
func (s *Snapshot) table(id string) *ruleTable {
	for _, t := range s.contents.byNum {
		if t.record.ID == id {
			return t
		}
	}
	return nil
}

// Tuples calls fn with each tuple of the rule with the given ID, in the order
// in which they were first stored. A tuple is valid until fn returns.
func (s *Snapshot) Tuples(id string, fn func(Tuple) error) error {
	t := s.table(id)
	if t == nil {
		return fmt.Errorf("the state knows no rule %q", id)
	}
	return s.contents.terms(s.file, t, func(r *row, terms []byte) error {
		tuple := Tuple{Sighting: r.sighting(), Raw: slices.Clone(terms), seq: r.seq()}
		var err error
		if tuple.Terms, err = DecodeTerms(terms); err != nil {
			return fmt.Errorf("rule %q: %w", id, err)
		}
		return fn(tuple)
	})
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
