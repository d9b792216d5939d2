package seen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// Store is a state folder in use. All its methods are safe for concurrent use.
// It hands batches to its committer and keeps what must not wait for the disk:
// the rules and the outbox.
type Store struct {
	opt    Options
	folder *folder // nil if nothing is kept on disk

	mu      sync.Mutex // held for moments, never over the disk
	rules   map[string]*ruleRecord
	nextNum uint32
	queue   queue
	spare   *Batch // one that was written, whose memory the next may have
	gen     uint64 // of the last job handed in
	done    uint64 // all jobs up to this are durable
	failed  error  // of the last try; nil while the disk works
	changed chan struct{}
	outbox  outbox
	stats   Stats
	closed  bool

	wake    chan struct{} // something is in the queue; capacity 1
	quit    chan struct{} // Close was called
	stopped chan struct{} // the committer has ended

	io      sync.Mutex // held while the journal is read or written
	journal *journal
	// tables has the tuples of the rules that were not loaded yet, as Open
	// read them, for tablesKept at most. Guarded by io.
	tables map[uint32]*ruleTable
}

// Open opens the state in the folder dir, which it makes if need be.
func Open(dir string, o Options) (*Store, Report, error) {
	o.defaults()
	s := newStore(o)
	var r Report
	if o.ReadOnly {
		return s.openReadOnly(dir)
	}
	surviveFileSize()
	d, err := holdFolder(dir, &r.Notes)
	if err != nil {
		return nil, r, err
	}
	s.folder = d
	s.journal = newJournal(d, &s.opt)
	if err := s.openJournal(&r); err != nil {
		s.journal.close()
		d.release()
		return nil, r, err
	}
	go s.committer()
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
	return &Store{
		opt:     o,
		rules:   make(map[string]*ruleRecord),
		changed: make(chan struct{}),
		wake:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
		stopped: make(chan struct{}),
		outbox:  newOutbox(o.MaxOutbox, o.MaxOutboxBytes),
	}
}

// openReadOnly reads the state as it is, which may be in use.
func (s *Store) openReadOnly(dir string) (*Store, Report, error) {
	var r Report
	snap, problems, err := inspect(dir, true)
	if err != nil {
		return nil, r, err
	}
	defer snap.Close()
	if len(problems) > 0 {
		return nil, r, fmt.Errorf("%w: %s: %v", ErrCorrupt, snap.file.Name(), problems[0])
	}
	s.folder = &folder{path: dir}
	s.adopt(snap.contents, &r)
	close(s.stopped)
	return s, r, nil
}

// openJournal makes sure that there is a sound journal and takes it into use.
func (s *Store) openJournal(r *Report) error {
	path := s.folder.file(stateName)
	f, err := openFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		r.Fresh = true
		if err := s.leaveOld(r); err != nil {
			return err
		}
		if err := s.journal.install(nil, nil, ""); err != nil {
			return notWritable(path, err)
		}
		s.tables = make(map[uint32]*ruleTable)
		return nil
	}
	if err != nil {
		return notWritable(path, err)
	}
	c, why, err := diagnose(f, true)
	if err != nil {
		defer f.Close()
		if why == "" {
			return notWritable(path, err) // it cannot be read at all: leave it
		}
		return s.replace(c, f, why, err, r)
	}
	info, err := f.Stat()
	if err == nil && info.Size() > c.end {
		// What a crash left of a batch that nobody was told of.
		r.Notes = append(r.Notes, fmt.Sprintf("the last %d bytes of %s were not complete and are cut off, as after a crash", info.Size()-c.end, path))
		if err = f.Truncate(c.end); err == nil {
			err = f.Sync()
		}
	}
	if err == nil {
		err = s.journal.use(f, c)
	}
	if err != nil {
		f.Close()
		return notWritable(path, err)
	}
	s.adopt(c, r)
	return nil
}

// leaveOld moves a state of version 1 aside.
func (s *Store) leaveOld(r *Report) error {
	path := s.folder.file(oldName)
	if _, err := os.Lstat(path); err != nil {
		return nil
	}
	err := fmt.Errorf("%w, which this version does not read: %s; make a baseline from old logs with newterms learn, or let the rules learn anew", ErrOld, path)
	if s.opt.OnCorrupt == Stop {
		return fmt.Errorf("%w; then move the file away", err)
	}
	aside := s.folder.aside(oldName, "version-1", s.opt.Clock())
	if err := os.Rename(path, aside); err != nil {
		return notWritable(path, err)
	}
	r.Reason, r.MovedTo = err.Error(), aside
	return nil
}

