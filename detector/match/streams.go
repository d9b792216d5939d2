package match

import (
	"strings"
	"unsafe"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/record"
)

// candidate is a rule that an event may match, and what tests it.
type candidate struct {
	rule int32
	pred *kql.Predicate
}

// stream is what index patterns are compared with.
type stream struct{ typ, dataset, namespace string }

// group is the rules whose index patterns let events of one data stream through,
// and which of them an event can match at all.
type group struct {
	stream  stream
	all     []candidate
	always  []candidate // to try on every event
	indexes []literalIndex
}

// literalIndex finds rules that need a field to hold one of a few literals by
// the value that an event holds.
type literalIndex struct {
	field record.Field
	rules map[string][]candidate
}

const (
	// maxGroups bounds the data streams that a worker keeps groups for: their
	// names come from events. maxGroupText bounds the bytes of these.
	maxGroups    = 1024
	maxGroupText = 1 << 20
	// fewRules is how many rules are tried one after the other before an index
	// pays.
	fewRules = 8
)

// streamGroups finds the rules for an event's data stream.
type streamGroups struct {
	rules    *Rules
	groups   map[stream]*group
	named    int    // bytes of the names of groups
	last     stream // the data stream of the last event, and its group
	lastIs   *group
	lastText []byte // what last's names lie in
}

// of returns the rules for the data stream of the event at hand.
func (g *streamGroups) of(v *record.View) *group {
	var ds stream
	s := g.rules
	if ds.dataset = firstText(v, s.dataset); ds.dataset != "" {
		ds.typ, ds.namespace = firstText(v, s.dsType), firstText(v, s.namespace)
		if ds.typ == "" {
			ds.typ = "logs"
		}
	} else {
		ds.dataset = firstText(v, s.eventDataset)
	}
	if g.lastIs != nil && ds == g.last {
		return g.lastIs
	}
	found, ok := g.groups[ds]
	if !ok {
		n := len(ds.typ) + len(ds.dataset) + len(ds.namespace)
		if len(g.groups) >= maxGroups || g.named+n > maxGroupText {
			clear(g.groups)
			g.named = 0
		}
		g.named += n
		ds = stream{strings.Clone(ds.typ), strings.Clone(ds.dataset), strings.Clone(ds.namespace)}
		found = s.groupOf(ds)
		g.groups[ds] = found
	}
	g.last, g.lastIs = g.remember(ds), found
	return found
}

// remember copies a data stream's names, which do not outlive their event,
// unless they are the ones that a group is kept under.
func (g *streamGroups) remember(ds stream) stream {
	g.lastText = append(append(append(g.lastText[:0], ds.typ...), ds.dataset...), ds.namespace...)
	a, b := len(ds.typ), len(ds.typ)+len(ds.dataset)
	text := unsafe.String(unsafe.SliceData(g.lastText), len(g.lastText))
	return stream{text[:a], text[a:b], text[b:]}
}

func firstText(v *record.View, f record.Field) string {
	if i := v.Head(f); i != 0 {
		return v.At(i).Str
	}
	return ""
}

// groupOf returns the rules for events of a data stream.
func (s *Rules) groupOf(ds stream) *group {
	g := &group{stream: ds}
	for i, c := range s.list {
		if indexAllows(c.Source.Index, ds) {
			g.all = append(g.all, candidate{int32(i), c.pred})
		}
	}
	g.index(s.opts.Plain)
	return g
}

// index files each rule under the literals of the clause that the fewest other
// rules share.
func (g *group) index(plain bool) {
	if len(g.all) <= fewRules || plain {
		g.always = g.all
		return
	}
	type key struct {
		field   record.Field
		literal string
	}
	sharing := make(map[key]int)
	for _, c := range g.all {
		for _, req := range c.pred.Required() {
			for _, lit := range req.Literals {
				sharing[key{req.Field, lit}]++
			}
		}
	}
	byField := make(map[record.Field]map[string][]candidate)
	var order []record.Field
	for _, c := range g.all {
		best, bestCost := -1, len(g.all)
		reqs := c.pred.Required()
		for k, req := range reqs {
			cost := 0
			for _, lit := range req.Literals {
				cost = max(cost, sharing[key{req.Field, lit}])
			}
			if cost < bestCost {
				best, bestCost = k, cost
			}
		}
		if best < 0 {
			g.always = append(g.always, c)
			continue
		}
		req := reqs[best]
		m := byField[req.Field]
		if m == nil {
			m = make(map[string][]candidate)
			byField[req.Field] = m
			order = append(order, req.Field)
		}
		for _, lit := range req.Literals {
			m[lit] = append(m[lit], c)
		}
	}
	for _, f := range order {
		g.indexes = append(g.indexes, literalIndex{f, byField[f]})
	}
}
