package seen

import (
	"hash/maphash"
	"os"
	"strings"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"fluent-bit-newterms/detector/limits"
)

// forms knows the normalized forms of a memory's tuples: which tuples have each
// form, and in which parts they differ. A form is live as long as one of its
// tuples is, so it needs no sightings of its own, and nothing on disk: it is
// made again from the terms there. A form counts in MaxTuples as a tuple does.
type forms = simplelru.LRU[uint64, []formTuple]

// formTuple is a tuple that has a form.
type formTuple struct {
	key   uint64
	check uint32
	parts string
}

var formSeed = maphash.MakeSeed()

// Variant is a tuple that has the form of another one.
type Variant struct {
	Sighting        // of the tuple that was seen last
	Parts    string // its parts, as they were given to AddForm
	// Others are the parts of the other live tuples, as far as they are kept.
	Others []string
}

// formCount returns how many forms are known.
func (m *Memory) formCount() int {
	if m.forms == nil {
		return 0
	}
	return m.forms.Len()
}

// DropForms forgets all forms: they are made in another way from now on.
func (m *Memory) DropForms() { m.forms = nil }

// FindForm returns what other live tuples have a form, seen from a sighting of
// the tuple terms at the time at (unix ms).
func (m *Memory) FindForm(form, terms []byte, at int64) (v Variant, ok bool) {
	if m.forms == nil {
		return v, false
	}
	tuples, _ := m.forms.Get(maphash.Bytes(formSeed, form))
	var h hashed
	h.hashTuple(terms)
	for i := range tuples {
		t := &tuples[i]
		s, live := m.peekLive(t, at)
		if !live || t.key == h.key && t.check == h.check {
			continue
		}
		switch {
		case !ok:
			v.Sighting, v.Parts = s, t.parts
		case s.Last > v.Last:
			v.Others = append(v.Others, v.Parts)
			v.Sighting, v.Parts = s, t.parts
		default:
			v.Others = append(v.Others, t.parts)
		}
		ok = true
	}
	return v, ok
}

// peekLive returns when a tuple was seen, if it was inside the window before at.
func (m *Memory) peekLive(t *formTuple, at int64) (Sighting, bool) {
	for seg := range m.segments {
		if v, ok := seg.Peek(t.key); ok && v.check == t.check {
			window := m.window
			if v.last <= m.read {
				window += m.slack
			}
			return v.sighting(), m.window == 0 || at-v.last <= window
		}
	}
	return Sighting{}, false
}

// AddForm says that a tuple, which the memory holds, has a form, and these
// parts. Of the tuples of a form a few are kept, those that were seen last. What
// has to make room is forgotten, as in Observe; o then says so.
func (m *Memory) AddForm(form, terms []byte, parts string, b *Batch) (o Outcome) {
	var h hashed
	h.hashTuple(terms)
	seg, v := m.find(&h, terms)
	if seg == nil || v.check != h.check {
		return o
	}
	if m.forms == nil {
		m.forms, _ = simplelru.NewLRU[uint64, []formTuple](m.cfg.MaxTuples+1, nil) // the limit is positive
	}
	key := maphash.Bytes(formSeed, form)
	tuples, have := m.forms.Get(key)
	// The parts are copied, so that they keep no event in memory.
	add := formTuple{h.key, h.check, strings.Clone(parts)}
	oldest, oldestLast := -1, v.last
	for i := range tuples {
		if tuples[i].key == h.key && tuples[i].check == h.check {
			return o
		}
		s, _ := m.peekLive(&tuples[i], v.last)
		if s.Last <= oldestLast {
			oldest, oldestLast = i, s.Last
		}
	}
	switch {
	case len(tuples) < limits.FormTuples:
		tuples = append(tuples[:len(tuples):len(tuples)], add)
	case oldest < 0:
		return o // it was seen before all of those
	default:
		tuples[oldest] = add
	}
	m.forms.Add(key, tuples)
	for !have && m.Len()+m.formCount() > m.cfg.MaxTuples {
		if !m.makeRoom(&o, nil, b) {
			break
		}
	}
	return o
}

// makeRoom forgets a form, where these are more than half of what is kept, or
// else a tuple: see evict. It returns false if there is nothing to forget.
func (m *Memory) makeRoom(o *Outcome, f *noisyGroup, b *Batch) bool {
	if 2*m.formCount() > m.cfg.MaxTuples || m.n == 0 && m.formCount() > 0 {
		m.forms.RemoveOldest()
		return true
	}
	old, ok := m.evict(f, b)
	if ok {
		o.Evicted = true
		o.EvictedInsideWindow = o.EvictedInsideWindow || !m.expired(&old)
	}
	return ok
}

// Terms calls fn with the terms of each tuple of a rule that is on disk, or on
// its way there. They are valid until fn returns.
func (s *Store) Terms(rule RuleState, fn func(terms []byte) error) error {
	if s.folder == nil {
		return nil
	}
	s.io.Lock()
	defer s.io.Unlock()
	f, err := openFile(s.folder.file(stateName), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	c, _, err := diagnose(f, false)
	if err != nil {
		return err
	}
	t := c.table(rule.Num)
	t.record.Num = rule.Num
	if err := s.addOwed(rule.Num, t); err != nil {
		return err
	}
	seen := make(map[uint64]bool)
	err = c.terms(f, t, func(r *row, terms []byte) error {
		seen[r.seq()] = true
		return fn(terms)
	})
	if err != nil {
		return err
	}
	for _, terms := range s.owedTerms(rule.Num, func(seq uint64) bool { return !seen[seq] && t.rows.find(seq) != nil }) {
		if err := fn(terms); err != nil {
			return err
		}
	}
	return nil
}

// owedTerms returns copies of the terms of a rule's tuples that are not on disk
// yet, as far as want says so.
func (s *Store) owedTerms(rule uint32, want func(seq uint64) bool) (list [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for j := range s.queue.each {
		for i := range j.batch.ops {
			if op := &j.batch.ops[i]; op.rule == rule && op.kind == opNew && want(op.seq) {
				list = append(list, clone(j.batch.terms(op)))
			}
		}
	}
	return list
}