// replace moves an unusable journal aside and puts a new one in its place, with
// what can be read of it.
func (s *Store) replace(c *contents, f *os.File, why string, cause error, r *Report) error {
	if s.opt.OnCorrupt == Stop {
		return cause
	}
	path := s.folder.file(stateName)
	aside := s.folder.aside(stateName, why, s.opt.Clock())
	r.Reason, r.MovedTo, r.Fresh = cause.Error(), aside, c == nil || c.records == 0
	if c != nil {
		r.Problems, r.Lost = c.problems, int(c.lost)
		if n := c.orphans(); n > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%d tuples belong to no rule that can be read", n))
		}
	}
	if err := s.journal.install(c, f, aside); err != nil {
		return notWritable(path, fmt.Errorf("%w (while replacing it: %w)", err, cause))
	}
	if c == nil {
		c = &contents{}
	}
	s.adopt(c, r)
	return nil
}

// adopt takes over what was read at the start.
func (s *Store) adopt(c *contents, r *Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables = make(map[uint32]*ruleTable)
	for _, t := range c.rules() {
		record := t.record // a copy: the table goes once it is loaded
		s.rules[record.ID] = &record
		s.tables[t.record.Num] = t
		r.Rules++
		r.Tuples += t.rows.live
	}
	s.nextNum = c.last.rule
	r.Alerts = len(c.alerts)
	s.outbox.load(c.outbox(), c.last.alert)
}

// Commit hands b to the store, which empties it, and waits until it is durable,
// in one write with what others commit at the same time. It returns nil if it
// is; ErrPending if ctx is done first; ErrOwed if the disk failed. In both cases
// nothing is lost as long as the process lives: the batch is written as soon as
// the disk allows.
func (s *Store) Commit(ctx context.Context, b *Batch) error {
	return s.Wait(ctx, s.Enqueue(b))
}

// Ticket stands for a batch that was handed in.
type Ticket struct {
	gen uint64
	err error
}

// Enqueue hands b to the store and empties it. It does not touch the disk, so
// it may be called under the lock that guards the memories, which makes the
// order of writes the order of decisions; Wait for the disk outside of it.
func (s *Store) Enqueue(b *Batch) Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Ticket{err: ErrClosed}
	}
	if s.opt.ReadOnly {
		return Ticket{err: ErrReadOnly}
	}
	if b.Empty() {
		return Ticket{} // nothing new: nothing to wait for
	}
	b.firstID, b.ids = s.outbox.nextID+1, 0
	for _, id := range b.acks {
		s.outbox.remove(id)
	}
	s.outbox.admit(b)
	first, n := b.firstID, b.ids
	j := &job{batch: b.take(s.spare)}
	s.spare = nil
	b.firstID, b.ids = first, n
	for _, m := range j.batch.metas {
		for id, r := range s.rules {
			if r.Num == m.rule {
				r.Meta = m.meta
				j.rules = append(j.rules, id)
			}
		}
	}
	return s.hand(j)
}

// hand puts a job in the queue. s.mu is held.
func (s *Store) hand(j *job) Ticket {
	if s.folder == nil {
		return Ticket{gen: s.gen}
	}
	s.gen++
	j.gen = s.gen
	s.queue.add(j)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return Ticket{gen: j.gen}
}

// Wait waits until the batch behind t, and all before it, are durable. See
// Commit for what it returns.
func (s *Store) Wait(ctx context.Context, t Ticket) error {
	if t.err != nil {
		return t.err
	}
	for {
		s.mu.Lock()
		done, failed, changed := s.done >= t.gen, s.failed, s.changed
		s.mu.Unlock()
		if done {
			return nil
		}
		if failed != nil {
			return fmt.Errorf("%w: %w", ErrOwed, failed)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrPending, ctx.Err())
		case <-s.stopped:
			s.mu.Lock()
			done = s.done >= t.gen
			s.mu.Unlock()
			if done {
				return nil
			}
			return ErrClosed
		}
	}
}

