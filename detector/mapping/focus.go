package mapping

import (
	"fmt"
	"slices"

	"fluent-bit-newterms/detector/record"
)

// Focus is a narrower way to read events: those of one shape, and of their
// fields only some. A pipeline carries events of one kind, and most of what the
// plan has to look for in a record that could be anything is not in them.
//
// A Reader that has a Focus reads each record through it, and then looks
// whether the record is what the Focus is made for. One that is not is read
// again in full, so that a Focus changes the time that reading takes, and
// little else: JSON text with a mistake in what a Focus has no need to look at
// passes, as it does in what the plan does not ask for.
//
// Of the fields that rules ask for, many are asked for only when something
// else is so already. A Reader watches which they are, and from then on leaves
// those alone that are seldom asked for: once one is, it reads the event a
// second time, for all of them.
type Focus struct {
	plan   *Plan
	shape  shape
	fields []record.Field
	always []int32 // slots that are always read
	aside  []bool  // by slot: it is read for its being there, and its value seldom looked at
	idle   []bool  // by slot: and its value never looked at
	// absent are slots that must be empty: a record that fills them does not
	// have the values that its shape stands for.
	absent []int32

	// How events are read at first, and what is read when it is asked for;
	// nil before the fields were watched.
	layout, late     *record.Layout
	steps, lateSteps steps
	table            []int32 // by Field: the slot that holds it, or Plan.later

	watched int      // events that were watched
	asked   []uint32 // by Field: in how many of them it was asked for
	last    []uint64 // by Field: the event that it was asked for in last
	read    int      // events that were read since
	again   int      // and of these, how many were read again
}

const (
	// watchEvents is how many events are watched.
	watchEvents = 256
	// seldom: a field that one in so many events, or fewer, is asked for is
	// not read at first.
	seldom = 20
	// checkEvents is after how many events it is looked at whether they are
	// still like those that were watched: if one in seldom/4 had to be read
	// again, they are not.
	checkEvents = 4096
)

// steps complete the View of an event of some shape.
type steps struct {
	objects []objectSlot
	copies  []slotCopy
	unions  []slotUnion
	outcome int32 // slot, or none
	consts  []constant
	derives []derivation
}

// Shape is what an event turned out to be, for Constant and Focus.
type Shape struct{ shape shape }

// Shape returns the event's shape.
func (e *Event) Shape() Shape { return Shape{e.shape} }

// Constant returns the value that a field has in every event that a Focus of
// this shape lets through. ok is false if it has none.
func (p *Plan) Constant(s Shape, f record.Field) (value string, ok bool) {
	if f >= record.FirstLazy {
		return "", false
	}
	slot := p.tables[s.shape][f]
	for i := range p.consts[s.shape] {
		if c := &p.consts[s.shape][i]; c.slot == slot {
			return c.value, true
		}
	}
	return "", false
}

// Focus returns a Focus for events of a shape, of which only the given fields
// are asked for. The plan must be complete. ok is false for shapes that have
// none.
func (p *Plan) Focus(s Shape, fields []record.Field) (f *Focus, ok bool) {
	f = &Focus{plan: p, shape: s.shape}
	switch {
	case s.shape == rawShape && p.opts.Mode != ECS:
		f.always = append([]int32{p.mark.auditID, p.mark.stage, p.mark.eventKind}, p.mark.ecs...)
		f.always = append(append(f.always, p.mark.pod.pods...), p.mark.pod.namespaces...)
	case s.shape >= fileShape:
		p.mark.each(func(slot int32) { f.always = append(f.always, slot) })
		for _, file := range p.files {
			f.always = append(f.always, file.slots...)
		}
	case s.shape == ecsShape && p.opts.Mode == ECS:
	case s.shape == ecsShape && p.opts.Mode == Auto:
		p.mark.each(func(slot int32) { f.always = append(f.always, slot) })
	default:
		return nil, false
	}
	f.always = append(f.always, p.timesOf(s.shape)...)
	for i := range p.consts[s.shape] {
		if own := p.consts[s.shape][i].own; own != none {
			f.absent = append(f.absent, own)
		}
	}
	f.always = append(f.always, f.absent...)
	for _, field := range fields {
		if field >= record.FirstLazy {
			n := p.lazies[field-record.FirstLazy].nested
			if n == nil {
				continue // found in the whole document
			}
			field = n.span
		}
		f.fields = append(f.fields, field)
	}
	f.asked, f.last = make([]uint32, len(p.paths)), make([]uint64, len(p.paths))
	f.table = make([]int32, len(p.paths))
	f.watch()
	return f, true
}

