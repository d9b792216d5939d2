package remote

import (
	"time"

	"fluent-bit-newterms/detector/seen"
)

// markKey names a mark: equal tuples wait in one.
type markKey struct {
	rule *Rule
	key  Key
}

// mark is a tuple to be noted as seen. Count is what to add to the server's.
type mark struct {
	seen.Sighting
	terms []Key
}

type recentMark struct {
	markKey
	mark
	at time.Time
}

// Mark notes that a tuple is seen, once the server can be reached: urgent ones,
// that is, those whose claim is to end, at once. It does not wait. Count is how
// many sightings are to be added; a claim has counted its own.
func (s *Store) Mark(urgent bool, reqs ...Request) {
	if len(reqs) == 0 {
		return
	}
	s.mu.Lock()
	for i := range reqs {
		r := &reqs[i]
		s.queue(markKey{r.Rule, r.Key}, mark{r.Sighting, r.Terms})
	}
	s.urgent = s.urgent || urgent
	s.mu.Unlock()
	if urgent {
		s.rouse()
	}
}

// queue adds a mark to those that wait. s.mu is held.
func (s *Store) queue(k markKey, x mark) {
	old, ok := s.marks[k]
	switch {
	case ok:
		x.Sighting = seen.Sighting{First: min(x.First, old.First), Last: max(x.Last, old.Last), Count: x.Count + old.Count}
	case len(s.marks) >= maxQueue:
		// It is on this node's disk: everything there will be sent.
		s.stats.Dropped++
		s.resync = true
		return
	}
	s.marks[k] = x
}

// take removes up to a batch of marks from the queue.
func (s *Store) take() []recentMark {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []recentMark
	for k, m := range s.marks {
		if len(out) == batch {
			return out
		}
		out = append(out, recentMark{markKey: k, mark: m})
		delete(s.marks, k)
	}
	s.urgent = false
	return out
}

// flush sends the marks that wait. On an error they wait on.
func (s *Store) flush() error {
	for {
		marks := s.take()
		if len(marks) == 0 {
			return nil
		}
		if err := s.sendMarks(marks, true); err != nil {
			s.mu.Lock()
			for _, m := range marks {
				s.queue(m.markKey, m.mark)
			}
			s.mu.Unlock()
			return err
		}
	}
}

// sendMarks sends one pipeline of marks. remember keeps them to be sent again
// after trouble.
func (s *Store) sendMarks(marks []recentMark, remember bool) error {
	calls := make([]call, len(marks))
	for i, m := range marks {
		calls[i] = call{markScript, m.rule.name(m.key), []any{clamp(m.First), clamp(m.Last), m.Count, m.rule.ttl(), m.rule.window, m.rule.grain}}
	}
	for _, m := range marks {
		for _, k := range m.terms {
			calls = append(calls, call{nil, m.rule.termName(k), []any{m.rule.ttl()}})
		}
	}
	epoch, replies, err := s.send(s.quit, calls)
	for _, reply := range replies {
		if e, ok := reply.(error); ok && err == nil {
			err = e
		}
	}
	if err != nil {
		return s.failed(err)
	}
	s.arrived(epoch)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Marks += uint64(len(marks))
	if remember {
		s.forgetRecent(now)
		for _, m := range marks {
			m.at, m.Count = now, 0
			s.recent = append(s.recent, m)
		}
	}
	return nil
}

// forgetRecent drops marks that are not recent any more. s.mu is held.
func (s *Store) forgetRecent(now time.Time) {
	n := max(len(s.recent)-maxRecent, 0)
	for n < len(s.recent) && now.Sub(s.recent[n].at) > recentTime {
		n++
	}
	s.recent = append(s.recent[:0], s.recent[n:]...)
}
