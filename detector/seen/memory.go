package seen

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"fluent-bit-newterms/detector/limits"
)

// Verdict is what a Memory has to say of a tuple.
type Verdict uint8

// The verdicts.
const (
	Known   Verdict = iota // seen inside the window
	New                    // never seen, or forgotten
	Expired                // seen, but longer ago than the window
)

// MemoryConfig sets up a Memory.
type MemoryConfig struct {
	Rule         uint32        // the rule's number in the store; Load sets it
	MaxTuples    int           // how many tuples are kept, default limits.RuleTuples
	MaxBytes     int64         // how many bytes they take on disk, default limits.RuleBytes or, for many tuples, limits.TupleBytes each
	Window       time.Duration // how long a tuple stays known after its last sighting; 0 is for ever
	Fields       int           // how many terms a tuple has
	RefreshGrain time.Duration // default Window/100, at least a minute
}

// DefaultMaxTuples is how many tuples a rule keeps unless told otherwise.
const DefaultMaxTuples = limits.RuleTuples

// Outcome is what Observe found.
type Outcome struct {
	Verdict  Verdict
	Previous Sighting // what was known before; zero if New
	// Seq and Group, for New and Expired, name the tuple and the noisy group
	// that it belongs to, 0 for none, to an OutboxEntry.
	Seq   uint64
	Group uint64
	// Novel, for New and Expired: bit i is set if term i alone is in no live
	// tuple of the rule.
	Novel uint32
	// NovelUnsure: the memory had to forget terms, so a term whose bit is not
	// set may be novel all the same. A bit that is set is sure.
	NovelUnsure bool
	// Evicted: a tuple was forgotten to make room. EvictedInsideWindow: it
	// was still live, so it alerts again when it is seen again.
	Evicted             bool
	EvictedInsideWindow bool
}

// Memory is one rule's seen-set: which tuples are known, and since when. See
// the package comment for what it keeps and what it gives up first.
//
// A Memory is not safe for concurrent use.
type Memory struct {
	cfg    MemoryConfig
	window int64  // ms; 0 is for ever
	grain  int64  // ms
	seq    uint64 // the last sequence number given out
	newest int64  // the latest sighting of all, ms
	n      int    // tuples
	bytes  int64  // what they take on disk

	maxBytes int64

	probation *segment // seen on one occasion
	protected *segment // seen again later
	noisy     map[uint64]*noisyGroup
	ring      []*noisyGroup // the same, in no order
	turn      int           // the noisy group to prune next
	swept     uint64        // seq when empty noisy groups were last dropped
	forms     *forms        // nil where the rule normalizes nothing
	noisyAt   uint32
	heavy     heavyHitters
	baseline  map[uint64]int // about how many tuples each group had at the start

	idle  int   // how often prune found nothing to forget, one after the other
	calm  int64 // ms: up to this, prune has nothing to do
	slack int64 // ms: how much later than the disk says a tuple may have been seen
	read  int64 // ms: the latest sighting that the disk told of
	terms [maxTerms]termIndex
}

// segment is one of the LRU lists that a Memory is made of.
type segment = simplelru.LRU[uint64, value]

func newSegment(limit int) *segment {
	l, err := simplelru.NewLRU[uint64, value](limit+1, nil)
	if err != nil {
		panic(err) // the limit is positive: NewMemory saw to it
	}
	return l
}

// NewMemory returns an empty Memory.
func NewMemory(cfg MemoryConfig) *Memory {
	if cfg.MaxTuples <= 0 {
		cfg.MaxTuples = DefaultMaxTuples
	}
	if cfg.RefreshGrain <= 0 {
		cfg.RefreshGrain = max(cfg.Window/100, time.Minute)
	}
	m := &Memory{
		cfg:       cfg,
		window:    max(cfg.Window.Milliseconds(), 0),
		grain:     max(cfg.RefreshGrain.Milliseconds(), 1),
		probation: newSegment(cfg.MaxTuples),
		protected: newSegment(cfg.MaxTuples),
		noisy:     make(map[uint64]*noisyGroup),
	}
	m.scale()
	return m
}

// scale sets what depends on how many tuples are kept.
func (m *Memory) scale() {
	n := m.cfg.MaxTuples
	m.maxBytes = m.cfg.MaxBytes
	if m.maxBytes <= 0 {
		m.maxBytes = max(limits.RuleBytes, int64(n)*limits.TupleBytes)
	}
	m.noisyAt = uint32(max(n/noisyFraction, noisyLeast))
	m.heavy.period = n * 8
	for i := range m.terms {
		m.terms[i].limit = n + n/4 + 1024
	}
}