// watch makes the Focus read all fields and note which are asked for.
func (f *Focus) watch() {
	clear(f.asked)
	f.watched, f.read, f.again = 0, 0, 0
	need := f.need(func(record.Field) bool { return true })
	f.steps, f.lateSteps, f.late = f.plan.stepsFor(f.shape, need), steps{}, nil
	f.layout = f.plan.only(need)
	for i := range f.table {
		f.table[i] = f.plan.later // so that all questions are heard
	}
}

// tune makes the Focus read at first what was often asked for.
func (f *Focus) tune() {
	p := f.plan
	often := func(field record.Field) bool { return int(f.asked[field])*seldom > f.watched }
	first := f.need(often)
	f.steps = p.stepsFor(f.shape, first)
	f.layout = p.only(first)
	f.aside = f.readFor(often)
	f.idle = f.readFor(func(record.Field) bool { return true })
	rest := make(map[int32]bool)
	copy(f.table, p.tables[f.shape])
	for _, field := range f.fields {
		// What lies aside was read, but who asks for it must be heard.
		if slot := p.tables[f.shape][field]; !often(field) && (!first[slot] || f.aside[slot]) {
			rest[slot] = true
			f.table[field] = p.later
		}
	}
	f.lateSteps = p.stepsFor(f.shape, rest)
	for slot := range first {
		delete(rest, slot)
	}
	f.lateSteps.without(first)
	f.late = p.only(rest)
	f.read, f.again = 0, 0
}

// readFor tells by slot whether it is always read without any of the fields of
// some kind depending on what it holds.
func (f *Focus) readFor(of func(record.Field) bool) (aside []bool) {
	asked := make(map[int32]bool)
	for _, field := range f.fields {
		if of(field) {
			asked[f.plan.tables[f.shape][field]] = true
		}
	}
	f.plan.stepsFor(f.shape, asked)
	aside = make([]bool, f.plan.layout.Slots())
	for _, slot := range f.always {
		aside[slot] = !asked[slot]
	}
	return aside
}

// need returns the slots that are always read, and those of some fields.
func (f *Focus) need(of func(record.Field) bool) map[int32]bool {
	need := make(map[int32]bool)
	for _, slot := range f.always {
		need[slot] = true
	}
	for _, field := range f.fields {
		if of(field) {
			need[f.plan.tables[f.shape][field]] = true
		}
	}
	return need
}

func (p *Plan) only(need map[int32]bool) *record.Layout {
	return p.layout.Only(func(slot int32) bool { return need[slot] })
}

// without drops the steps that fill slots which are filled already.
func (st *steps) without(filled map[int32]bool) {
	if filled[st.outcome] {
		st.outcome = none
	}
	st.consts = slices.DeleteFunc(st.consts, func(c constant) bool { return filled[c.slot] })
	st.derives = slices.DeleteFunc(st.derives, func(d derivation) bool { return filled[d.dst] })
	st.unions = slices.DeleteFunc(st.unions, func(u slotUnion) bool { return filled[u.dst] })
	st.copies = slices.DeleteFunc(st.copies, func(c slotCopy) bool { return filled[c.dst] })
	st.objects = slices.DeleteFunc(st.objects, func(o objectSlot) bool { return filled[o.slot] })
}

