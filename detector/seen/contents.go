package seen

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// contents is what a journal says, without the terms of the tuples.
type contents struct {
	*scanned
	hash   bool                  // hash the terms of the tuples
	byNum  map[uint32]*ruleTable // also of rules whose record is lost
	alerts map[uint64]OutboxEntry
	last   counters
}

// counters are the highest numbers ever given out.
type counters struct {
	rule  uint32
	alert uint64
}

// ruleTable is what a journal says of one rule.
type ruleTable struct {
	record ruleRecord // without ID if it was not found
	seq    uint64     // the highest ever given out
	rows   rows
	groups []int64 // where the groups begin that hold its tuples
}

// row is a tuple in a journal. One that was forgotten has no count.
type row struct {
	key   uint64
	terms [grouped]uint32 // hashes, 0 for none
	more  []uint32        // of the terms after them
	value
}

// rows are tuples by sequence number, in blocks, so that they need not be
// copied to make room for more.
type rows struct {
	blocks [][]row
	live   int
}

const blockRows = 1024

// add appends a row, whose sequence number must be the highest; false if it is
// not.
func (r *rows) add(x row) bool {
	n := len(r.blocks) - 1
	if n >= 0 {
		if b := r.blocks[n]; b[len(b)-1].seq() >= x.seq() {
			return false
		}
	}
	if n < 0 || len(r.blocks[n]) == blockRows {
		room := blockRows
		if n < 0 {
			room = 16 // most rules have few tuples
		}
		r.blocks = append(r.blocks, make([]row, 0, room))
		n++
	}
	r.blocks[n] = append(r.blocks[n], x)
	r.live++
	return true
}

// find returns the row with a sequence number, nil if there is none or it was
// forgotten.
func (r *rows) find(seq uint64) *row {
	i, found := slices.BinarySearchFunc(r.blocks, seq, func(b []row, seq uint64) int { return cmp.Compare(b[0].seq(), seq) })
	if !found {
		if i--; i < 0 {
			return nil
		}
	}
	b := r.blocks[i]
	j, found := slices.BinarySearchFunc(b, seq, func(x row, seq uint64) int { return cmp.Compare(x.seq(), seq) })
	if !found || b[j].count == 0 {
		return nil
	}
	return &b[j]
}

func (r *rows) forget(x *row) {
	x.count = 0
	r.live--
}

// each calls yield with every row that was not forgotten, by sequence number.
func (r *rows) each(yield func(*row) bool) {
	for _, b := range r.blocks {
		for i := range b {
			if b[i].count > 0 && !yield(&b[i]) {
				return
			}
		}
	}
}

// newRow makes the row of a tuple. Its terms are hashed only if need be.
func newRow(seq uint64, s Sighting, terms []byte, hash bool) row {
	r := row{}
	var check uint32
	if hash {
		var h hashed
		h.hashTuple(terms)
		h.hashTerms(terms)
		r.key, check, r.terms = h.key, h.check, [grouped]uint32(h.terms[:])
		if h.n > grouped {
			r.more = slices.Clone(h.terms[grouped:h.n])
		}
	}
	r.value = newValue(s, seq, len(terms), check)
	return r
}

// readContents reads a journal. hash says that its tuples are for memories.
func readContents(f io.ReaderAt, size int64, hash bool) (*contents, error) {
	c := &contents{hash: hash, byNum: make(map[uint32]*ruleTable), alerts: make(map[uint64]OutboxEntry)}
	var err error
	if c.scanned, err = scan(f, size, c.apply); err != nil {
		return nil, err
	}
	if c.damaged() && hash {
		for _, t := range c.byNum {
			t.dedupe()
		}
	}
	return c, nil
}

func (c *contents) table(num uint32) *ruleTable {
	t := c.byNum[num]
	if t == nil {
		t = &ruleTable{}
		c.byNum[num] = t
		c.last.rule = max(c.last.rule, num)
	}
	return t
}