// Len returns how many tuples are kept, expired ones included.
func (m *Memory) Len() int { return m.n }

// Bytes returns about how many bytes the tuples take on disk.
func (m *Memory) Bytes() int64 { return m.bytes }

// segments calls yield with every segment.
func (m *Memory) segments(yield func(*segment) bool) {
	if !yield(m.probation) || !yield(m.protected) {
		return
	}
	for _, f := range m.ring {
		if !yield(f.segment) {
			return
		}
	}
}

// Oldest returns the sightings of the least recently seen tuple.
func (m *Memory) Oldest() (s Sighting, ok bool) {
	for seg := range m.segments {
		if _, v, has := seg.GetOldest(); has && (!ok || v.last < s.Last) {
			s, ok = v.sighting(), true
		}
	}
	return s, ok
}

// find returns the segment that holds a tuple and its value, or nil. A tuple is
// on probation, protected, or in the segment of a noisy group that it belongs
// to.
func (m *Memory) find(h *hashed, terms []byte) (*segment, value) {
	for _, seg := range [...]*segment{m.protected, m.probation} {
		if v, ok := seg.Peek(h.key); ok {
			return seg, v
		}
	}
	if len(m.ring) > 0 {
		h.hashTerms(terms)
		var buf [1 << grouped]uint64
		for _, g := range h.groups(&buf) {
			if f := m.noisy[g]; f != nil {
				if v, ok := f.Peek(h.key); ok {
					return f.segment, v
				}
			}
		}
	}
	return nil, value{}
}

// Peek returns what is known of a tuple, expired or not, and changes nothing.
func (m *Memory) Peek(terms []byte) (Sighting, bool) {
	var h hashed
	h.hashTuple(terms)
	if seg, v := m.find(&h, terms); seg != nil && v.check == h.check {
		return v.sighting(), true
	}
	return Sighting{}, false
}

// Forget forgets the tuple with these terms, if it has the number seq. The store
// has done so on disk; see the outbox.
func (m *Memory) Forget(terms []byte, seq uint64) {
	var h hashed
	h.hashTuple(terms)
	if seg, v := m.find(&h, terms); seg != nil && v.check == h.check && v.seq() == seq {
		m.remove(seg, h.key, &v, nil)
	}
}

// Clock says that it is not later than now (unix ms). What is old is reckoned
// from the latest sighting, which may have been made while a host's clock was far
// ahead: once it is right again, everything else would be old for good.
func (m *Memory) Clock(now int64) { m.newest = min(m.newest, now) }

// Observe takes a sighting of a tuple (the terms as AppendTerm writes them),
// decides, remembers it, and adds to b what has to be written: the tuple if it
// is new, its sighting if the first one moved back or if the last one on disk is
// older than the refresh grain; and the removal of what had to make room. b may
// be nil if nothing is kept on disk.
func (m *Memory) Observe(terms []byte, s Sighting, b *Batch) (o Outcome) {
	s = s.normal()
	m.newest = max(m.newest, s.Last)
	var h hashed
	h.hashTuple(terms)

	seg, v := m.find(&h, terms)
	if seg != nil && v.check != h.check {
		// Two tuples with one key: one in 10^13 or so. The older makes
		// way, which costs an alert too many and never one too few.
		m.remove(seg, h.key, &v, b)
		seg = nil
	}
	window := m.window
	if seg != nil && v.last <= m.read {
		// Nothing says that it was seen since the start.
		window += m.slack
	}
	switch {
	case seg == nil:
		o.Verdict = New
		h.hashTerms(terms)
		m.novelty(&o, &h, s)
		m.seq++
		m.insert(&o, &h, terms, s, m.seq, b)
	case m.window > 0 && s.First-v.last > window:
		o.Verdict, o.Previous = Expired, v.sighting()
		h.hashTerms(terms)
		m.novelty(&o, &h, s)
		seg.Remove(h.key)
		m.n--
		m.bytes -= v.bytes()
		m.insert(&o, &h, terms, s, v.seq(), b)
	default:
		o.Previous = v.sighting()
		m.refresh(seg, h.key, v, s, b)
		if seconds(s.Last) > seconds(o.Previous.Last) {
			h.hashTerms(terms)
		} else {
			h.n = 0
		}
	}
	if h.n > 0 {
		last := seconds(s.Last)
		dead := seconds(max(m.newest-2*m.window, 0))
		if m.window == 0 {
			dead = 0
		}
		for i := range h.n {
			m.terms[i].raise(h.terms[i], last, dead)
		}
	}
	m.prune(b)
	return o
}

