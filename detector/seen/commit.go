package seen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// job is one batch on its way to the disk, with what the store adds to it.
type job struct {
	gen    uint64
	batch  *Batch
	rules  []string // records to write
	drop   []uint32 // rules whose tuples go
	settle []settled
}

// Ticket stands for a batch that was handed in.
type Ticket struct {
	gen uint64
	err error
}

// Stats is what a store has done and what it owes.
type Stats struct {
	Commits     uint64        // transactions written
	CommitTime  time.Duration // spent on them
	Errors      uint64        // tries that failed
	LastError   error         // of the last try; nil while the disk works
	OwedTuples  int           // writes of tuples that are not on disk
	OwedAlerts  int
	Outbox      int // undelivered alerts
	OutboxBytes int64
	Dropped     uint64 // alerts dropped from a full outbox
}

// Stats returns what the store has done so far.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.LastError = s.failed
	for _, jobs := range [][]*job{s.flight, s.queue} {
		for _, j := range jobs {
			st.OwedTuples += len(j.batch.ops)
			st.OwedAlerts += len(j.batch.alerts)
		}
	}
	st.Outbox, st.OutboxBytes, st.Dropped = s.outbox.live, s.outbox.bytes, s.outbox.dropped
	return st
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
	first, n := s.outbox.nextID+1, len(b.alerts)
	for i := range b.alerts {
		for _, id := range s.outbox.add(&b.alerts[i]) {
			b.acks = append(b.acks, id)
		}
	}
	for _, id := range b.acks {
		s.outbox.remove(id)
	}
	j := &job{batch: b.take(s.spare)}
	s.spare = nil
	b.firstID, b.ids = first, n
	for _, m := range j.batch.metas {
		for id, r := range s.rules {
			if r.Num == m.rule {
				r.Meta = m.meta
				r.Rev++
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
	s.queue = append(s.queue, j)
	s.queued += len(j.batch.ops)
	s.foldQueue()
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

// examinedFor is how long tuples are kept for rules that do not come for them.
const examinedFor = time.Minute

// committer writes what is in the queue, all of it in one transaction, until
// Close; after an error it waits, longer each time, and tries again with the
// file opened anew.
func (s *Store) committer() {
	defer close(s.stopped)
	defer s.folder.release()
	defer func() {
		s.io.Lock()
		defer s.io.Unlock()
		s.closeFile()
	}()
	late := time.NewTimer(examinedFor)
	defer late.Stop()
	backoff := s.opt.minBackoff
	for {
		quit := false
		select {
		case <-s.wake:
		case <-late.C:
			s.io.Lock()
			clear(s.examined)
			s.io.Unlock()
			continue
		case <-s.quit:
			quit = true
		}
		err := s.flush()
		if quit {
			return
		}
		if err == nil {
			backoff = s.opt.minBackoff
			continue
		}
		timer := time.NewTimer(backoff)
		select {
		case <-timer.C:
		case <-s.quit: // one last try, at once
		}
		timer.Stop()
		backoff = min(backoff*2, s.opt.maxBackoff)
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// flush writes what is in the queue.
func (s *Store) flush() error {
	s.mu.Lock()
	s.flight, s.queue, s.queued = s.queue, nil, 0
	jobs := s.flight
	records := make(map[string]ruleRecord)
	for _, j := range jobs {
		for _, id := range j.rules {
			if r := s.rules[id]; r != nil {
				records[id] = *r
			}
		}
	}
	last := uint64(s.nextNum)
	s.mu.Unlock()
	if len(jobs) == 0 {
		return nil
	}

	start := time.Now()
	s.io.Lock()
	var r Report
	err := s.reopen(&r)
	if err == nil {
		write := jobs
		if s.partial = s.partial || r.Reason != "" || r.Fresh; s.partial {
			var all *job
			all, records = s.everything()
			write = append([]*job{all}, jobs...)
		}
		s.outdate(write)
		switch err = s.write(write, records, last); {
		case err == nil:
			s.partial = false
		case errors.Is(err, ErrCorrupt) && !s.rebuilt:
			s.suspect = err
		}
	}
	if err != nil {
		s.closeFile() // trust nothing that a failed write left behind
	}
	s.io.Unlock()

	s.mu.Lock()
	was := s.failed
	if s.failed = err; err == nil {
		s.done = jobs[len(jobs)-1].gen
		s.stats.Commits++
		s.stats.CommitTime += time.Since(start)
		if b := jobs[len(jobs)-1].batch; cap(b.arena) <= maxSpare {
			s.spare = &Batch{ops: b.ops, arena: b.arena}
		}
	} else {
		s.stats.Errors++
		s.queue = append(jobs, s.queue...)
		for _, j := range jobs {
			s.queued += len(j.batch.ops)
		}
	}
	s.flight = nil
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()

	switch {
	case r.Reason != "":
		s.opt.Logf("the state file was replaced while in use: %s; the old one is %s; %d tuples could be read back", r.Reason, r.MovedTo, r.Tuples)
	case r.Fresh:
		s.opt.Logf("the state file was gone and is made anew")
	}
	switch {
	case err != nil && was == nil:
		s.opt.Logf("writing the state failed: %v; detection goes on from memory, and what is owed will be written when the disk is back", err)
	case err == nil && was != nil:
		s.opt.Logf("the state can be written again, nothing is owed any more")
	}
	return err
}

// outdate lets go of what the examination found of rules whose tuples are about
// to change.
func (s *Store) outdate(jobs []*job) {
	for _, j := range jobs {
		if len(s.examined) == 0 {
			return
		}
		for i := range j.batch.ops {
			delete(s.examined, j.batch.ops[i].rule)
		}
		for _, num := range j.drop {
			delete(s.examined, num)
		}
		for i := range j.settle {
			delete(s.examined, j.settle[i].rule)
		}
	}
}

// reopen makes sure that the file is open and still the one in the folder, of
// its full size: what bbolt would find out by way of a signal.
func (s *Store) reopen(r *Report) error {
	path := s.folder.file(stateName)
	if s.db != nil {
		have, err := s.file.Stat()
		if err != nil {
			return err
		}
		want, err := os.Lstat(path)
		if err == nil && os.SameFile(have, want) && have.Size() >= s.least() {
			return nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			s.relink(r)
		}
		s.closeFile()
	}
	if err := s.opt.fault("reopen"); err != nil {
		return err
	}
	return s.openState(r)
}

// relink makes a state file anew out of the one that was removed, which lives
// on behind its descriptor.
func (s *Store) relink(r *Report) {
	x, _, err := diagnose(s.file, false)
	if err == nil {
		err = s.create("", x, r)
	}
	if err != nil {
		s.opt.Logf("the state file was removed while in use and cannot be made anew from what is open: %v", err)
		return
	}
	s.opt.Logf("the state file was removed while in use; it is back, made from what was open")
}

// everything returns a job that writes again what is in memory whole: rules and
// undelivered alerts. A new file in the place of a lost one needs it.
func (s *Store) everything() (*job, map[string]ruleRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	records := make(map[string]ruleRecord, len(s.rules))
	for id, r := range s.rules {
		records[id] = *r
	}
	return &job{batch: &Batch{alerts: s.outbox.after(0, -1, nil)}}, records
}

// least returns the size that the file must have at least: what its last
// transaction uses.
func (s *Store) least() int64 {
	f, err := openPages(s.file, 1<<62)
	if err != nil {
		return 1 << 62
	}
	return int64(f.hwm) * int64(f.pageSize)
}

// write runs the one transaction. A panic of bbolt, which is how it says that a
// page is not what it should be, becomes an error.
func (s *Store) write(jobs []*job, records map[string]ruleRecord, lastNum uint64) (err error) {
	var tx *bolt.Tx
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
		if err != nil && tx != nil {
			s.abandon(tx)
		}
	}()
	if err := s.opt.fault("begin"); err != nil {
		return err
	}
	if tx, err = s.db.Begin(true); err != nil {
		return err
	}
	if err := s.apply(tx, jobs, records, lastNum); err != nil {
		return err
	}
	if err := s.opt.fault("commit"); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return s.opt.fault("committed")
}

// abandon rolls a failed transaction back. Where even that panics, bbolt's
// write lock stays taken for good, so the database is let go without closing
// it; the lock on its file goes with the descriptor.
func (s *Store) abandon(tx *bolt.Tx) {
	defer func() {
		if recover() != nil {
			syscall.Close(int(s.file.Fd()))
			s.db, s.file = nil, nil
		}
	}()
	if err := tx.Rollback(); err != nil && !errors.Is(err, bolt.ErrTxClosed) {
		s.opt.Logf("rolling a transaction back: %v", err)
	}
}

// dropOrphans has tuple buckets that no rule refers to any more deleted.
func (s *Store) dropOrphans() {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := make(map[uint32]bool)
	for _, r := range s.rules {
		used[r.Num] = true
	}
	var drop []uint32
	for num := range s.sizes {
		if !used[num] {
			drop = append(drop, num)
			delete(s.sizes, num)
		}
	}
	if len(drop) > 0 {
		s.hand(&job{batch: &Batch{}, drop: drop})
	}
}

// Close writes what is owed, for CloseTimeout at most, and gives the folder
// back. If the disk does not answer in that time, the file stays locked until
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
