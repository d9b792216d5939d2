package seen

import (
	"slices"
	"time"
)

// Sighting says when a tuple was seen, and how often.
type Sighting struct {
	First, Last int64  // unix ms, from 1970 to 2527
	Count       uint32 // stops at 16,777,215
}

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
	MaxTuples    int           // how many tuples are kept, default 100,000
	Window       time.Duration // how long a tuple stays known after its last sighting; 0 is for ever
	Fields       int           // how many terms a tuple has
	RefreshGrain time.Duration // default Window/100, at least a minute
}

// DefaultMaxTuples is how many tuples a rule keeps unless told otherwise.
const DefaultMaxTuples = 100_000

// Outcome is what Observe found.
type Outcome struct {
	Verdict  Verdict
	Previous Sighting // what was known before; zero if New
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

	places    places
	segments  []*segment // by their number in places; nil if it is free
	probation *segment   // seen on one occasion
	protected *segment   // seen again later
	floods    map[uint64]*flood
	ring      []*flood // floods, in no order
	turn      int      // the flood to prune next
	swept     uint64   // seq when empty floods were last dropped
	idle      int      // how often prune found nothing to forget, one after the other
	calm      int64    // ms: up to this, prune has nothing to do
	floodAt   uint32
	sketch    sketch
	baseline  map[uint64]int // about how many tuples each group had at the start

	cold  cold   // read from disk, not seen since
	late  uint64 // how many slots back the cold are put: see setWindow
	slack int64  // ms: how much later than the disk says a tuple may have been seen
	read  int64  // ms: the latest sighting that the disk told of
	terms [maxTerms]termIndex
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
		cfg:      cfg,
		window:   max(cfg.Window.Milliseconds(), 0),
		grain:    max(cfg.RefreshGrain.Milliseconds(), slotsPerGrain),
		segments: make([]*segment, 1),
		floods:   make(map[uint64]*flood),
		floodAt:  uint32(max(cfg.MaxTuples/floodFraction, floodLeast)),
	}
	m.sketch.period = cfg.MaxTuples * 8
	m.probation, m.protected = m.newSegment(), m.newSegment()
	for i := range m.terms {
		m.terms[i].limit = cfg.MaxTuples + cfg.MaxTuples/4 + 1024
	}
	return m
}

// Len returns how many tuples are kept, expired ones included.
func (m *Memory) Len() int {
	return m.places.n + m.cold.n[0] + m.cold.n[1]
}

// newSegment adds an empty segment.
func (m *Memory) newSegment() *segment {
	id := len(m.segments)
	if free := slices.Index(m.segments[1:], nil); free >= 0 {
		id = free + 1
	} else {
		m.segments = append(m.segments, nil)
	}
	m.segments[id] = newSegment(m.cfg.MaxTuples, uint32(id), &m.places)
	return m.segments[id]
}

// each calls yield with every segment.
func (m *Memory) each(yield func(*segment) bool) {
	for _, seg := range m.segments {
		if seg != nil && !yield(seg) {
			return
		}
	}
}

// Oldest returns the sightings of the least recently seen tuple.
func (m *Memory) Oldest() (s Sighting, ok bool) {
	for seg := range m.each {
		if p, has := m.oldest(seg); has && (!ok || p.last() < s.Last) {
			s, ok = p.sighting(), true
		}
	}
	return s, ok
}

// Peek returns what is known of a tuple, expired or not, and changes nothing.
func (m *Memory) Peek(terms []byte) (Sighting, bool) {
	key, check := hashTuple(terms)
	seg, p := m.find(key)
	if seg == nil {
		r := m.cold.find(key)
		if r == nil {
			return Sighting{}, false
		}
		p = r.value
	}
	if p.check() != check {
		return Sighting{}, false
	}
	return p.sighting(), true
}

// Clock says that it is not later than now (unix ms). What is old is reckoned
// from the latest sighting, which may have been made while a host's clock was far
// ahead: once it is right again, everything else would be old for good.
func (m *Memory) Clock(now int64) { m.newest = min(m.newest, now) }