// novelty tells which terms of h no live tuple has.
func (m *Memory) novelty(o *Outcome, h *hashed, s Sighting) {
	live := func(last uint32) bool {
		return last > 0 && (m.window == 0 || int64(last)*1000+m.window >= s.First)
	}
	for i := range h.n {
		x := &m.terms[i]
		switch {
		case live(x.last(h.terms[i])):
		case live(x.forgot):
			o.NovelUnsure = true
		default:
			o.Novel |= 1 << i
		}
	}
}

// insert adds a tuple that is in no segment.
func (m *Memory) insert(o *Outcome, h *hashed, terms []byte, s Sighting, seq uint64, b *Batch) {
	seg, f := m.probation, m.noisyOf(h)
	if f != nil {
		seg, o.Group = f.segment, f.group
	}
	v := newValue(s, seq, len(terms), h.check)
	for m.Len()+m.formCount() >= m.cfg.MaxTuples || m.bytes+v.bytes() > m.maxBytes {
		if !m.makeRoom(o, f, b) {
			break
		}
	}
	seg.Add(h.key, v)
	m.n++
	m.bytes += v.bytes()
	o.Seq = seq
	switch {
	case b == nil:
	case o.Verdict == New:
		b.add(m.cfg.Rule, seq, s, terms)
	default:
		b.see(m.cfg.Rule, seq, s)
	}
}

// evict forgets a tuple to make room for one of the noisy group f, or of none.
func (m *Memory) evict(f *noisyGroup, b *Batch) (v value, ok bool) {
	seg := m.victim(f)
	key, v, ok := seg.GetOldest()
	if ok {
		m.remove(seg, key, &v, b)
	}
	return v, ok
}

// remove forgets a tuple.
func (m *Memory) remove(seg *segment, key uint64, v *value, b *Batch) {
	seg.Remove(key)
	m.n--
	m.bytes -= v.bytes()
	if b != nil {
		b.forget(m.cfg.Rule, v.seq(), v.size())
	}
}

// refresh merges a sighting into a known tuple.
func (m *Memory) refresh(seg *segment, key uint64, v value, s Sighting, b *Batch) {
	old := v.sighting()
	s = s.add(old)
	v.see(s)
	v.setStale(true)
	// Grains are counted from the first sighting, so that many small steps add
	// up. The sighting on disk is always of the same grain as the one in memory.
	if s.First < old.First || (s.Last-s.First)/m.grain != (old.Last-old.First)/m.grain {
		v.setStale(false)
		if b != nil {
			b.see(m.cfg.Rule, v.seq(), s)
		}
	}
	if seg == m.protected || s.Last-s.First < m.grain {
		seg.Add(key, v)
		return
	}
	// Seen again on a later occasion. The protected segment holds at most four
	// fifths; what falls out of it is on probation again.
	seg.Remove(key)
	m.protect(key, v)
}

// protect adds a tuple that is in no segment to the protected ones.
func (m *Memory) protect(key uint64, v value) {
	m.protected.Add(key, v)
	if m.protected.Len() > max(m.cfg.MaxTuples*4/5, 1) {
		if key, v, ok := m.protected.RemoveOldest(); ok {
			m.probation.Add(key, v)
		}
	}
}

// expired reports whether a tuple is out of the window, seen from the latest
// sighting of all.
func (m *Memory) expired(v *value) bool {
	return m.window > 0 && m.newest-v.last > m.window
}

// prune forgets a few tuples that have been out of the window for as long
// again. Until then they are kept: late records must still find them, and an
// alert says when its tuple was last seen.
func (m *Memory) prune(b *Batch) {
	if m.window == 0 || m.newest <= m.calm {
		return
	}
	m.idle++
	step := func(seg *segment) {
		for range 2 {
			key, v, ok := seg.GetOldest()
			if !ok || m.newest-v.last <= 2*m.window {
				return
			}
			m.remove(seg, key, &v, b)
			m.idle = 0
		}
	}
	step(m.probation)
	step(m.protected)
	if len(m.ring) > 0 {
		m.turn = (m.turn + 1) % len(m.ring)
		step(m.ring[m.turn].segment)
	}
	if m.idle > len(m.ring) {
		// No segment has anything to forget, until the oldest is old enough.
		m.idle = 0
		if s, ok := m.Oldest(); ok {
			m.calm = s.Last + 2*m.window
		}
	}
}
