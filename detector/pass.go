package detector

import (
	"hash/maphash"
	"strings"
	"time"
	"unsafe"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// skew is how far ahead of the clock an event's time may be before it is
// clamped.
const skew = 5 * time.Minute

// pass reads the events of one flush, without a lock: it matches them against
// the rules and folds equal tuples into one, so that what is left to decide
// are a chunk's few distinct tuples. It reuses its memory.
type pass struct {
	set    *ruleset
	reader *mapping.Reader
	memo   *kql.Memo
	spill  func(p *pass) // decides about what there is, when it gets too much
	tag    string

	groups   map[stream]*group
	named    int    // bytes of the names of groups
	last     stream // the data stream of the last event, and its group
	lastIs   *group
	lastText []byte // what last's names lie in
	lens     lens
	recalled recall
	recallFn func(*mapping.Event) bool // p.recall, made only once

	tried []uint32 // by rule: the event that it was tried on last
	event uint32   // the event at hand, counted
	text  []byte   // scratch: a value as a keyword has it

	now      int64 // ms, when the pass began
	lastTime int64 // ns, of the last event that had one
	newest   int64 // ms, the latest time of an event of the pass

	from, to int64 // ms, the earliest and the latest time in the fold

	fold   fold
	refs   []mapping.Ref
	refOf  int32 // ref of the event at hand, -1 before one is made
	terms  []byte
	values [][]record.Value // by term field: an event's distinct values
	combos int              // combinations made in the pass
	hits   []hit            // emit = matched: which event had which tuple
	counts passCounts
	// matches are those of counts.matched by rule; sum takes them.
	matches []uint64
	ticket  seen.Ticket // of what was decided so far

	exceptions map[uint64][]uint64 // sets of exceptions met in the pass
}

// hit is one tuple of one event. Those of an event and rule lie side by side.
type hit struct {
	ref, place int32
	ms         int64
}

// passCounts are what a pass found, for the metrics.
type passCounts struct {
	matched   uint64
	excepted  uint64
	truncated uint64
	clamped   uint64
}

const (
	// maxGroups bounds the data streams that a pass keeps groups for: their
	// names come from documents. maxGroupText bounds the bytes of these.
	maxGroups    = 1024
	maxGroupText = 1 << 20
	// spillTuples is how many tuples a pass gathers before they are decided
	// on: arrays in a chunk can hold a thousand times more than the chunk has
	// bytes.
	spillTuples = 1 << 16
)

func newPass(s *ruleset) *pass {
	p := &pass{
		set:        s,
		reader:     s.plan.NewReader(),
		memo:       s.compiler.NewMemo(),
		groups:     make(map[stream]*group),
		tried:      make([]uint32, len(s.rules)),
		matches:    make([]uint64, len(s.rules)),
		exceptions: make(map[uint64][]uint64),
	}
	p.fold.seed = maphash.MakeSeed()
	p.recallFn = p.recall
	return p
}

// begin readies the pass for a flush at the time now.
func (p *pass) begin(now time.Time) {
	p.now = now.UnixMilli()
	p.newest, p.lastTime, p.combos = 0, 0, 0
	p.tag, p.ticket = "", seen.Ticket{}
	p.counts = passCounts{}
	if len(p.exceptions) > maxSets {
		clear(p.exceptions)
		p.recalled.forget(nil) // which refers to them
	}
	p.empty()
}

// empty forgets the tuples, which have been decided on.
func (p *pass) empty() {
	p.fold.reset()
	clear(p.refs)
	p.refs, p.hits = p.refs[:0], p.hits[:0]
	p.refOf = -1
	p.trim()
}

// trim lets go of the memory that few events need: the pass is kept for good.
func (p *pass) trim() {
	if cap(p.refs) > keptTuples {
		p.refs = nil
	}
	if cap(p.hits) > keptTuples {
		p.hits = nil
	}
	for k := range p.values {
		if cap(p.values[k]) > keptTuples {
			p.values[k] = nil
		}
	}
	if cap(p.terms)+cap(p.text) > keptBytes {
		p.terms, p.text = nil, nil
	}
}

// Event implements mapping.Handler.
func (p *pass) Event(ev *mapping.Event) {
	if len(p.fold.tuples) >= spillTuples || len(p.hits) >= spillTuples {
		p.spill(p)
		p.empty()
	}
	if ev.Time == 0 && p.set.timeFields != nil {
		ev.Time = p.eventTime(ev.View)
	}
	p.memo.Reset()
	if p.memo.Now = p.now; p.set.timeFields != nil { // "now" in queries
		p.memo.Now = ev.Time / int64(time.Millisecond)
	}
	p.refOf = -1
	if p.event++; p.event == 0 {
		clear(p.tried)
		p.event = 1
	}
	g := p.groupFor(ev)
	if !ev.Focused() {
		p.recalled.making = nil // the lens does not fit
	}
	for i := range g.always {
		p.try(&g.always[i], ev)
	}
	for k := range g.indexes {
		idx := &g.indexes[k]
		for c := ev.View.Head(idx.field); c != 0; c = ev.View.Next(c) {
			filed := p.filed(idx, ev.View.At(c))
			for i := range filed {
				// A document may hold two of a rule's literals.
				if c := &filed[i]; p.tried[c.rule] != p.event {
					p.tried[c.rule] = p.event
					p.try(c, ev)
				}
			}
		}
	}
	p.memorise(ev)
}

// filed returns the rules that are filed under a value.
func (p *pass) filed(idx *literalIndex, val *record.Value) []candidate {
	switch val.Kind {
	case record.String:
		return idx.rules[val.Str]
	case record.Bool, record.Int, record.Uint, record.Float:
		p.text = val.AppendText(p.text[:0])
		return idx.rules[string(p.text)]
	}
	return nil
}

// eventTime finds the time of an event that came without one: in the first of
// the set's time fields that holds one, else as the event before it.
func (p *pass) eventTime(v *record.View) int64 {
	for _, f := range p.set.timeFields {
		if i := v.Head(f); i != 0 {
			if ns, ok := mapping.Time(v.At(i)); ok {
				p.lastTime = ns
				return ns
			}
		}
	}
	if p.lastTime == 0 {
		return p.now * 1e6
	}
	return p.lastTime
}

// group returns the rules for the data stream of the event at hand.
func (p *pass) group(v *record.View) *group {
	var ds stream
	s := p.set
	if ds.dataset = firstText(v, s.dataset); ds.dataset != "" {
		ds.typ, ds.namespace = firstText(v, s.dsType), firstText(v, s.namespace)
		if ds.typ == "" {
			ds.typ = "logs"
		}
	} else {
		ds.dataset = firstText(v, s.eventDataset)
	}
	if p.lastIs != nil && ds == p.last {
		return p.lastIs
	}
	g, ok := p.groups[ds]
	if !ok {
		n := len(ds.typ) + len(ds.dataset) + len(ds.namespace)
		if len(p.groups) >= maxGroups || p.named+n > maxGroupText {
			clear(p.groups)
			p.named = 0
		}
		p.named += n
		ds = stream{strings.Clone(ds.typ), strings.Clone(ds.dataset), strings.Clone(ds.namespace)}
		g = s.groupOf(ds)
		p.groups[ds] = g
	}
	p.last, p.lastIs = p.remember(ds), g
	return g
}

// remember copies a data stream's names, which do not outlive their event,
// unless they are the ones that a group is kept under.
func (p *pass) remember(ds stream) stream {
	p.lastText = append(append(append(p.lastText[:0], ds.typ...), ds.dataset...), ds.namespace...)
	a, b := len(ds.typ), len(ds.typ)+len(ds.dataset)
	text := unsafe.String(unsafe.SliceData(p.lastText), len(p.lastText))
	return stream{text[:a], text[a:b], text[b:]}
}

func firstText(v *record.View, f record.Field) string {
	if i := v.Head(f); i != 0 {
		return v.At(i).Str
	}
	return ""
}

// try tests one rule on the event at hand and folds the tuples that it yields.
func (p *pass) try(r *candidate, ev *mapping.Event) {
	if !r.pred.Match(ev.View, p.memo) {
		return
	}
	c := p.set.rules[r.rule]
	ms, ok := p.timeOf(c, ev)
	if !ok {
		return
	}
	under := uint64(0)
	if c.excepted != nil && c.excepted.Match(ev.View, p.memo) {
		under = p.exceptionsOf(c, ev.View)
	}
	p.countMatch(matching{r.rule, under})
	p.newest = max(p.newest, ms)
	if len(p.fold.tuples) == 0 {
		p.from, p.to = ms, ms
	}
	if p.from, p.to = min(p.from, ms), max(p.to, ms); p.to-p.from > p.set.span {
		p.spill(p)
		p.empty()
		p.from, p.to = ms, ms
	}
	t := tupleOf{rule: r.rule, c: c, ev: ev, ms: ms, under: under}
	p.recalled.noteMatch(&t)
	p.tuples(t)
}

func (p *pass) countMatch(m matching) {
	if m.under != 0 {
		p.counts.excepted++
		return
	}
	p.counts.matched++
	p.matches[m.rule]++
}

// timeOf returns the time that an event has for a rule. A rule whose fallback
// is disabled does not see an event without its timestamp_override.
func (p *pass) timeOf(c *compiled, ev *mapping.Event) (ms int64, ok bool) {
	at := ev.Time
	if c.time != 0 {
		ns, found := int64(0), false
		if k := ev.View.Head(c.time); k != 0 {
			ns, found = mapping.Time(ev.View.At(k))
			p.recalled.making = nil // events that differ in their time alone are not recalled
		}
		switch {
		case found:
			at = ns
		case c.rule.TimestampFallbackDisabled:
			return 0, false
		}
	}
	ms = at / 1e6
	// A replay counts by the events' times alone, so its clock says nothing.
	if limit := p.now + skew.Milliseconds(); ms > limit && p.set.timeFields == nil {
		ms = p.now
		p.counts.clamped++
	}
	return ms, true
}

// tupleOf is an event that yields tuples for a rule.
type tupleOf struct {
	rule  int32
	c     *compiled
	ev    *mapping.Event
	ms    int64
	under uint64 // the set of exceptions that it is under, 0 for none

	missing   bool // a term field is missing, and the rule alerts on that
	truncated int
}

// tuples folds the tuples that a matching event yields for a rule: one, or
// every combination of the values of its term fields.
func (p *pass) tuples(t tupleOf) {
	v := t.ev.View
	p.terms = p.terms[:0]
	for _, f := range t.c.fields {
		cell := v.Head(f)
		if cell == 0 {
			if !t.lacks() {
				return
			}
			p.terms = seen.AppendNull(p.terms)
			continue
		}
		if v.Next(cell) != 0 || v.At(cell).Kind == record.Object {
			t.missing = false
			p.combinations(t)
			return
		}
		p.terms = seen.AppendTerm(p.terms, v.At(cell))
	}
	terms := p.terms
	p.recalled.noteTuple(&t, terms, p.add(&t))
}

// lacks notes that the event lacks a term field, and tells whether it counts
// all the same.
func (t *tupleOf) lacks() bool {
	switch t.c.rule.MissingFields {
	case rule.NullTerm:
		return true
	case rule.AlertMissing:
		t.missing = t.under == 0
		return t.under == 0
	}
	return false
}

// add folds the tuple whose terms are in p.terms, and returns its place.
func (p *pass) add(t *tupleOf) (place int) {
	if t.under != 0 {
		p.terms = appendUnder(p.terms, t.under)
	}
	fresh := true
	if t.missing {
		place = p.fold.append(t.rule, p.terms, t.ms)
		p.fold.tuples[place].missing = true
	} else {
		place, fresh = p.fold.add(t.rule, p.terms, t.ms, t.c.window)
	}
	matched := p.set.matched && t.under == 0
	if !fresh && !matched {
		return place
	}
	if p.refOf < 0 {
		p.refOf = int32(len(p.refs))
		p.refs = append(p.refs, t.ev.Ref())
	}
	if fresh {
		x := &p.fold.tuples[place]
		x.ref, x.under, x.truncated, x.now = p.refOf, t.under, t.truncated, p.newest
	}
	if matched {
		p.hits = append(p.hits, hit{p.refOf, int32(place), t.ms})
	}
	return place
}
