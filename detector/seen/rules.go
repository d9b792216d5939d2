package seen

import (
	"fmt"
	"slices"
)

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

// maxRuleID bounds what is used as a key.
const maxRuleID = 1024

// Rule returns what is known of the rule id, and makes a record for it if it is
// new. If its fingerprint changed, a new memory is started: what the old one
// held is deleted in the background, and its metadata with it. The record goes
// to disk with the next commit or by itself; Rule does not wait for it.
func (s *Store) Rule(id string, o RuleOptions) (RuleState, error) {
	if id == "" || len(id) > maxRuleID || id == keyRule {
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
			r.Rev++
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
		delete(s.sizes, old.Num)
	}
	s.hand(j)
	return st, nil
}

// Load fills m with the rule's tuples, in the order in which they were last
// seen, and returns how many it holds then. What does not fit is deleted from
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
	owed, err := s.owed(rule.Num)
	if err != nil {
		return 0, err
	}
	g := s.examined[rule.Num]
	delete(s.examined, rule.Num)
	if g == nil || owed != nil {
		if g, err = s.gather(rule.Num, owed); err != nil {
			return 0, err
		}
	}
	m.slack = m.grain
	if rule.settled {
		m.slack = 0
	}
	var b Batch
	m.restore(g, &b)
	if !b.Empty() && !s.opt.ReadOnly {
		s.Enqueue(&b)
	}
	return m.Len(), nil
}

// owed returns the writes of a rule's tuples that are not on disk yet, the last
// of each tuple. s.io is held, so the disk is still; but the committer may have
// taken a batch in hand and be waiting for s.io, too.
func (s *Store) owed(rule uint32) (map[uint64]entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var m map[uint64]entry
	for _, jobs := range [][]*job{s.flight, s.queue} {
		for _, j := range jobs {
			for i := range j.batch.ops {
				op := &j.batch.ops[i]
				if op.rule != rule {
					continue
				}
				if m == nil {
					m = make(map[uint64]entry)
				}
				m[op.seq] = nil
				if op.n > 0 {
					m[op.seq] = j.batch.entry(op)
				}
			}
		}
	}
	if s.closed {
		return nil, ErrClosed
	}
	return m, nil
}

// gather reads the rule's tuples from the file. owed, by sequence number,
// replaces what is there.
func (s *Store) gather(rule uint32, owed map[uint64]entry) (*gathered, error) {
	f, done, err := s.openRead()
	if err != nil {
		return nil, err
	}
	defer done()
	x := examineNothing(f)
	var bucket rawBucket
	var found bool
	x.each(rawBucket{root: f.root}, 1, func(_ int, _ uint64, key, value []byte, flags uint32) {
		if string(key) == tupleBucketName(rule) {
			bucket, found = parseBucket(value, flags)
		}
	})
	g := newGathered(workers())
	if found {
		g.seq = bucket.seq
		x.each(bucket, len(g.parts), func(w int, page uint64, key, value []byte, flags uint32) {
			if string(key) == keyRule {
				return
			}
			part := &g.parts[w]
			p, err := openPack(key, value)
			for err == nil && p.next() {
				if _, ok := owed[p.seq]; !ok {
					part.add(p.seq, p.entry)
				}
			}
			if err != nil || p.err != nil {
				x.badValue(page, key)
			}
		})
	}
	for seq, e := range owed {
		if g.seq = max(g.seq, seq); e != nil {
			g.parts[0].add(seq, e)
		}
	}
	if x.damaged() {
		return nil, fmt.Errorf("%w: %v", ErrCorrupt, x.problems[0])
	}
	return g, nil
}
