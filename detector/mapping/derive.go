package mapping

import (
	"strings"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/record"
)

// derivation makes the values of one slot of a View from those of others, for a
// field of a mapping file that is no plain copy.
type derivation struct {
	dst     int32
	sources []derivedSource
	object  []int32 // without values, an object is at dst if anything is in one of these
	geo     *geo    // without values, databases of addresses may have some; may be nil
	noEmpty bool    // empty texts are dropped, as the Kubernetes integration does
}

// derivedSource is a fieldSource whose places are slots.
type derivedSource struct {
	*fieldSource
	when    *rawQuery
	is      []record.Value
	slots   []int32      // values
	spans   []int32      // the same places undecoded, for maps written as text
	inside  []insideSlot // values inside elements of arrays
	subject string       // of pairs: the key that counts, "" for all
}

// insideSlot is a place in the elements of an array.
type insideSlot struct {
	span    int32 // the array
	element int   // the one that counts, -1 for all
	layout  *record.Layout
	key     int32 // of pairs, else none
	value   int32
}

// fileSlot returns the slot of the ECS field name in events of a mapping.
func (p *Plan) fileSlot(s shape, m *Mapping, name string) int32 {
	if text, ok := constantsOf(m)[name]; ok {
		c := constant{slot: p.make("const " + m.Name + " " + name), own: none, value: text}
		p.consts[s] = append(p.consts[s], c)
		return c.slot
	}
	f, below := m.find(name)
	if f == nil {
		return p.objectOf(s, m, name)
	}
	if src := &f.sources[0]; len(f.sources) == 1 && src.direct && src.when == nil && len(src.from) == 1 && src.from[0].element < 0 {
		return p.want(name, append(src.from[0].names[:len(src.from[0].names):len(src.from[0].names)], below...))
	}
	slot, made := p.fresh(m.Name + " " + name)
	if !made {
		return slot
	}
	d := derivation{dst: slot}
	for i := range f.sources {
		src := &f.sources[i]
		if len(below) > 0 && !src.direct && src.pairs == nil {
			continue // nothing is below a converted value
		}
		d.sources = append(d.sources, p.sourceAt(s, m, name, src, below))
	}
	p.derives[s] = append(p.derives[s], d)
	return slot
}

// gkeSlot returns the slot of a field of a log entry of Google Cloud with an
// audit event: what the pipeline makes of it, else what the mapping does.
func (p *Plan) gkeSlot(path string) int32 {
	slot, m := p.auditSlot(gkeShape, path), builtins()[gkeMapping]
	f, below := m.find(path)
	d := derivation{noEmpty: true, sources: []derivedSource{{fieldSource: &fieldSource{direct: true}, slots: []int32{slot}}}}
	if f == nil {
		for i := range m.fields {
			if strings.HasPrefix(m.fields[i].target, path+".") {
				d.object = append(d.object, p.gkeSlot(m.fields[i].target))
			}
		}
		if d.object == nil {
			return slot
		}
		f = &field{}
	}
	dst, made := p.fresh(gkeMapping + " or " + path)
	if made {
		d.dst = dst
		for i := range f.sources {
			if src := &f.sources[i]; len(below) == 0 || src.direct {
				d.sources = append(d.sources, p.sourceAt(gkeShape, m, path, src, below))
			}
		}
		p.derives[gkeShape] = append(p.derives[gkeShape], d)
	}
	return dst
}

// objectOf returns the slot of a field that only has fields below it.
func (p *Plan) objectOf(s shape, m *Mapping, name string) int32 {
	var below []int32
	for i := range m.fields {
		if strings.HasPrefix(m.fields[i].target, name+".") {
			below = append(below, p.fileSlot(s, m, m.fields[i].target))
		}
	}
	if below == nil {
		return p.make("nothing")
	}
	slot, made := p.fresh(m.Name + " object " + name)
	if made {
		p.derives[s] = append(p.derives[s], derivation{dst: slot, object: below})
	}
	return slot
}

func (p *Plan) sourceAt(s shape, m *Mapping, name string, src *fieldSource, below []string) derivedSource {
	d := derivedSource{fieldSource: src}
	if src.when != nil {
		d.when = p.rawQuery(s, m, src.when)
	}
	for _, c := range src.is {
		val, _ := valueOf(c)
		d.is = append(d.is, val)
	}
	for _, from := range src.from {
		names := from.names[:len(from.names):len(from.names)]
		switch {
		case src.pairs != nil:
			in := insideSlot{span: p.layout.WantSpan(names...), element: -1, layout: record.NewLayout()}
			in.key, in.value = in.layout.Want(src.pairs[0]), in.layout.Want(src.pairs[1])
			d.inside = append(d.inside, in)
			if d.subject = src.key; d.subject == "" {
				d.subject = strings.Join(below, ".")
			}
		case from.element >= 0:
			in := insideSlot{span: p.layout.WantSpan(names...), element: from.element, layout: record.NewLayout(), key: none}
			in.value = in.layout.Want(append(from.rest[:len(from.rest):len(from.rest)], below...)...)
			d.inside = append(d.inside, in)
		default:
			d.slots = append(d.slots, p.want(name, append(names, below...)))
			if src.as == "text" {
				d.spans = append(d.spans, p.layout.WantSpan(names...))
			}
		}
	}
	return d
}

// rawQuery compiles a query over the names of a mapping's raw events.
func (p *Plan) rawQuery(s shape, m *Mapping, n kql.Node) *rawQuery {
	c := kql.NewCompiler(rawNames{p, s, m})
	pred, err := c.Compile(n)
	if err != nil {
		panic(err) // a query that was parsed is no malformed tree
	}
	q := &rawQuery{pred: pred, memo: len(p.compilers)}
	p.compilers = append(p.compilers, c)
	return q
}

