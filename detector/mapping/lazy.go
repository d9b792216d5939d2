package mapping

import (
	"strings"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/record"
)

// lazyField is a field that the walk does not fill: every field whose name
// has a pattern, or the elements of a nested field.
type lazyField struct {
	pattern kql.FieldName // the zero FieldName: every field
	nested  *nestedField
}

// nestedField is an array of objects whose elements are matched one by one.
type nestedField struct {
	span record.Field // the field that holds the array's bytes
	plan *Plan        // of the elements
}

// Pattern returns the lazy Field that has the values of every field whose
// name matches. It implements kql.Env.
func (p *Plan) Pattern(name kql.FieldName) record.Field {
	return p.lazily("pattern "+name.String(), func() lazyField { return lazyField{pattern: name} })
}

// Nested returns the lazy Field for the elements of an array of objects, and
// where names relative to it are resolved. It implements kql.Env.
func (p *Plan) Nested(path string) (record.Field, kql.Env) {
	f := p.lazily("nested "+path, func() lazyField {
		sub := NewPlan(Options{Mode: ECS})
		sub.prefix = p.prefix + path + "."
		return lazyField{nested: &nestedField{span: p.addSpan(path), plan: sub}}
	})
	return f, p.lazies[f-record.FirstLazy].nested.plan
}

func (p *Plan) lazily(key string, make func() lazyField) record.Field {
	if f, ok := p.lazyBy[key]; ok {
		return f
	}
	lf := make()
	f := record.FirstLazy + record.Field(len(p.lazies))
	p.lazies = append(p.lazies, lf)
	p.lazyBy[key] = f
	return f
}

// addSpan returns a Field that holds the bytes of the maps and arrays at path.
func (p *Plan) addSpan(path string) record.Field {
	f := record.Field(len(p.paths))
	p.paths = append(p.paths, path)
	for s := range p.shapes {
		if s >= fileShape {
			p.tables[s] = append(p.tables[s], p.fileSpan(s, path))
			continue
		}
		at := splitECS(path)
		rest, inEvent := strings.CutPrefix(path, audit)
		switch {
		case s == ecsShape || s == agentShape && inEvent && !dropped(rest):
		case inEvent && !dropped(rest) && own(s, rest):
			at = splitRaw(rest)
		case !inEvent && (s == agentShape || !own(s, path)):
		default:
			p.tables[s] = append(p.tables[s], p.make("nothing"))
			continue
		}
		p.tables[s] = append(p.tables[s], p.layout.WantSpan(at...))
	}
	return f
}

// Fill implements record.Lazy: it writes the document that the event stands
// for and pushes every value whose field matches the pattern. It is slow, and
// runs only for events that everything else in a query let through.
func (r *Reader) Fill(v *record.View, f record.Field) {
	pattern := r.plan.lazies[f-record.FirstLazy].pattern
	r.ev.anything = true
	ref := r.ev.borrow()
	doc, err := ref.Document()
	if err != nil {
		return // counted when the event was scanned
	}
	if r.ev.shape != ecsShape && r.ev.file == nil {
		addAgent(doc)
	}
	walkLeaves("", doc, func(path string, leaf any) {
		whole := pattern.Name == "" || pattern.Matches(path)
		text := ecs.HasText(r.plan.prefix+path) && (pattern.Name == "" || pattern.Matches(path+".text"))
		if !whole && !text {
			return
		}
		val, ok := valueOf(leaf)
		if !ok {
			return
		}
		if val.Type = ecs.TypeOfLeaf(r.plan.prefix + path); whole {
			v.Push(f, val)
		}
		if text && val.Kind == record.String {
			val.Type = record.Text
			v.Push(f, val)
		}
	})
}

// addAgent adds what data stream and agent say of a raw event to its document.
func addAgent(doc map[string]any) {
	for path, src := range sources {
		if src.agent && at(doc, strings.Split(path, ".")) == nil {
			set(doc, path, src.value)
		}
	}
}

// Elements implements record.Lazy.
func (r *Reader) Elements(v *record.View, f record.Field, yield func(*record.View) bool) {
	k := int(f - record.FirstLazy)
	n := r.plan.lazies[k].nested
	if n == nil {
		return
	}
	for len(r.elements) <= k {
		r.elements = append(r.elements, nil)
	}
	e := r.elements[k]
	if e == nil {
		e = &elements{reader: n.plan.NewReader()}
		e.fn = e.one
		r.elements[k] = e
	}
	e.format, e.raw, e.yield, e.more = r.ev.format, r.ev.shape != ecsShape, yield, true
	for i := v.Head(n.span); i != 0 && e.more; i = v.Next(i) {
		e.format.Each(v.At(i).Bytes(), e.fn)
	}
}

// elements reads those of one nested field, one after the other: an event may
// have very many.
type elements struct {
	reader *Reader
	fn     func([]byte) bool // one, made only once
	format record.Format
	raw    bool // of a raw event: what is empty does not count
	yield  func(*record.View) bool
	more   bool // yield wants more
}

// one reads an element. What is no object has no fields to match.
func (e *elements) one(b []byte) bool {
	r := e.reader
	r.view.Reset()
	r.handed++
	r.ev = Event{View: r.view, format: e.format, span: b, shape: ecsShape}
	if _, err := e.format.Scan(r.plan.layout, b, r.view); err == nil {
		if e.raw {
			r.view.DropEmpty()
		}
		e.more = e.yield(r.view)
	}
	return e.more
}

// walkLeaves calls fn for every scalar of a document with its path; arrays
// are flattened.
func walkLeaves(path string, val any, fn func(path string, leaf any)) {
	switch val := val.(type) {
	case map[string]any:
		for k, e := range val {
			p := k
			if path != "" {
				p = path + "." + k
			}
			walkLeaves(p, e, fn)
		}
	case []any:
		for _, e := range val {
			walkLeaves(path, e, fn)
		}
	case nil:
	default:
		fn(path, val)
	}
}

func valueOf(leaf any) (record.Value, bool) {
	switch x := leaf.(type) {
	case string:
		return record.StringValue(x), true
	case bool:
		return record.BoolValue(x), true
	case int64:
		return record.IntValue(x), true
	case uint64:
		return record.UintValue(x), true
	case float64:
		return record.FloatValue(x), true
	}
	return record.Value{}, false
}
