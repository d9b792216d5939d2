package match

import (
	"slices"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
)

// specializer reads events through a specialization while they all are of one
// source and one data stream, as in most pipelines they are.
type specializer struct {
	group *group          // the data stream that such events have, and all rules for them
	shape mapping.Shape   // the source that they have
	now   *specialization // what events are read through, nil for none

	run  int // events in a row that are alike
	miss int // events that now did not fit, since it was made
	made map[sourceKey]*specialization
}

type sourceKey struct {
	group *group
	shape mapping.Shape
}

// specialization is a plan for one source and data stream: only the fields that
// the rules for them ask for, and the rules that are left when what such events
// have in common is taken as given.
type specialization struct {
	focus *mapping.Focus
	left  *group // what is left of the rules
	same  bool   // events show their data stream: it must be the group's
	// cacheable: what becomes of events read through it may be remembered.
	cacheable bool
}

// lookup returns what finds the results of events read through s, nil if none
// may be remembered.
func (s *specialization) lookup(w *Worker) func(*mapping.Event) bool {
	if s.cacheable {
		return w.lookupFn
	}
	return nil
}

const (
	// specializeAfter is how many events in a row must be alike before a
	// specialization for them is made or taken up again.
	specializeAfter = 64
	// maxMisses is how many events may be different before the specialization
	// is put away: each was read twice.
	maxMisses = 8
	// maxSpecializations bounds the specializations that a worker keeps.
	maxSpecializations = 16
)

// groupFor returns the rules to try on an event, which is read again in full if
// it is not what the specialization is for.
func (w *Worker) groupFor(ev *mapping.Event) *group {
	s := &w.specializer
	if !ev.Focused() {
		g := w.streams.of(ev.View)
		w.noteOther(g, ev)
		return g
	}
	if s.now.same {
		if g := w.streams.of(ev.View); g != s.group {
			if w.reader.Widen(ev) != nil {
				return &group{} // cannot be: it was read before
			}
			w.noteOther(g, ev)
			return g
		}
	}
	s.miss = 0
	return s.now.left
}

// noteOther notes an event that the specialization, if there is one, did not
// fit, and makes another one when there are enough of its like.
func (w *Worker) noteOther(g *group, ev *mapping.Event) {
	s := &w.specializer
	if s.now != nil {
		if s.miss++; s.miss < maxMisses {
			return
		}
		s.now = nil
		w.reader.Focus(nil, nil)
	}
	if g != s.group || ev.Shape() != s.shape {
		s.group, s.shape, s.run = g, ev.Shape(), 0
	}
	if s.run++; s.run < specializeAfter || w.rules.opts.Plain {
		return
	}
	s.run = 0
	key := sourceKey{g, s.shape}
	made, ok := s.made[key]
	if !ok {
		if len(s.made) >= maxSpecializations || s.made == nil {
			s.made = make(map[sourceKey]*specialization)
		}
		made = w.rules.specialize(g, s.shape)
		s.made[key] = made
	}
	if made != nil {
		s.now, s.miss = made, 0
		w.reader.Focus(made.focus, made.lookup(w))
	}
}

// specialize makes a specialization for events of one source and data stream,
// nil if there is none for the source.
func (s *Rules) specialize(g *group, shape mapping.Shape) *specialization {
	l := &specialization{left: &group{stream: g.stream}}
	given := func(f record.Field) (string, bool) { return s.plan.Constant(shape, f) }
	fields := slices.Clone(s.timeFields)
	for _, c := range g.all {
		pred := c.pred.Given(given)
		if pred.Never() {
			continue
		}
		l.left.all = append(l.left.all, candidate{c.rule, pred})
		fields = append(fields, pred.Fields()...)
		r := s.list[c.rule]
		fields = append(append(fields, r.fields...), r.time)
		if r.excepted != nil {
			fields = append(fields, r.excepted.Fields()...)
		}
		for i := range r.exceptions {
			fields = append(fields, r.exceptions[i].pred.Fields()...)
		}
	}
	l.left.index(false)
	l.cacheable = s.cacheable()
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
