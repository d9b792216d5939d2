package seen

import (
	"cmp"
	"context"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// touch is a later sighting of a tuple that is on disk. The terms are there,
// and stay.
type touch struct {
	seq uint64
	s   Sighting
}

// settled is what Settle writes of one rule.
type settled struct {
	rule    uint32
	touches []touch // by seq
}

// Settle writes the sightings that the memories hold and the disk does not,
// since refreshes are lazy, and notes that the rules' tuples on disk are exact:
// Load then takes them at their word. It is for the end: nothing may be
// observed after it, and Close comes next. What it could not write by the time
// ctx is done costs nothing but that word; see Load.
func (s *Store) Settle(ctx context.Context, memories ...*Memory) error {
	if s.folder == nil || s.opt.ReadOnly {
		return nil
	}
	j := &job{batch: &Batch{}}
	nums := make(map[uint32]bool)
	for _, m := range memories {
		nums[m.cfg.Rule] = true
		if touches := m.unwritten(); len(touches) > 0 {
			j.settle = append(j.settle, settled{m.cfg.Rule, touches})
		}
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
			r.Rev++
			s.rules[id] = &r
			j.rules = append(j.rules, id)
		}
	}
	t := s.hand(j)
	s.mu.Unlock()
	return s.Wait(ctx, t)
}

// unwritten returns the tuples that may have been seen since they were written,
// by sequence number: not those still in the cold, which have not been seen
// since they were read, nor those seen only once.
func (m *Memory) unwritten() []touch {
	var out []touch
	for seg := range m.each {
		for _, p := range seg.lru.Values() {
			if s := p.sighting(); s.Count > 1 {
				out = append(out, touch{p.seq(), s})
			}
		}
	}
	slices.SortFunc(out, func(a, b touch) int { return cmp.Compare(a.seq, b.seq) })
	return out
}

// settleTuples writes the touches of one rule. A tuple that already says so is
// left alone, and one that is not there stays away.
func settleTuples(tx *bolt.Tx, st *settled) error {
	b := tx.Bucket([]byte(tupleBucketName(st.rule)))
	if b == nil {
		return nil
	}
	w := newPackWriter(b, st.rule)
	for i := range st.touches {
		t := &st.touches[i]
		old, err := w.get(t.seq)
		if err != nil {
			return err
		}
		if old == nil {
			continue
		}
		s := old.sighting()
		if s.Last >= t.s.Last && s.First <= t.s.First && s.Count >= t.s.Count {
			continue
		}
		if err := w.put(t.seq, appendEntry(nil, s.Unite(t.s), old.terms())); err != nil {
			return err
		}
	}
	return w.flush()
}