// Full returns nil as long as the store can take more. If what it owes to a disk
// that fails, or is slow, has reached its bound, the error wraps ErrFull: the
// caller must not decide about more events, and tries again later.
func (s *Store) Full() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _, bytes := s.queue.owed()
	switch {
	case bytes < s.opt.MaxOwedBytes:
		return nil
	case s.failed != nil:
		return fmt.Errorf("%w: %d bytes are owed: %w", ErrFull, bytes, s.failed)
	}
	return fmt.Errorf("%w: %d bytes are owed, and the disk is slow", ErrFull, bytes)
}

// Stats is what a store has done and what it owes.
type Stats struct {
	Commits     uint64        // batches written
	CommitTime  time.Duration // spent on them
	Compactions uint64
	Errors      uint64 // tries that failed
	LastError   error  // of the last try; nil while the disk works
	OwedTuples  int    // writes of tuples that are not on disk
	OwedAlerts  int
	OwedBytes   int64
	DiskBytes   int64 // size of the journal
	Outbox      int   // undelivered alerts
	OutboxBytes int64
	Dropped     uint64 // alerts that the full outbox gave up
	Shortened   uint64 // alerts whose document it shortened
}

// Stats returns what the store has done so far.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.LastError = s.failed
	st.OwedTuples, st.OwedAlerts, st.OwedBytes = s.queue.owed()
	st.Outbox, st.OutboxBytes = len(s.outbox.entries), s.outbox.bytes
	st.Dropped, st.Shortened = s.outbox.dropped, s.outbox.shortened
	return st
}

// RuleOptions describe a rule to Store.Rule.
type RuleOptions struct {
	// Fingerprint stands for what decides which tuples the rule has: its query
	// and its fields. When it changes, what was learned no longer applies.
	Fingerprint string
	Name        string
	Fields      []string // the names of the terms, for people
}

// RuleState is a rule as the store knows it.
type RuleState struct {
	ID   string
	Num  uint32 // stands for the rule in batches; never used twice in a folder
	Meta RuleMeta
	// Fresh: nothing is known of the rule, because it is new or because its
	// fingerprint changed.
	Fresh              bool
	FingerprintChanged bool

	settled bool // what is on disk was exact when the rule was taken up
}

// maxRuleID bounds the ID of a rule, in bytes.
const maxRuleID = 1024

// Rule returns what is known of the rule id, and makes a record for it if it is
// new. If its fingerprint changed, a new memory is started: what the old one
// held is forgotten, and its metadata with it. The record goes to disk with the
// next commit or by itself; Rule does not wait for it.
func (s *Store) Rule(id string, o RuleOptions) (RuleState, error) {
	if id == "" || len(id) > maxRuleID {
		return RuleState{}, fmt.Errorf("a rule's ID must have 1 to %d bytes, this has %d", maxRuleID, len(id))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return RuleState{}, ErrClosed
	}
	st := RuleState{ID: id}
	old := s.rules[id]
	if old != nil && old.Fingerprint == o.Fingerprint {
		st.Num, st.Meta, st.settled = old.Num, old.Meta, old.Settled
		if !s.opt.ReadOnly && (old.Settled || old.Name != o.Name || !slices.Equal(old.Fields, o.Fields)) {
			r := *old
			r.Name, r.Fields = o.Name, slices.Clone(o.Fields)
			r.Settled = false // from here on, there may be sightings that are not on disk
			s.rules[id] = &r
			s.hand(&job{batch: &Batch{}, rules: []string{id}})
		}
		return st, nil
	}
	st.Fresh, st.FingerprintChanged = true, old != nil
	if s.opt.ReadOnly {
		return st, nil
	}
	s.nextNum++
	st.Num = s.nextNum
	s.rules[id] = &ruleRecord{
		ID: id, Num: st.Num, Name: o.Name, Fields: slices.Clone(o.Fields), Fingerprint: o.Fingerprint,
	}
	j := &job{batch: &Batch{}, rules: []string{id}}
	if old != nil {
		j.drop = []uint32{old.Num}
	}
	s.hand(j)
	return st, nil
}

