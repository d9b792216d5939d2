package seen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// OnCorrupt says what Open does with a state file that it cannot use as it is.
type OnCorrupt uint8

// What to do.
const (
	Recover OnCorrupt = iota // move it aside, go on with what can be read back
	Stop                     // leave it alone and return an error
)

// Options of Open. The zero value is ready for use.
type Options struct {
	// ReadOnly reads the state as it is, takes no lock and writes nothing; the
	// state may be in use.
	ReadOnly  bool
	OnCorrupt OnCorrupt
	// MaxOutbox and MaxOutboxBytes bound the undelivered alerts, by default
	// 10,000 and 32 MiB. They are in memory as well as on disk, since alerts
	// must leave even when the disk has failed.
	MaxOutbox      int
	MaxOutboxBytes int64
	// CloseTimeout is how long Close tries to write what is owed, by default
	// five seconds.
	CloseTimeout time.Duration
	// Clock names files that are moved aside, by default time.Now.
	Clock func() time.Time
	// Logf says what happens in the background: the disk failed, it is back.
	Logf func(format string, args ...any)

	// noLoad: no tuples will be loaded, so none need be kept from the
	// examination.
	noLoad bool
	// fault is called before each step of the committer, for tests.
	fault func(step string) error
	// minBackoff and maxBackoff bound the wait between tries, for tests.
	minBackoff, maxBackoff time.Duration
}

// Errors that callers tell apart with errors.Is. What wraps them says what to
// do.
var (
	// From Open.
	ErrLocked      = errors.New("the state is in use")
	ErrNotWritable = errors.New("the state cannot be written")
	ErrForeign     = errors.New("the file is not a newterms state")
	ErrNewer       = errors.New("the state is of a newer version of newterms")
	ErrCorrupt     = errors.New("the state is damaged")

	// From Commit and Wait. After ErrPending and ErrOwed the batch is safe in
	// memory and will be written as soon as the disk allows.
	ErrPending = errors.New("the disk has not answered yet")
	ErrOwed    = errors.New("the disk failed; what it is owed is kept in memory")

	ErrClosed   = errors.New("the state is closed")
	ErrReadOnly = errors.New("the state is open for reading only")
)

// Report says what Open found and did, for the log.
type Report struct {
	Fresh  bool   // there was no state, or none that could be used
	Reason string // why the file found was not used as it is; empty if it was
	// MovedTo is where that file is now. It is never deleted.
	MovedTo string
	// Lost is how many values are known to be lost. It is a lower bound: what
	// was in a page that cannot be read is not counted.
	Lost     int
	Problems []Problem // the first of them
	Rules    int
	Tuples   int
	Alerts   int      // undelivered
	Notes    []string // what else the user should know
}

// RuleMeta is what the store keeps about a rule for its users. Times are unix
// ms, 0 for not yet.
type RuleMeta struct {
	LearningSince int64  `json:"learning_since,omitempty"`
	LearningUntil int64  `json:"learning_until,omitempty"`
	BaselineDone  int64  `json:"baseline_done,omitempty"`
	FirstMatch    int64  `json:"first_match,omitempty"`
	Alerts        uint64 `json:"alerts,omitempty"`
	// Excepted: the rule has, or had, exceptions, and a record of its own for
	// the tuples seen under them.
	Excepted bool   `json:"excepted,omitempty"`
	Extra    []byte `json:"extra,omitempty"` // opaque
}

// Store is a state folder in use. All its methods are safe for concurrent use.
type Store struct {
	opt    Options
	folder *folder // nil if nothing is kept on disk

	mu      sync.Mutex // held for moments, never over the disk
	rules   map[string]*ruleRecord
	nextNum uint32
	queue   []*job // not yet written, in order
	queued  int    // tuples in queue when it was last merged
	flight  []*job // being written
	spare   *Batch // one that was written, whose memory the next may have
	gen     uint64 // of the last job handed in
	done    uint64 // all jobs up to this are durable
	failed  error  // of the last try; nil while the disk works
	changed chan struct{}
	outbox  outbox
	stats   Stats
	closed  bool

	wake    chan struct{} // something is in queue; capacity 1
	quit    chan struct{} // Close was called
	stopped chan struct{} // the committer has ended

	io    sync.Mutex // held while the file is read or written
	db    *bolt.DB   // nil while it is out of order
	file  *os.File   // db's
	sizes map[uint32]int
	// examined has the tuples of the rules that were not loaded yet, as the
	// examination of the file found them, as long as they are what is in the
	// file, and for examinedFor at most. Guarded by io.
	examined map[uint32]*gathered

	// partial: the file was replaced while in use and lacks what is only in
	// memory. Guarded by io.
	partial bool
	// suspect is why bbolt could not write to a file with which nothing may be
	// wrong to the eye. It is then made anew, but once only: what fails again
	// is not the file. Guarded by io.
	suspect error
	rebuilt bool
}