// apply takes in one record.
func (c *contents) apply(at int64, kind byte, data []byte) error {
	x := body{b: data}
	switch kind {
	case recordRule:
		r, err := readRule(data)
		if err != nil {
			return err
		}
		t := c.table(r.Num)
		r.Meta.Extra = t.record.Meta.Extra
		t.record = r
		t.seq = max(t.seq, r.Seq)
		return nil
	case recordExtra:
		if num := x.rule(); !x.bad {
			c.table(num).record.Meta.Extra = clone(x.b)
		}
	case recordCombination:
		if num, seq, s := x.rule(), x.uint(), x.sighting(); !x.bad {
			return c.combination(at, num, seq, s, x.b)
		}
	case recordSighting:
		if num, seq, s := x.rule(), x.uint(), x.sighting(); !x.bad {
			if r := c.table(num).rows.find(seq); r != nil {
				r.see(s)
			}
		}
	case recordForget:
		if num, seq := x.rule(), x.uint(); !x.bad {
			t := c.table(num)
			if r := t.rows.find(seq); r != nil {
				t.rows.forget(r)
			}
		}
	case recordDrop:
		if num := x.rule(); !x.bad {
			delete(c.byNum, num)
		}
	case recordAlert:
		if e := x.alert(); !x.bad {
			c.alerts[e.ID] = e
			c.last.alert = max(c.last.alert, e.ID)
		}
	case recordAck:
		if id := x.uint(); !x.bad {
			delete(c.alerts, id)
		}
	case recordCounters:
		if num, id := x.uint(), x.uint(); !x.bad {
			c.last.rule, c.last.alert = max(c.last.rule, uint32(num)), max(c.last.alert, id)
		}
	default:
		return fmt.Errorf("%w: its type is 0x%02x", errRecord, kind)
	}
	if x.bad {
		return errRecord
	}
	return nil
}

func (c *contents) combination(at int64, num uint32, seq uint64, s Sighting, terms []byte) error {
	t := c.table(num)
	if seq > maxSeq || !t.rows.add(newRow(seq, s, terms, c.hash)) {
		return fmt.Errorf("%w: tuples are out of order", errRecord)
	}
	t.seq = max(t.seq, seq)
	if n := len(t.groups); n == 0 || t.groups[n-1] != at {
		t.groups = append(t.groups, at)
	}
	return nil
}

// dedupe forgets the older of two rows with the same terms. Only where a record
// was lost are there any.
func (t *ruleTable) dedupe() {
	have := make(map[uint64]*row, t.rows.live)
	for r := range t.rows.each {
		old := have[r.key]
		if old == nil {
			have[r.key] = r
			continue
		}
		if old.last > r.last {
			old, r = r, old
		}
		t.rows.forget(old)
		have[r.key] = r
	}
}

// rules returns the tables that have a record, by number.
func (c *contents) rules() (out []*ruleTable) {
	for _, t := range c.byNum {
		if t.record.ID != "" {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b *ruleTable) int { return cmp.Compare(a.record.Num, b.record.Num) })
	return out
}

// orphans returns how many tuples there are whose rule's record is lost.
func (c *contents) orphans() (n int) {
	for _, t := range c.byNum {
		if t.record.ID == "" {
			n += t.rows.live
		}
	}
	return n
}

// tuples returns how many tuples the rules have.
func (c *contents) tuples() (n int) {
	for _, t := range c.rules() {
		n += t.rows.live
	}
	return n
}

// outbox returns the undelivered alerts by ID.
func (c *contents) outbox() []OutboxEntry {
	out := make([]OutboxEntry, 0, len(c.alerts))
	for _, e := range c.alerts {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b OutboxEntry) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// terms calls fn with every tuple of a rule and its terms, which are valid until
// fn returns, by sequence number. f is the journal that c was read from.
func (c *contents) terms(f io.ReaderAt, t *ruleTable, fn func(r *row, terms []byte) error) error {
	in := newBlockReader(f, headerSize, c.end, func(int64, string) {})
	for _, at := range t.groups {
		in.off = at
		group, _, err := in.next()
		if err != nil {
			return fmt.Errorf("reading the journal again: %w", err)
		}
		x := body{b: group}
		x.take(1)
		x.uint()
		x.uint()
		for len(x.b) > 0 && !x.bad {
			kind := x.take(1)
			rec := body{b: x.take(x.uint())}
			if x.bad || kind[0] != recordCombination || rec.rule() != t.record.Num {
				continue
			}
			seq := rec.uint()
			rec.sighting()
			if r := t.rows.find(seq); r != nil && !rec.bad && r.size() == min(len(rec.b), maxSize) {
				if err := fn(r, rec.b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