// Load fills m with the rule's tuples, in the order in which they were last
// seen, and returns how many it holds then. What does not fit is forgotten on
// disk, least recently seen first. m must be empty, and nothing may be observed
// in it before.
//
// Refreshes are lazy, so after a crash a tuple may have been seen up to a
// refresh grain later than the disk knows. Unless the state was settled, a tuple
// therefore stays known for that much longer when it is first seen again: it
// must not alert inside its window because of a crash.
func (s *Store) Load(rule RuleState, m *Memory) (int, error) {
	m.cfg.Rule = rule.Num
	if s.folder == nil || rule.Fresh {
		return 0, nil
	}
	s.io.Lock()
	defer s.io.Unlock()
	t := s.tables[rule.Num]
	delete(s.tables, rule.Num)
	if t == nil {
		var err error
		if t, err = s.readTable(rule.Num); err != nil {
			return 0, err
		}
	}
	if err := s.addOwed(rule.Num, t); err != nil {
		return 0, err
	}
	m.slack = m.grain
	if rule.settled {
		m.slack = 0
	}
	var b Batch
	m.restore(t, &b)
	if !b.Empty() && !s.opt.ReadOnly {
		s.Enqueue(&b)
	}
	return m.Len(), nil
}

// readTable reads a rule's tuples from the journal. s.io is held.
func (s *Store) readTable(num uint32) (*ruleTable, error) {
	f, err := openFile(s.folder.file(stateName), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, _, err := diagnose(f, true)
	if err != nil {
		return nil, err
	}
	if t := c.byNum[num]; t != nil {
		return t, nil
	}
	return &ruleTable{}, nil
}

// addOwed adds to a table what is not on disk yet. s.io is held, so the disk is
// still; but the committer may have taken a batch in hand and be waiting for
// s.io, too.
func (s *Store) addOwed(rule uint32, t *ruleTable) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	for j := range s.queue.each {
		for i := range j.batch.ops {
			op := &j.batch.ops[i]
			if op.rule != rule {
				continue
			}
			if op.kind == opNew {
				t.rows.add(newRow(op.seq, op.s, j.batch.terms(op), true))
				t.seq = max(t.seq, op.seq)
				continue
			}
			r := t.rows.find(op.seq)
			switch {
			case r == nil:
			case op.kind == opForget:
				t.rows.forget(r)
			default:
				r.see(op.s)
			}
		}
	}
	return nil
}

// FlushLastSeen writes the sightings that the memories hold and the disk does
// not, since refreshes are lazy, and notes that the rules' tuples on disk are
// exact: Load then takes them at their word. It is for the end: nothing may be
// observed after it, and Close comes next. What it could not write by the time
// ctx is done costs nothing but that word; see Load.
func (s *Store) FlushLastSeen(ctx context.Context, memories ...*Memory) error {
	if s.folder == nil || s.opt.ReadOnly {
		return nil
	}
	j := &job{batch: &Batch{}}
	nums := make(map[uint32]bool)
	for _, m := range memories {
		nums[m.cfg.Rule] = true
		m.flushLastSeen(j.batch)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	for id, r := range s.rules {
		if nums[r.Num] && !r.Settled {
			r := *r
			r.Settled = true
			s.rules[id] = &r
			j.rules = append(j.rules, id)
		}
	}
	t := s.hand(j)
	s.mu.Unlock()
	return s.Wait(ctx, t)
}

// Close writes what is owed, for CloseTimeout at most, and gives the folder
// back. If the disk does not answer in that time, the folder stays locked until
// it does, and the error says what was not written.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.quit)
	timer := time.NewTimer(s.opt.CloseTimeout)
	defer timer.Stop()
	var hung bool
	select {
	case <-s.stopped:
	case <-timer.C:
		hung = true
	}
	st := s.Stats()
	switch {
	case s.folder == nil:
		return nil
	case hung:
		return fmt.Errorf("%w: closing the state: %d tuples and %d alerts are not written", ErrPending, st.OwedTuples, st.OwedAlerts)
	case st.OwedTuples+st.OwedAlerts > 0:
		return fmt.Errorf("%w: closing the state: %d tuples and %d alerts are lost: %w", ErrOwed, st.OwedTuples, st.OwedAlerts, st.LastError)
	}
	return nil
}