// rawQuery is a query over the names of raw events.
type rawQuery struct {
	pred *kql.Predicate
	memo int // its memo in each Reader
}

func (r *Reader) matches(q *rawQuery, v *record.View) bool {
	m := r.memos[q.memo]
	m.Reset()
	return q.pred.Match(v, m)
}

// rawNames resolves the names of raw events.
type rawNames struct {
	plan  *Plan
	shape shape
	m     *Mapping
}

// Field implements kql.Env.
func (e rawNames) Field(name string) (record.Field, record.Type) {
	p, key := e.plan, "raw "+e.m.Name+" "+name
	f, ok := p.fields[key]
	if !ok {
		f = record.Field(len(p.paths))
		p.paths, p.fields[key] = append(p.paths, key), f
		slot := p.layout.Want(strings.Split(name, ".")...)
		for s := range p.shapes {
			p.tables[s] = append(p.tables[s], slot)
		}
	}
	return f, record.Keyword
}

// Has implements kql.Env.
func (rawNames) Has(string) bool { return false }

// Pattern implements kql.Env: patterns match nothing in raw events.
func (e rawNames) Pattern(kql.FieldName) record.Field {
	f, _ := e.Field("\x00none")
	return f
}

// Nested implements kql.Env: raw names know no nested fields.
func (e rawNames) Nested(path string) (record.Field, kql.Env) { return e.Pattern(kql.FieldName{}), e }

// needs calls fn with each slot that the derivation looks at.
func (d *derivation) needs(p *Plan, s shape, fn func(int32)) {
	for _, slot := range d.object {
		fn(slot)
	}
	if d.geo != nil {
		fn(d.geo.address)
	}
	for i := range d.sources {
		src := &d.sources[i]
		if src.when != nil {
			for _, f := range src.when.pred.Fields() {
				fn(p.tables[s][f])
			}
		}
		for _, slots := range [][]int32{src.slots, src.spans} {
			for _, slot := range slots {
				fn(slot)
			}
		}
		for k := range src.inside {
			fn(src.inside[k].span)
		}
	}
}

// derive fills the slot of a derivation.
func (r *Reader) derive(d *derivation, v *record.View, f record.Format) {
	if v.Slot(d.dst) != 0 {
		return
	}
	for i := range d.sources {
		src := &d.sources[i]
		if src.when != nil && !r.matches(src.when, v) {
			continue
		}
		for _, val := range src.is {
			v.PushSlot(d.dst, val)
		}
		seen := len(src.from) > 1
		for _, slot := range src.slots {
			for k := v.Slot(slot); k != 0; k = v.Next(k) {
				val := *v.At(k)
				if val.Kind == record.Object && (!src.direct || seen) || d.noEmpty && val.Kind == record.String && val.Str == "" {
					continue
				}
				r.push(v, d.dst, src, val, seen)
			}
		}
		for _, slot := range src.spans {
			for k := v.Slot(slot); k != 0; k = v.Next(k) {
				if b := v.At(k).Bytes(); f.FormOf(b) == record.AMap {
					if decoded, err := f.Decode(b); err == nil {
						r.push(v, d.dst, src, record.StringValue(describe(decoded)), seen)
					}
				}
			}
		}
		for k := range src.inside {
			r.inside(&src.inside[k], src, v, f, d.dst)
		}
		if v.Slot(d.dst) != 0 {
			return
		}
	}
	if d.geo != nil {
		d.geo.push(v, d.dst)
	}
	for _, slot := range d.object {
		if v.Slot(slot) != 0 {
			v.PushSlot(d.dst, record.Value{Kind: record.Object})
			return
		}
	}
}

// push adds a value to a slot, converted.
func (r *Reader) push(v *record.View, dst int32, src *derivedSource, val record.Value, distinct bool) {
	if !src.direct && src.pairs == nil {
		var ok bool
		if val, ok = src.convert(val, v.Keep); !ok {
			return
		}
	}
	if distinct {
		if val.Kind == record.String && val.Str == "" {
			return
		}
		n := 0
		for k := v.Slot(dst); k != 0 && n < maxCompared; k = v.Next(k) {
			if *v.At(k) == val {
				return
			}
			n++
		}
	}
	v.PushSlot(dst, val)
}

// inside pushes what lies inside the elements of an array.
func (r *Reader) inside(in *insideSlot, src *derivedSource, v *record.View, f record.Format, dst int32) {
	view := in.layout.NewView(0, nil)
	for k := v.Slot(in.span); k != 0; k = v.Next(k) {
		n := 0
		f.Each(v.At(k).Bytes(), func(b []byte) bool {
			if n++; in.element >= 0 && n-1 != in.element {
				return n <= in.element
			}
			view.Reset()
			if _, err := f.Scan(in.layout, b, view); err != nil {
				return true
			}
			if in.key != none {
				key := textIn(view, in.key)
				if key == "" || src.subject != "" && key != src.subject {
					return true
				}
				if src.subject == "" {
					v.PushSlot(dst, record.Value{Kind: record.Object})
					return false
				}
			}
			for i := view.Slot(in.value); i != 0; i = view.Next(i) {
				val := *view.At(i)
				if val.Kind == record.String {
					val.Str = v.Keep(val.Bytes())
				}
				r.push(v, dst, src, val, false)
			}
			return true
		})
	}
}
