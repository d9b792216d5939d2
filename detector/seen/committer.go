package seen

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// tablesKept is how long tuples are kept for rules that do not come for them.
const tablesKept = time.Minute

// committer writes what is in the queue, all of it in one batch, until Close.
// After an error it waits, longer each time, and tries again.
func (s *Store) committer() {
	defer close(s.stopped)
	defer s.folder.release()
	defer func() {
		s.io.Lock()
		defer s.io.Unlock()
		s.journal.close()
	}()
	late := time.NewTimer(tablesKept)
	defer late.Stop()
	backoff := s.opt.minBackoff
	for {
		quit := false
		select {
		case <-s.wake:
		case <-late.C:
			s.io.Lock()
			clear(s.tables)
			s.io.Unlock()
			continue
		case <-s.quit:
			quit = true
		}
		err := s.flush(quit)
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
func (s *Store) flush(last bool) error {
	s.mu.Lock()
	jobs := s.queue.take()
	records := make(map[string]ruleRecord)
	for _, j := range jobs {
		for _, id := range j.rules {
			if r := s.rules[id]; r != nil {
				records[id] = *r
			}
		}
	}
	alerts := s.outbox.bytes
	s.mu.Unlock()
	if len(jobs) == 0 {
		return nil
	}

	start := time.Now()
	s.io.Lock()
	note, err := s.write(jobs, records)
	s.journal.alerts = alerts
	size := s.journal.size
	s.io.Unlock()

	s.mu.Lock()
	was := s.failed
	s.stats.DiskBytes = size
	if s.failed = err; err == nil {
		s.done = jobs[len(jobs)-1].gen
		s.stats.Commits++
		s.stats.CommitTime += time.Since(start)
		if b := jobs[len(jobs)-1].batch; cap(b.arena) <= maxSpare {
			s.spare = &Batch{ops: b.ops, arena: b.arena}
		}
		s.queue.flight = nil
	} else {
		s.stats.Errors++
		s.queue.back()
	}
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()

	if note != "" {
		s.opt.Logf("%s", note)
	}
	switch {
	case err != nil && was == nil:
		s.opt.Logf("writing the state failed: %v; detection goes on from memory, and what is owed will be written when the disk is back", err)
	case err == nil && was != nil:
		s.opt.Logf("the state can be written again, and nothing is owed any more")
	}
	if err == nil && !last {
		s.compact()
	}
	return err
}

// write writes jobs to the journal, which is made anew first if it has to be.
// note says so. s.io is held.
func (s *Store) write(jobs []*job, records map[string]ruleRecord) (note string, err error) {
	if err = s.journal.ready(); errors.Is(err, errMoved) {
		note, err = s.rebuild()
	}
	if err != nil {
		return note, describe(err)
	}
	for _, j := range jobs {
		for i := range j.batch.ops {
			if len(s.tables) == 0 {
				break
			}
			delete(s.tables, j.batch.ops[i].rule)
		}
		for _, num := range j.drop {
			delete(s.tables, num)
		}
	}
	return note, describe(s.journal.append(func(w *batchWriter) error {
		return s.journal.encode(w, jobs, records)
	}))
}

// compact writes the journal anew if more than half of it is dead. If that
// fails, it stays in use.
func (s *Store) compact() {
	s.io.Lock()
	defer s.io.Unlock()
	j := s.journal
	if !j.wasteful() {
		return
	}
	err := s.rewrite()
	if err != nil {
		j.retryAt = j.size + j.size/4
		s.opt.Logf("compacting the state failed: %v; it stays as it is, and is compacted when it has grown by a quarter", describe(err))
		return
	}
	s.mu.Lock()
	s.stats.Compactions++
	s.stats.DiskBytes = j.size
	s.mu.Unlock()
}

// rewrite writes what is live in a sound journal to a new one. s.io is held.
func (s *Store) rewrite() error {
	f, done := s.journal.source()
	if f == nil {
		return errMoved
	}
	defer done()
	c, err := readContents(f, s.journal.size, false)
	if err != nil {
		return err
	}
	if c.damaged() {
		return fmt.Errorf("%w: %v; it is mended when newterms starts next", ErrCorrupt, c.problems[0])
	}
	return s.journal.install(c, f, "")
}

// rebuild makes the journal anew after a failed write, or where somebody
// removed, replaced or cut it: from what is known to be on disk, and from what
// is in memory whole, the rules and the alerts. note says what happened, unless
// it was only a failed write. s.io is held.
func (s *Store) rebuild() (note string, err error) {
	j := s.journal
	if err := s.opt.fault("rebuild"); err != nil {
		return "", err
	}
	path := s.folder.file(stateName)
	why, aside := "", ""
	_, folderErr := os.Lstat(s.folder.path)
	have, err := os.Lstat(path)
	switch {
	case err != nil:
		why = "was removed"
		if folderErr != nil {
			why = "was removed with its folder"
		}
	case !have.Mode().IsRegular():
		_, err := openFile(path, os.O_RDWR, 0)
		return "", notWritable(path, err)
	case j.info == nil || !os.SameFile(have, j.info):
		why, aside = "was replaced by another file", s.folder.aside(stateName, "replaced", s.opt.Clock())
	case have.Size() < j.size:
		why, aside = "was cut", s.folder.aside(stateName, "cut", s.opt.Clock())
	}
	if !s.folder.held() {
		if err := s.folder.hold(); err != nil {
			return "", err
		}
	}
	f, done := j.source()
	defer done()
	var c *contents
	if f != nil {
		if c, err = readContents(f, j.size, false); err != nil {
			return "", err
		}
		if c.damaged() && aside == "" {
			why, aside = "is damaged", s.folder.aside(stateName, "damaged", s.opt.Clock())
		}
	}
	if c == nil {
		c = &contents{scanned: &scanned{}, byNum: make(map[uint32]*ruleTable), alerts: make(map[uint64]OutboxEntry)}
	}
	s.complete(c)
	if err := j.install(c, f, aside); err != nil {
		return "", notWritable(path, err)
	}
	if why == "" {
		return "", nil
	}
	note = fmt.Sprintf("the journal %s %s while in use; it is made anew with %d tuples of %d rules and %d alerts", path, why, c.tuples(), len(c.rules()), len(c.alerts))
	if aside != "" {
		note += "; the other file is kept as " + aside
	}
	if c.lost > 0 || f == nil {
		note += "; tuples that it had and that are not in memory as a whole are lost and count as new"
	}
	return note, nil
}

// complete adds to what was read of a journal the rules and the alerts that are
// in memory.
func (s *Store) complete(c *contents) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if t := c.table(r.Num); t.record.ID == "" {
			t.record = *r
		}
	}
	for id, e := range s.outbox.entries {
		if _, ok := c.alerts[id]; !ok {
			c.alerts[id] = *e
		}
	}
	c.last.rule, c.last.alert = max(c.last.rule, s.nextNum), max(c.last.alert, s.outbox.nextID)
}