// stepsFor returns the steps that fill any of the slots in need, to which it
// adds what they look at themselves.
func (p *Plan) stepsFor(s shape, need map[int32]bool) steps {
	var st steps
	for i := len(p.derives[s]) - 1; i >= 0; i-- {
		if d := &p.derives[s][i]; need[d.dst] {
			d.needs(p, s, func(slot int32) { need[slot] = true })
		}
	}
	for _, d := range p.derives[s] {
		if need[d.dst] {
			st.derives = append(st.derives, d)
		}
	}
	for i := range p.consts[s] {
		if c := &p.consts[s][i]; need[c.slot] {
			st.consts = append(st.consts, constant{c.slot, none, c.value})
		}
	}
	st.outcome = none
	if p.outcomes[s] != none && need[p.outcomes[s]] {
		st.outcome = p.outcomes[s]
		need[p.decision[s]] = true
	}
	for i := range p.unions[s] {
		if u := &p.unions[s][i]; need[u.dst] {
			st.unions = append(st.unions, *u)
			for _, src := range u.src {
				need[src] = true
			}
		}
	}
	// What a copy reads may be what one before it wrote.
	for i := len(p.copies[s]) - 1; i >= 0; i-- {
		if c := &p.copies[s][i]; need[c.dst] {
			need[c.src] = true
			for _, o := range [...]*objectSlot{c.when, c.unless} {
				if o != nil {
					need[o.slot], need[o.span] = true, true
				}
			}
		}
	}
	for _, c := range p.copies[s] {
		if need[c.dst] {
			st.copies = append(st.copies, c)
		}
	}
	for _, o := range p.objects[s] {
		if need[o.slot] {
			need[o.span] = true
			st.objects = append(st.objects, o)
		}
	}
	return st
}

// fits tells whether what was read through the Focus is what it is made for.
func (r *Reader) fits(f *Focus) bool {
	v, m := r.view, &r.plan.mark
	for _, slot := range f.absent {
		if v.Slot(slot) != 0 {
			return false
		}
	}
	if f.shape == rawShape {
		return v.Slot(m.auditID) != 0 && v.Slot(m.stage) != 0 && !r.plan.isProcessed(v)
	}
	if f.shape >= fileShape {
		r.found = r.found[:0]
		if r.guess || r.plan.isProcessed(v) || r.plan.isWrapping(v) {
			return false
		}
		r.detect(v)
		return len(r.found) == 1 && r.found[0] == f.shape
	}
	return r.plan.opts.Mode == ECS || !r.guess && r.plan.isProcessed(v) && !r.plan.isWrapping(v)
}

// isWrapping tells whether the record is anything but one document.
func (p *Plan) isWrapping(v *record.View) bool {
	m := &p.mark
	return v.Slot(m.auditID) != 0 && v.Slot(m.stage) != 0 || p.isList(v) || m.azure.in(v) || p.isGoogle(v) ||
		m.holdsRecords(v) || m.holdsLogEvents(v)
}

// each calls fn with every slot that isWrapping and isProcessed look at.
func (m *marks) each(fn func(slot int32)) {
	for _, slot := range []int32{m.auditID, m.stage, m.kind, m.version, m.insertID, m.service, m.method,
		m.items, m.records, m.logEvents, m.logMessage, m.azureRecords.category, m.azureRecords.operation,
		m.azure.category, m.azure.operation, m.azure.resource, m.azure.logText, m.azure.logMap, m.eventKind} {
		fn(slot)
	}
	for _, slot := range m.ecs {
		fn(slot)
	}
}

// Focus makes the Reader read through f from the next record on, or in full if
// f is nil. Once f knows which fields are often asked for, recall, if it is not
// nil, is asked first about each event that fits: if it is true, the event has
// been dealt with. It sees the event's View as it was scanned, before fields
// are derived from others, and may only take digests of it.
func (r *Reader) Focus(f *Focus, recall func(*Event) bool) { r.focus, r.recall = f, recall }

// Scanned returns what an event that recall is asked about was scanned by, and
// by slot which values nobody looks at. If another event was scanned by the
// same layout and has otherwise the same values, the two only differ in what
// Beyond tells of.
func (e *Event) Scanned() (l *record.Layout, aside []bool) { return e.focus.layout, e.focus.aside }

// Beyond tells what of a focused event was looked at beside what was scanned at
// first: more, which ReadMore reads, and anything at all.
func (e *Event) Beyond() (more, anything bool) { return e.more, e.anything }

// ReadMore scans the rest of what can be asked of an event that recall is asked
// about, and returns by slot which values nobody looks at. If another event for
// which that was done has otherwise the same values, the two only differ in what
// Beyond tells of. ok is false if the rest has a mistake: then what was read
// before it says nothing about an event without one.
func (r *Reader) ReadMore(e *Event) (idle []bool, ok bool) {
	e.whole = r.scanMore()
	return e.focus.idle, e.whole
}