// Open opens the state in the folder dir, which it makes if need be.
func Open(dir string, o Options) (*Store, Report, error) {
	o.defaults()
	s := newStore(o)
	var r Report
	if o.ReadOnly {
		return s.openReadOnly(dir)
	}
	d, err := holdFolder(dir, &r.Notes)
	if err != nil {
		return nil, r, err
	}
	s.folder = d
	if err := s.openState(&r); err != nil {
		s.closeFile()
		d.release()
		return nil, r, err
	}
	go s.committer()
	s.dropOrphans()
	return s, r, nil
}

// OpenMemory returns a Store that keeps nothing: alerts wait in memory, and
// what else is committed is let go.
func OpenMemory(o Options) *Store {
	o.defaults()
	s := newStore(o)
	close(s.stopped)
	return s
}

func newStore(o Options) *Store {
	s := &Store{
		opt:     o,
		rules:   make(map[string]*ruleRecord),
		changed: make(chan struct{}),
		wake:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
		stopped: make(chan struct{}),
		sizes:   make(map[uint32]int),
	}
	s.outbox.maxEntries, s.outbox.maxBytes = o.MaxOutbox, o.MaxOutboxBytes
	return s
}

func (o *Options) defaults() {
	if o.MaxOutbox <= 0 {
		o.MaxOutbox = 10_000
	}
	if o.MaxOutboxBytes <= 0 {
		o.MaxOutboxBytes = 32 << 20
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = 5 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	if o.fault == nil {
		o.fault = func(string) error { return nil }
	}
	if o.minBackoff <= 0 {
		o.minBackoff, o.maxBackoff = 100*time.Millisecond, 30*time.Second
	}
}

// openState makes sure that there is a sound state file and opens it. It is
// called with the folder held, by Open and again by the committer whenever the
// disk has failed.
func (s *Store) openState(r *Report) error {
	path := s.folder.file(stateName)
	f, err := openFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		r.Fresh = true
		if err := s.create("", nil, r); err != nil {
			return notWritable(path, err)
		}
		f, err = openFile(path, os.O_RDWR, 0)
	}
	if err != nil {
		return notWritable(path, err)
	}
	defer f.Close()
	// The rules come for their tuples next; not so when a file in use is opened
	// anew.
	keep := s.examined == nil && !s.opt.noLoad
	x, why, err := diagnose(f, keep)
	if err != nil && why == "" {
		return notWritable(path, err) // it cannot be read at all: leave it
	}
	if err == nil && s.suspect != nil {
		why, err = "damaged", s.suspect
	}
	if err != nil {
		if x, err = s.replace(x, why, err, r, keep); err != nil {
			return err
		}
	}
	s.suspect, s.rebuilt = nil, s.rebuilt || s.suspect != nil
	s.adopt(x, r)
	if s.examined = x.gathered; s.examined == nil {
		s.examined = make(map[uint32]*gathered)
	}
	if err := s.opt.fault("open"); err != nil {
		return err
	}
	return s.openBolt(path)
}

// openBolt hands an examined file to bbolt.
func (s *Store) openBolt(path string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	var file *os.File
	db, err := bolt.Open(path, 0o600, boltOptions(func(name string, flag int, perm fs.FileMode) (*os.File, error) {
		f, err := openFile(name, flag, perm)
		file = f
		return f, err
	}))
	if errors.Is(err, bolt.ErrTimeout) {
		return fmt.Errorf("%w: a process without our lock file has %s open; stop it", ErrLocked, path)
	}
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	s.db, s.file = db, file
	return nil
}

// adopt takes over what the examination of the state file found. What is
// already in memory is newer.
func (s *Store) adopt(x *exam, r *Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.gen == 0
	for id, rec := range x.rules {
		if _, ok := s.rules[id]; !ok {
			rec.ID = id
			s.rules[id] = &rec
		}
		s.nextNum = max(s.nextNum, rec.Num)
		r.Tuples += x.counts[rec.Num]
	}
	for num, n := range x.counts {
		s.sizes[num] = n
		s.nextNum = max(s.nextNum, num)
	}
	s.nextNum = max(s.nextNum, uint32(x.ruleSeq))
	r.Rules, r.Alerts = len(x.rules), len(x.alerts)
	if first {
		s.outbox.load(x.alerts, x.alertSeq)
	}
}

