package remote

import (
	"time"

	"fluent-bit-newterms/detector/seen"
)

// background is the work that nobody waits for: probes, heartbeats, marks, and
// sending all that is known.
type background struct {
	*Store
	timer *time.Timer
	lazy  time.Time // when marks that are not urgent go
}

func (s *Store) run() {
	b := background{s, time.NewTimer(0), time.Now().Add(lazyTime)}
	defer b.timer.Stop()
	for b.wait() {
		b.work()
	}
}

// wait waits for something to do; false if the store closes.
func (b *background) wait() bool {
	select {
	case <-b.quit.Done():
		return false
	case <-b.wake:
	case <-b.timer.C:
	}
	return true
}

// work does what there is to do, and sets the timer. After a panic it goes on
// at the next heartbeat.
func (b *background) work() {
	defer func() {
		if v := recover(); v != nil {
			b.opt.Panicked("the work for the shared store", v)
			b.timer.Reset(heartbeat)
		}
	}()
	now := time.Now()
	b.mu.Lock()
	open, probeAt, beatAt := b.circuit.open, b.circuit.next, b.nextHB
	urgent, waiting := b.urgent, len(b.marks) > 0
	b.mu.Unlock()
	switch {
	case open && now.Before(probeAt):
		b.timer.Reset(probeAt.Sub(now))
		return
	case open || !now.Before(beatAt):
		if b.probe() != nil {
			b.timer.Reset(0)
			return
		}
		urgent = urgent || open
	}
	if waiting && (urgent || !now.Before(b.lazy)) {
		if b.flush() != nil {
			b.timer.Reset(0)
			return
		}
	}
	if !now.Before(b.lazy) {
		b.lazy = now.Add(lazyTime)
	}
	b.synchronise()
	b.mu.Lock()
	next := b.nextHB
	if len(b.marks) > 0 && b.lazy.Before(next) {
		next = b.lazy
	}
	b.mu.Unlock()
	b.timer.Reset(max(time.Until(next), 0))
}

// probe is a heartbeat, and the way back when the server was away.
func (s *Store) probe() error {
	_, replies, err := s.send(s.quit, []call{{beatScript, s.epochKey(), []any{newEpoch()}}})
	if err == nil {
		err, _ = replies[0].(error)
	}
	epoch, ok := "", false
	if err == nil {
		if epoch, ok = replies[0].(string); !ok || epoch == "" {
			err = errReply
		}
	}
	now := time.Now()
	if err != nil {
		s.mu.Lock()
		s.nextHB = now.Add(heartbeat)
		s.mu.Unlock()
		return s.failed(err)
	}
	s.arrived(epoch)
	s.mu.Lock()
	s.nextHB = now.Add(heartbeat)
	back := s.circuit.succeed(now)
	if back {
		// Part of a Cluster may have lost its memory without the epoch.
		s.resync = s.resync || s.config.topology == cluster
		s.forgetRecent(now)
		for _, m := range s.recent {
			s.queue(m.markKey, m.mark)
		}
		s.recent, s.urgent = s.recent[:0], true
	}
	queued := len(s.marks)
	s.mu.Unlock()
	if back {
		s.opt.Logf("shared store %s: it is back; %d tuples to tell it", s.config, queued)
		s.rouse()
	}
	return nil
}

// synchronise sends all that this node knows, if there is a reason to. It goes
// half of the time at most, so that the server has time for others.
func (s *Store) synchronise() {
	s.mu.Lock()
	due := s.resync && !s.circuit.open && !time.Now().Before(s.syncAt)
	s.resync = s.resync && !due
	s.syncing = due && s.opt.Known != nil
	begin := s.syncing
	s.mu.Unlock()
	if !begin {
		return
	}
	defer func() {
		s.mu.Lock()
		s.syncing = false
		s.mu.Unlock()
	}()
	var err error
	part := make([]recentMark, 0, batch)
	send := func() bool {
		began := time.Now()
		if err = s.sendMarks(part, false); err != nil {
			return false
		}
		part = part[:0]
		if s.urgentWaits() {
			err = s.flush()
		}
		return err == nil && s.sleep(time.Since(began))
	}
	known := s.opt.Known(func(r *Rule, terms []byte, x seen.Sighting) bool {
		x.Count = 0
		part = append(part, recentMark{markKey: markKey{r, r.Key(terms)}, mark: mark{x, r.Terms(terms)}})
		return len(part) < batch || send()
	})
	if err == nil && known == nil && len(part) > 0 {
		send()
	}
	if err != nil || known != nil {
		s.mu.Lock()
		s.resync, s.syncAt = true, time.Now().Add(heartbeat/2)
		s.mu.Unlock()
	}
	if known != nil {
		s.opt.Logf("shared store %s: what this node knows cannot be read and sent: %v", s.config, known)
	}
}

func (s *Store) urgentWaits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.urgent
}

// sleep waits; false if the store closes.
func (s *Store) sleep(d time.Duration) bool {
	select {
	case <-s.quit.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Close sends the marks that wait, for a time-out at most, and lets go of the
// server. What could not be sent is on the node's disk and is sent at the next
// start.
func (s *Store) Close() error {
	if s.up() {
		done := make(chan struct{})
		go func() { defer close(done); _ = s.flush() }()
		select {
		case <-done:
		case <-time.After(4 * s.config.timeout):
		}
	}
	s.stop()
	s.workers.Wait()
	return s.client.Close()
}
