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

// maxCombinations is how many tuples one event may yield for one rule: where
// its term fields hold arrays, every combination is one. What is over is
// counted, and the alert says so. Elastic is tested with 50,000.
const maxCombinations = 100_000

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
	groups map[stream]*group
	last   stream // the data stream of the last event, and its group
	lastIs *group

	lastText []byte // what last's names lie in

	now      int64 // ms, when the pass began
	lastTime int64 // ns, of the last event that had one

	fold   fold
	refs   []mapping.Ref
	refOf  int32 // ref of the event at hand, -1 before one is made
	terms  []byte
	counts passCounts

	values [][]record.Value // by term field: an event's distinct values
}

// passCounts are what a pass found, for the metrics.
type passCounts struct {
	matched   uint64
	truncated uint64
	clamped   uint64
}

// maxGroups bounds the data streams that a pass keeps groups for: their names
// come from documents.
const maxGroups = 1024

func newPass(s *ruleset) *pass {
	p := &pass{
		set:    s,
		reader: s.plan.NewReader(),
		memo:   s.compiler.NewMemo(),
		groups: make(map[stream]*group),
	}
	p.fold.seed = maphash.MakeSeed()
	return p
}

// begin readies the pass for a flush at the time now.
func (p *pass) begin(now time.Time) {
	p.now = now.UnixMilli()
	p.fold.reset()
	clear(p.refs)
	p.refs = p.refs[:0]
	p.counts = passCounts{}
}

// Event implements mapping.Handler.
func (p *pass) Event(ev *mapping.Event) {
	if ev.Time == 0 && p.set.timeFields != nil {
		ev.Time = p.eventTime(ev.View)
	}
	p.memo.Reset()
	p.refOf = -1
	g := p.group(ev.View)
	for _, i := range g.always {
		p.try(i, ev)
	}
	for k := range g.indexes {
		idx := &g.indexes[k]
		for c := ev.View.Head(idx.field); c != 0; c = ev.View.Next(c) {
			val := ev.View.At(c)
			if val.Kind != record.String {
				continue
			}
			for _, i := range idx.rules[val.Str] {
				p.try(i, ev)
			}
		}
	}
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
		if len(p.groups) >= maxGroups {
			clear(p.groups)
		}
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
func (p *pass) try(i int32, ev *mapping.Event) {
	c := p.set.rules[i]
	if !c.pred.Match(ev.View, p.memo) {
		return
	}
	p.counts.matched++
	at := ev.Time
	if c.time != 0 {
		if k := ev.View.Head(c.time); k != 0 {
			if ns, ok := mapping.Time(ev.View.At(k)); ok {
				at = ns
			} else if c.rule.TimestampFallbackDisabled {
				return
			}
		}
	}
	ms := at / 1e6
	// A replay counts by the events' times alone, so its clock says nothing.
	if limit := p.now + skew.Milliseconds(); ms > limit && p.set.timeFields == nil {
		ms = p.now
		p.counts.clamped++
	}
	p.tuples(i, c, ev, ms)
}

// tuples folds the tuples that a matching event yields for a rule: one, or
// every combination of the values of its term fields.
func (p *pass) tuples(i int32, c *compiled, ev *mapping.Event, ms int64) {
	v := ev.View
	p.terms = p.terms[:0]
	for _, f := range c.fields {
		cell := v.Head(f)
		if cell == 0 {
			if c.missing(p, i, ev, ms) {
				return
			}
			p.terms = seen.AppendNull(p.terms)
			continue
		}
		if v.Next(cell) != 0 || v.At(cell).Kind == record.Object {
			p.combinations(i, c, ev, ms)
			return
		}
		p.terms = seen.AppendTerm(p.terms, v.At(cell))
	}
	p.add(i, ev, ms, 0)
}

// add folds the tuple whose terms are in p.terms.
func (p *pass) add(i int32, ev *mapping.Event, ms int64, truncated int) {
	t, fresh := p.fold.add(i, p.terms, ms, p.set.rules[i].window)
	if !fresh {
		return
	}
	if p.refOf < 0 {
		p.refOf = int32(len(p.refs))
		p.refs = append(p.refs, ev.Ref())
	}
	t.ref = p.refOf
	t.truncated = truncated
}

// combinations folds every combination of the distinct values of the term
// fields.
func (p *pass) combinations(i int32, c *compiled, ev *mapping.Event, ms int64) {
	v := ev.View
	for len(p.values) < len(c.fields) {
		p.values = append(p.values, nil)
	}
	total := 1
	for k, f := range c.fields {
		vals := p.values[k][:0]
		for cell := v.Head(f); cell != 0; cell = v.Next(cell) {
			if val := *v.At(cell); val.Kind != record.Object {
				vals = append(vals, val)
			}
		}
		vals = distinct(vals)
		if len(vals) == 0 {
			if c.missing(p, i, ev, ms) {
				return
			}
			vals = append(vals, record.Value{Kind: record.Null})
		}
		p.values[k] = vals
		if total <= maxCombinations {
			total *= len(vals)
		}
	}
	truncated := 0
	if total > maxCombinations {
		truncated = total - maxCombinations
		p.counts.truncated += uint64(truncated)
		total = maxCombinations
	}
	for n := range total {
		p.terms = p.terms[:0]
		rest := n
		for k := range c.fields {
			vals := p.values[k]
			val := &vals[rest%len(vals)]
			rest /= len(vals)
			if val.Kind == record.Null {
				p.terms = seen.AppendNull(p.terms)
			} else {
				p.terms = seen.AppendTerm(p.terms, val)
			}
		}
		p.add(i, ev, ms, truncated)
	}
}

// distinct drops repeated values, in place.
func distinct(vals []record.Value) []record.Value {
	if len(vals) <= 16 {
		out := vals[:0]
	next:
		for _, val := range vals {
			for _, have := range out {
				if have == val {
					continue next
				}
			}
			out = append(out, val)
		}
		return out
	}
	have := make(map[record.Value]struct{}, len(vals))
	out := vals[:0]
	for _, val := range vals {
		if _, ok := have[val]; !ok {
			have[val] = struct{}{}
			out = append(out, val)
		}
	}
	return out
}

// missing decides about an event that lacks a term field. done tells that
// there is nothing more to do with it.
func (c *compiled) missing(p *pass, i int32, ev *mapping.Event, ms int64) (done bool) {
	return c.rule.MissingFields == rule.Skip
}
