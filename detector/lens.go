package detector

import (
	"slices"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
)

// lens is how a pass reads events while they all are of one shape and one data
// stream, as in most pipelines they are: only the fields that the rules for
// them ask for, through rules that are left when what such events have in
// common is taken as given.
type lens struct {
	group *group        // what such events are, and all rules for them
	shape mapping.Shape // likewise
	left  *group        // what is left of the rules; nil while there is no lens
	same  bool          // events show their data stream: it must be group's

	run  int // events in a row that the lens would fit
	miss int // events that it did not fit, since it was made
	made map[lensKey]*ground
}

type lensKey struct {
	group *group
	shape mapping.Shape
}

// ground is a lens that was made.
type ground struct {
	focus *mapping.Focus
	left  *group
	same  bool
	// recalls: events through the lens may be recalled.
	recalls bool
}

// recall returns what recalls events through the lens, nil if nothing may.
func (g *ground) recall(p *pass) func(*mapping.Event) bool {
	if g.recalls {
		return p.recallFn
	}
	return nil
}

const (
	// lensAfter is how many events in a row must be alike before a lens for
	// them is made or taken up again.
	lensAfter = 64
	// lensMisses is how many events may be different before the lens is put
	// away: each was read twice.
	lensMisses = 8
	// maxLenses bounds the lenses that a pass keeps.
	maxLenses = 16
)

// groupFor returns the rules to try on an event, which is read again in full
// if it is not what the lens is for.
func (p *pass) groupFor(ev *mapping.Event) *group {
	l := &p.lens
	if !ev.Focused() {
		g := p.group(ev.View)
		p.unlike(g, ev)
		return g
	}
	if l.same {
		if g := p.group(ev.View); g != l.group {
			if p.reader.Widen(ev) != nil {
				return &group{} // cannot be: it was read before
			}
			p.unlike(g, ev)
			return g
		}
	}
	l.miss = 0
	return l.left
}

// unlike notes an event that the lens, if there is one, did not fit, and makes
// another one when there are enough of its like.
func (p *pass) unlike(g *group, ev *mapping.Event) {
	l := &p.lens
	if l.left != nil {
		if l.miss++; l.miss < lensMisses {
			return
		}
		l.left = nil
		p.reader.Focus(nil, nil)
	}
	if g != l.group || ev.Shape() != l.shape {
		l.group, l.shape, l.run = g, ev.Shape(), 0
	}
	if l.run++; l.run < lensAfter {
		return
	}
	l.run = 0
	key := lensKey{g, l.shape}
	made, ok := l.made[key]
	if !ok {
		if len(l.made) >= maxLenses || l.made == nil {
			l.made = make(map[lensKey]*ground)
		}
		made = p.set.grind(g, l.shape)
		l.made[key] = made
	}
	if made != nil {
		l.left, l.same, l.miss = made.left, made.same, 0
		p.reader.Focus(made.focus, made.recall(p))
	}
}

// grind makes a lens for events of one shape and data stream, nil if there is
// none for the shape.
func (s *ruleset) grind(g *group, shape mapping.Shape) *ground {
	l := &ground{left: &group{stream: g.stream}}
	given := func(f record.Field) (string, bool) { return s.plan.Constant(shape, f) }
	fields := slices.Clone(s.timeFields)
	for _, c := range g.all {
		pred := c.pred.Given(given)
		if pred.Never() {
			continue
		}
		l.left.all = append(l.left.all, candidate{c.rule, pred})
		fields = append(fields, pred.Fields()...)
		r := s.rules[c.rule]
		fields = append(append(fields, r.fields...), r.time)
		if r.excepted != nil {
			fields = append(fields, r.excepted.Fields()...)
		}
		for i := range r.exceptions {
			fields = append(fields, r.exceptions[i].pred.Fields()...)
		}
	}
	l.left.index()
	l.recalls = s.recalls()
	if _, constant := s.plan.Constant(shape, s.dataset); !constant {
		l.same = true
		fields = append(fields, s.dataset, s.dsType, s.namespace, s.eventDataset)
	}
	slices.Sort(fields)
	focus, ok := s.plan.Focus(shape, slices.Compact(fields))
	if !ok {
		return nil
	}
	l.focus = focus
	return l
}
