package seen

import (
	"errors"
	"fmt"
	"slices"
	"sync"
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

// loadBlock is how many rows go from the readers to the memory at a time.
const loadBlock = 512

type block struct {
	rows []row
	tags [][maxTerms]uint64 // the hashes of each row's terms
	n    int                // how many terms they have

	worker int
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
	overlay, err := s.owed(rule.Num)
	if err != nil {
		return 0, err
	}
	rows, err := s.readRows(rule.Num, m, overlay)
	if err != nil {
		return 0, err
	}
	m.baseline.done()
	m.slack = m.grain
	if rule.settled {
		m.slack = 0
	}
	var b Batch
	m.restore(rows, &b)
	if !b.Empty() && !s.opt.ReadOnly {
		s.Enqueue(&b)
	}
	return m.Len(), nil
}

// owed returns the writes of a rule's tuples that are not on disk yet, the last
// of each tuple. s.io is held, so nothing is in flight.
func (s *Store) owed(rule uint32) (map[uint64][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var m map[uint64][]byte
	for _, j := range s.queue {
		for i := range j.batch.ops {
			op := &j.batch.ops[i]
			if op.rule != rule {
				continue
			}
			if m == nil {
				m = make(map[uint64][]byte)
			}
			m[op.seq] = nil
			if op.n > 0 {
				m[op.seq] = j.batch.value(op)
			}
		}
	}
	if s.closed {
		return nil, ErrClosed
	}
	return m, nil
}

// readRows reads the rule's tuples. Readers parse and hash pages side by side;
// this goroutine gathers the rows and indexes the terms.
func (s *Store) readRows(rule uint32, m *Memory, overlay map[uint64][]byte) ([][]row, error) {
	f, done, err := s.openRead()
	if err != nil {
		return nil, err
	}
	defer done()
	x := examineNothing(f)
	x.byKey = true // which is by first sighting, and often by the last one, too
	var bucket rawBucket
	var found bool
	x.each(rawBucket{root: f.root}, 1, func(_ int, _ uint64, key, value []byte, flags uint32) {
		if string(key) == tupleBucketName(rule) {
			bucket, found = parseBucket(value, flags)
		}
	})
	m.baseline.stride = max(s.size(rule)/baselineSample, 1)
	n := workers()
	rows := make([][]row, n+1)
	gather := func(b *block) {
		for i := range b.rows {
			v := &b.rows[i].value
			m.seq = max(m.seq, v.seq())
			m.newest = max(m.newest, v.last())
			m.baseline.note(&hashed{n: b.n, terms: b.tags[i]})
			last := seconds(v.last())
			for t := range b.n {
				m.terms[t].raise(b.tags[i][t], last, 0)
			}
		}
		if rows[b.worker] == nil {
			room := s.size(rule)/n + loadBlock
			if b.worker == 0 {
				room = s.size(rule) + len(overlay) // the others' rows join these
			}
			rows[b.worker] = make([]row, 0, room)
		}
		rows[b.worker] = append(rows[b.worker], b.rows...)
	}
	if found {
		m.seq = bucket.seq
		blocks := make(chan *block, 16)
		go func() {
			defer close(blocks)
			p := newRowParser(m, n, func(b *block) { blocks <- b })
			x.each(bucket, n, func(w int, page uint64, key, value []byte, flags uint32) {
				if len(key) != tupleKeyLen {
					return
				}
				if _, seq := splitTupleKey(key); overlay != nil {
					if _, ok := overlay[seq]; ok {
						return
					}
				}
				if !p.add(w, key, value) {
					x.badValue(page, key)
				}
			})
			p.flush()
		}()
		for b := range blocks {
			gather(b)
		}
	}
	p := newRowParser(m, n+1, gather)
	for seq, v := range overlay {
		if k := tupleKey(rule, seq); v != nil {
			p.add(n, k[:], v)
		} else {
			m.seq = max(m.seq, seq)
		}
	}
	p.flush()
	if x.damaged() {
		return rows, fmt.Errorf("%w: %v", ErrCorrupt, errors.Join(errors.New(x.problems[0].String())))
	}
	return rows, nil
}

func (s *Store) size(rule uint32) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sizes[rule]
}

// rowParser turns tuples into blocks of rows, for each worker by itself.
type rowParser struct {
	m    *Memory
	emit func(*block)
	mu   sync.Mutex
	open []*block
}

func newRowParser(m *Memory, workers int, emit func(*block)) *rowParser {
	return &rowParser{m: m, emit: emit, open: make([]*block, workers)}
}

// add parses one tuple; false if it does not match its checksum.
func (p *rowParser) add(w int, key, value []byte) bool {
	s, terms, err := readTuple(key, value)
	if err != nil {
		return false
	}
	s = s.normal()
	b := p.open[w]
	if b == nil {
		b = &block{rows: make([]row, 0, loadBlock), tags: make([][maxTerms]uint64, 0, loadBlock)}
		b.worker = w
		p.open[w] = b
	}
	var h hashed
	h.key, h.check = hashTuple(terms)
	h.hashTerms(terms)
	_, seq := splitTupleKey(key)
	b.rows = append(b.rows, row{h.key, pack(s, seq, p.m.slot(s.Last), h.check)})
	b.tags = append(b.tags, h.terms)
	b.n = max(b.n, h.n)
	if len(b.rows) == loadBlock {
		p.open[w] = nil
		p.emit(b)
	}
	return true
}

func (p *rowParser) flush() {
	for _, b := range p.open {
		if b != nil {
			p.emit(b)
		}
	}
}