// diagnose reads a state file and says what is wrong with it: an error that
// wraps ErrForeign, ErrNewer or ErrCorrupt and a word for the name that the
// file gets; or an error and no word if the file could not be read.
//
// With keep the tuples are kept for Load.
func diagnose(f *os.File, keep bool) (x *exam, why string, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, "", err
	}
	pf, err := openPages(f, info.Size())
	path := f.Name()
	if err != nil && pf.otherVersion {
		return examineNothing(pf), "foreign", fmt.Errorf("%w: %s was written by another version of bbolt", ErrForeign, path)
	}
	if err != nil {
		switch {
		case info.Size() == 0:
			return examineNothing(pf), "empty", fmt.Errorf("%w: %s is empty", ErrCorrupt, path)
		case zeroed(pf):
			return examineNothing(pf), "zeroed", fmt.Errorf("%w: %s holds nothing but zeros", ErrCorrupt, path)
		case errors.Is(err, errTruncated):
			return examine(pf, false), "truncated", fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
		case !pf.hasMagic && !holdsValues(pf):
			return examineNothing(pf), "foreign", fmt.Errorf("%w: %s", ErrForeign, path)
		}
		return examineNothing(pf), "damaged", fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	}
	x = examine(pf, keep)
	switch {
	case x.version > formatVersion:
		return x, "newer", fmt.Errorf("%w: %s has format %d, this is %d: run the newer version, or use another state path",
			ErrNewer, path, x.version, formatVersion)
	case x.version == 0 && len(x.rules) == 0 && len(x.tuples) == 0 && !holdsValues(pf):
		return x, "foreign", fmt.Errorf("%w: %s is a bbolt database of something else", ErrForeign, path)
	case x.version == 0:
		x.problem(0, "the format record is gone")
	}
	if pf.oneMeta {
		// A page of the kind is written in one sector, so a crash does not
		// tear it. What it committed may be in pages that the other one
		// calls free.
		x.free = nil
		x.problem(0, "one of the two meta pages is broken")
	}
	if x.damaged() {
		return x, "damaged", fmt.Errorf("%w: %s: %v, and %d more", ErrCorrupt, path, x.problems[0], len(x.problems)-1+x.more)
	}
	return x, "", nil
}

// examineNothing is the examination of a file without a usable tree.
func examineNothing(f *pageFile) *exam { return &exam{f: f, reached: newPageSet(f.hwm)} }

// holdsValues reports whether anything in the file carries one of our sums.
func holdsValues(f *pageFile) bool {
	found := false
	examineNothing(f).eachWhole(func(key, value []byte) {
		if !found && len(value) >= valueHeader {
			_, err := payload(value[4], key, value)
			found = err == nil
		}
	})
	return found
}

// replace moves an unusable state file aside and puts a new one in its place,
// with what can be read back.
func (s *Store) replace(x *exam, why string, cause error, r *Report, keep bool) (*exam, error) {
	if s.opt.OnCorrupt == Stop {
		return nil, cause
	}
	path := s.folder.file(stateName)
	aside := s.folder.aside(why, s.opt.Clock())
	r.Reason, r.MovedTo, r.Fresh = cause.Error(), aside, true
	r.Problems, r.Lost = x.problems, x.values
	x.gathered = nil // the new file is read again
	from := x
	if errors.Is(cause, ErrForeign) || errors.Is(cause, ErrNewer) {
		from = nil
	}
	if err := s.create(aside, from, r); err != nil {
		return nil, notWritable(path, fmt.Errorf("%w (while replacing it: %w)", err, cause))
	}
	f, err := openFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, notWritable(path, err)
	}
	defer f.Close()
	x, _, err = diagnose(f, keep)
	return x, err
}

// create makes a state file, out of what from holds if it is not nil, and
// installs it.
func (s *Store) create(aside string, from *exam, r *Report) error {
	tmp := s.folder.file(newName)
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := build(tmp, openFile, func(w *builder) error {
		if from == nil {
			return nil
		}
		n, err := salvage(from, w)
		if n.rules+n.tuples+n.alerts > 0 {
			r.Fresh = false
		}
		r.Lost = max(r.Lost-n.repaired, 0)
		r.Notes = append(r.Notes, n.String())
		if n.orphans > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%d tuples belong to no rule that can be read", n.orphans))
		}
		return err
	})
	if err != nil {
		os.Remove(tmp)
		return err
	}
	return s.folder.install(aside)
}

// closeFile closes bbolt's file if it is open.
func (s *Store) closeFile() {
	if s.db == nil {
		return
	}
	db, file := s.db, s.file
	s.db, s.file = nil, nil
	defer func() {
		if recover() != nil {
			file.Close()
		}
	}()
	db.Close()
}

// Commit hands b to the store, which empties it, and waits until it is durable,
// in one transaction with what others commit at the same time. It returns nil
// if it is; ErrPending if ctx is done first; ErrOwed if the disk failed. In
// both cases nothing is lost as long as the process lives: the batch is written
// as soon as the disk allows.
func (s *Store) Commit(ctx context.Context, b *Batch) error {
	return s.Wait(ctx, s.Enqueue(b))
}
