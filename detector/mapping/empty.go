package mapping

import (
	"strings"

	"fluent-bit-newterms/detector/record"
)

// The ingest pipeline removes null, "", {} and [] from a raw event, from the
// leaves up. A View has no null, {} or [] to begin with, and can forget empty
// strings. What is left are maps that hold nothing else, {"a":{"b":""}}: the
// View says that there is something at a. Rules seldom ask for a field that
// is a map, so that such maps are looked into only when one is there.
//
// In a document of ECS a map is there if it holds a value that is not null.

// objectSlot is a slot that may hold maps, and the slot with their bytes.
type objectSlot struct {
	slot, span int32
	noMetadata bool // what is in metadata does not count
}

// checked asks for the values at a place in a record of the shape s, for the
// field at path. Maps there must hold something.
func (p *Plan) checked(s shape, path string, at []string) int32 {
	slot := p.want(path, at)
	for i := range p.objects[s] {
		if p.objects[s][i].slot == slot {
			return slot
		}
	}
	o := objectSlot{slot: slot, span: p.layout.WantSpan(at...)}
	for _, name := range noMetadata {
		o.noMetadata = o.noMetadata || strings.TrimPrefix(strings.Join(at, "."), audit) == name
	}
	p.objects[s] = append(p.objects[s], o)
	return slot
}

// hollowness looks into maps for values. It reuses its memory.
type hollowness struct {
	layout        *record.Layout
	view          *record.View
	all, metadata int32 // slots
	format        record.Format
	noMetadata    bool
	emptyText     bool // an empty string is a value
	found         bool
	fn            func([]byte) bool // one, made only once
}

func newHollowness() *hollowness {
	h := &hollowness{layout: record.NewLayout()}
	h.all = h.layout.WantDeep()
	h.metadata = h.layout.WantDeep("metadata")
	h.view = h.layout.NewView(0, nil)
	h.fn = h.one
	return h
}

// dropEmpty forgets what the pipeline removes from the View of a raw event
// whose bytes are in the given format.
func (r *Reader) dropEmpty(v *record.View, f record.Format, objects []objectSlot) {
	object, empty := v.Holds()
	if object {
		empty = r.markHollow(v, f, objects, record.Value{Kind: record.String}) || empty
	}
	if empty {
		v.DropEmpty()
	}
}

// forgetHollow makes null of the maps that hold nothing, in the View of a
// document whose bytes are in the given format.
func (r *Reader) forgetHollow(v *record.View, f record.Format, objects []objectSlot) {
	if object, _ := v.Holds(); object {
		r.markHollow(v, f, objects, record.Value{Kind: record.Null})
	}
}

// markHollow puts hollow in the place of the maps that hold nothing, and tells
// whether there are any. Where hollow is null, an empty string is a value.
func (r *Reader) markHollow(v *record.View, f record.Format, objects []objectSlot, hollow record.Value) (any bool) {
	if r.hollow == nil {
		r.hollow = newHollowness()
	}
	r.hollow.emptyText = hollow.Kind == record.Null
	for k := range objects {
		o := &objects[k]
		if !holdsObject(v, o.slot) || r.anyFull(v, f, o) {
			continue
		}
		for i := v.Slot(o.slot); i != 0; i = v.Next(i) {
			if val := v.At(i); val.Kind == record.Object {
				*val = hollow
				any = true
			}
		}
	}
	return any
}

func holdsObject(v *record.View, slot int32) bool {
	for i := v.Slot(slot); i != 0; i = v.Next(i) {
		if v.At(i).Kind == record.Object {
			return true
		}
	}
	return false
}

// isPresent tells whether anything is at a place, once what is empty was
// dropped.
func (r *Reader) isPresent(v *record.View, f record.Format, o *objectSlot) bool {
	if o.slot != none && v.Slot(o.slot) != 0 {
		return true
	}
	if v.Slot(o.span) == 0 {
		return false
	}
	if r.hollow == nil {
		r.hollow = newHollowness()
	}
	r.hollow.emptyText = false
	return r.anyFull(v, f, o)
}

// anyFull tells whether any map of the slot holds a value. Maps that only keys
// with dots spell have no bytes of their own: they count as full.
func (r *Reader) anyFull(v *record.View, f record.Format, o *objectSlot) bool {
	if v.Slot(o.span) == 0 {
		return true
	}
	h := r.hollow
	h.format, h.noMetadata, h.found = f, o.noMetadata, false
	for i := v.Slot(o.span); i != 0 && !h.found; i = v.Next(i) {
		if !f.Each(v.At(i).Bytes(), h.fn) {
			return true
		}
	}
	return h.found
}

// one looks into one map.
func (h *hollowness) one(b []byte) bool {
	h.view.Reset()
	if _, err := h.format.Scan(h.layout, b, h.view); err != nil {
		return true // no map: a scalar in the same array has a value of its own
	}
	n := h.count(h.all)
	if h.noMetadata {
		n -= h.count(h.metadata)
	}
	h.found = n > 0
	return !h.found
}

func (h *hollowness) count(slot int32) (n int) {
	for i := h.view.Slot(slot); i != 0; i = h.view.Next(i) {
		if val := h.view.At(i); h.emptyText || val.Kind != record.String || val.Str != "" {
			n++
		}
	}
	return n
}
