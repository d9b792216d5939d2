package mapping

import "fluent-bit-newterms/detector/record"

// filePlan is a mapping file in a plan.
type filePlan struct {
	m        *Mapping
	required [][]int32 // slots: the record is no event of the source unless all of one of these are filled
	slots    []int32   // all that detect looks at
	detect   *rawQuery
	times    []int32
}

// setFiles takes up the mapping files of the options.
func (p *Plan) setFiles() {
	all := p.opts.mappings()
	p.unwrap = make(map[string]bool)
	for _, m := range all {
		for _, name := range m.unwrap {
			p.unwrap[name] = true
		}
		for i := range m.fields {
			for k := range m.fields[i].sources {
				if src := &m.fields[i].sources[k]; src.snake {
					for _, from := range src.from {
						p.layout.SnakeBelow(from.names...)
					}
				}
			}
		}
	}
	for range all {
		if p.shapes == maxShapes {
			return
		}
		p.shapes++
	}
	for i, m := range all[:p.shapes-fileShape] {
		f := &filePlan{m: m}
		f.detect = p.rawQuery(fileShape+shape(i), m, m.detect)
		for _, branch := range m.required {
			var all []int32
			for _, at := range branch {
				all = append(all, p.layout.Want(at.names...))
			}
			f.required = append(f.required, all)
		}
		for _, at := range m.time {
			f.times = append(f.times, p.layout.Want(at.names...))
		}
		for _, field := range f.detect.pred.Fields() {
			f.slots = append(f.slots, p.tables[ecsShape][field])
		}
		p.files = append(p.files, f)
	}
}

// timesOf returns the slots of the times of events of a shape, first ones first.
func (p *Plan) timesOf(s shape) []int32 {
	switch {
	case s == ecsShape:
		return p.ownTime[:]
	case s >= fileShape:
		return p.files[s-fileShape].times
	}
	return nil
}

// fileSpan returns the slot of the bytes of what lies at an ECS path in events of
// a mapping file.
func (p *Plan) fileSpan(s shape, name string) int32 {
	f, below := p.files[s-fileShape].m.find(name)
	if f == nil || !f.sources[0].direct || f.sources[0].when != nil || f.sources[0].from[0].element >= 0 {
		return p.make("nothing")
	}
	at := f.sources[0].from[0].names
	return p.layout.WantSpan(append(at[:len(at):len(at)], below...)...)
}

// detect notes in found which mapping files the record in the View is a raw
// event of.
func (r *Reader) detect(v *record.View) {
	r.found = r.found[:0]
	for i, f := range r.plan.files {
		if !f.may(v) {
			continue
		}
		v.SetTable(r.plan.tables[fileShape+shape(i)])
		if r.matches(f.detect, v) {
			r.found = append(r.found, fileShape+shape(i))
		}
	}
}

// may tells whether a record can be an event of the source.
func (f *filePlan) may(v *record.View) bool {
branches:
	for _, branch := range f.required {
		for _, slot := range branch {
			if v.Slot(slot) == 0 {
				continue branches
			}
		}
		return true
	}
	return false
}

// files hands the record over as a raw event of each mapping file that it is one
// of. taken is false if there is none. again says that the View was used since
// the record was read into it.
func (r *Reader) files(f record.Format, b []byte, layer int, again bool, h Handler) (taken bool) {
	refill := func() {
		r.view.Reset()
		_, _ = r.fill(f, b, layer) // it was read before
	}
	if again {
		refill()
	}
	r.detect(r.view)
	for i, s := range r.found {
		if i > 0 {
			refill()
		}
		r.hand(s, r.view, f, b, h)
	}
	return again || len(r.found) > 0
}