// Observe takes a sighting of a tuple (the terms as AppendTerm writes them),
// decides, remembers it, and adds to b what has to be written: the tuple if it
// is new, or if its first sighting moved back, or if the last sighting on disk
// is older than the refresh grain; and the deletion of what had to make room.
// b may be nil if nothing is kept on disk.
func (m *Memory) Observe(terms []byte, s Sighting, b *Batch) (o Outcome) {
	s = s.normal()
	m.newest = max(m.newest, s.Last)
	var h hashed
	h.key, h.check = hashTuple(terms)

	seg, p := m.find(h.key)
	if seg == nil {
		if r := m.cold.find(h.key); r != nil {
			seg, p = m.thaw(r)
		}
	}
	window := m.window
	if seg != nil && p.last() <= m.read {
		// Nothing says that it was seen since the start. It may have left the
		// cold all the same, by being demoted, or with a late record.
		window += m.slack
	}
	if seg != nil && p.check() != h.check {
		// Two tuples with one key: one in 10^13 or so. The older makes
		// way, which costs an alert too many and never one too few.
		m.remove(seg, h.key, &p, b)
		seg = nil
	}
	switch {
	case seg == nil:
		o.Verdict = New
		h.hashTerms(terms)
		m.novelty(&o, &h, s)
		m.seq++
		m.insert(&o, &h, terms, s, m.seq, b)
	case m.window > 0 && s.First-p.last() > window:
		o.Verdict, o.Previous = Expired, p.sighting()
		h.hashTerms(terms)
		m.novelty(&o, &h, s)
		seg.remove(h.key)
		m.insert(&o, &h, terms, s, p.seq(), b)
	default:
		o.Previous = p.sighting()
		m.refresh(seg, &h, terms, &p, s, b)
		if seconds(s.Last) > seconds(o.Previous.Last) {
			h.hashTerms(terms)
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
	f := m.floodOf(h)
	if m.Len() >= m.cfg.MaxTuples {
		if _, p, ok := m.dropOldest(m.victim(f)); ok {
			o.Evicted, o.EvictedInsideWindow = true, !m.expired(&p)
			m.forget(&p, b)
		}
	}
	seg := m.probation
	if f != nil {
		seg = f.segment
	}
	seg.insert(h.key, pack(s, seq, m.slot(s.Last), h.check))
	if b != nil {
		b.put(m.cfg.Rule, seq, s, terms, o.Verdict == New)
	}
}

// refresh merges a sighting into a known tuple.
func (m *Memory) refresh(seg *segment, h *hashed, terms []byte, p *packed, s Sighting, b *Batch) {
	old := p.sighting()
	s = s.merge(old)
	slot := p.slot()
	// Slots are points of absolute time, so that many small steps add up; one
	// more than a grain's worth apart means a whole grain has passed.
	stale := (m.slot(s.Last)-slot)%slots > slotsPerGrain || s.Last-old.Last > m.grain
	if stale || s.First < old.First {
		slot = m.slot(s.Last)
		if b != nil {
			b.put(m.cfg.Rule, p.seq(), s, terms, false)
		}
	}
	v := pack(s, p.seq(), slot, h.check)
	if seg == m.protected || s.Last-s.First < m.grain {
		seg.update(h.key, v)
		return
	}
	// Seen again on a later occasion. The protected segment holds at most four
	// fifths; what falls out of it is on probation again.
	seg.remove(h.key)
	m.protected.insert(h.key, v)
	if m.size(m.protected) > max(m.cfg.MaxTuples*4/5, 1) {
		if key, v, ok := m.dropOldest(m.protected); ok {
			m.probation.insert(key, v)
		}
	}
}

// slot returns the slot of time that ms falls into.
func (m *Memory) slot(ms int64) uint64 { return uint64(ms / (m.grain / slotsPerGrain)) }

// expired reports whether a tuple is out of the window, seen from the latest
// sighting of all.
func (m *Memory) expired(p *packed) bool {
	return m.window > 0 && m.newest-p.last() > m.window
}

func (m *Memory) remove(seg *segment, key uint64, p *packed, b *Batch) {
	seg.remove(key)
	m.forget(p, b)
}

// forget has a tuple deleted from disk.
func (m *Memory) forget(p *packed, b *Batch) {
	if b != nil {
		b.del(m.cfg.Rule, p.seq())
	}
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
			p, ok := m.oldest(seg)
			if !ok || m.newest-p.last() <= 2*m.window {
				return
			}
			m.dropOldest(seg)
			m.forget(&p, b)
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