// handFocused is hand for an event that was read through the Focus.
func (r *Reader) handFocused(f record.Format, b []byte, h Handler) {
	o := r.focus
	if o.shape == rawShape {
		if r.pod = r.pod || r.plan.mark.pod.in(r.view); r.refuses(o.shape) {
			return
		}
	}
	r.view.SetTable(o.table)
	r.ev.focused, r.ev.whole, r.ev.more, r.ev.anything, r.ev.focus = true, false, false, false, o
	r.present(o.shape, r.view, f, b)
	if r.recall == nil || o.late == nil || !r.recall(&r.ev) {
		r.run(&o.steps, o.shape, r.view, f)
		if r.ev.whole {
			r.run(&o.lateSteps, o.shape, r.view, f)
		}
		h.Event(&r.ev)
	}
	if o.late == nil {
		if o.watched++; o.watched == watchEvents {
			o.tune()
		}
	} else if o.read++; o.read == checkEvents {
		if o.again*seldom > 4*o.read {
			o.watch()
		}
		o.read, o.again = 0, 0
	}
}

// late returns the first value of a field that was not read at first.
func (r *Reader) late(field record.Field) int32 {
	f, v := r.focus, r.view
	slot := f.plan.tables[f.shape][field]
	if f.late == nil {
		if f.last[field] != r.handed {
			f.last[field] = r.handed
			f.asked[field]++
		}
		return v.Slot(slot)
	}
	r.ev.more = true
	if r.scanMore() {
		r.run(&f.lateSteps, f.shape, v, r.ev.format)
	}
	return v.Slot(slot)
}

// scanMore scans what was not read at first.
func (r *Reader) scanMore() bool {
	f, v := r.focus, r.view
	f.again++
	v.SetTable(f.plan.tables[f.shape])
	_, err := r.ev.format.Scan(f.late, r.ev.span, v)
	return err == nil
}

// Focused tells whether the event was read through the Reader's Focus: its View
// has the fields of the Focus only.
func (e *Event) Focused() bool { return e.focused }

// Widen reads a focused event again, in full.
func (r *Reader) Widen(ev *Event) error {
	if !ev.focused {
		return nil
	}
	ev.focused = false
	r.view.Reset()
	if _, err := ev.format.Scan(r.plan.layout, ev.span, r.view); err != nil {
		return fmt.Errorf("cannot read the event again: %w", err) // cannot be
	}
	r.complete(ev.shape, r.view, ev.format)
	return nil
}

// scan reads the map at the start of b into the View: through the Focus if
// there is one. focused is true if it fits, and that is all there is to do.
func (r *Reader) scan(f record.Format, b []byte, layer int) (n int, focused bool, err error) {
	r.view.Reset()
	r.used = layer
	if r.onScan != nil {
		r.onScan(b)
	}
	if r.outer != nil && layer == 0 {
		n, err = f.Scan(r.outer, b, r.view)
		if err != nil || r.hasLogKey() {
			return n, false, err
		}
		r.view.Reset()
	}
	if r.focus != nil && (layer > 0 || r.extra == nil) {
		n, err = f.Scan(r.focus.layout, b, r.view)
		if err != nil || r.fits(r.focus) {
			return n, err == nil, err
		}
		r.view.Reset()
	}
	n, err = r.fill(f, b, layer)
	return n, false, err
}

// fill reads all of the map at the start of b, and what counts as its own.
func (r *Reader) fill(f record.Format, b []byte, layer int) (n int, err error) {
	n, err = f.Scan(r.plan.layout, b, r.view)
	if layer == 0 && err == nil {
		for _, more := range r.extra {
			_, _ = record.Msgpack.Scan(r.plan.layout, more, r.view) // a whole map, as it was found in one
		}
	}
	return n, err
}

// hasLogKey tells whether the View holds what scanned looks for under log_key.
func (r *Reader) hasLogKey() bool {
	m := &r.plan.mark
	i := r.view.Slot(m.logKeyText)
	return i != 0 && r.view.At(i).Kind == record.String || r.view.Slot(m.logKeyMap) != 0
}
