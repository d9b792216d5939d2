package mapping

import (
	"strings"

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
	return p.lazily("pattern "+name.Name, func() lazyField { return lazyField{pattern: name} })
}

// Nested returns the lazy Field for the elements of an array of objects, and
// where names relative to it are resolved. It implements kql.Env.
func (p *Plan) Nested(path string) (record.Field, kql.Env) {
	f := p.lazily("nested "+path, func() lazyField {
		sub := NewPlan(Options{Mode: ECS})
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
	for s := range shapes {
		at := strings.Split(path, ".")
		if rest, ok := strings.CutPrefix(path, audit); ok && (s == rawShape || s == gkeShape) {
			at = splitRaw(rest)
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
	ref := r.ev.Ref()
	doc, err := ref.Document()
	if err != nil {
		return // counted when the event was scanned
	}
	walkLeaves("", doc, func(path string, leaf any) {
		if pattern.Name != "" && !pattern.Matches(path) {
			return
		}
		if val, ok := valueOf(leaf); ok {
			val.Type = TypeOf(path)
			v.Push(f, val)
		}
	})
}

// Elements implements record.Lazy.
func (r *Reader) Elements(v *record.View, f record.Field) []*record.View {
	k := int(f - record.FirstLazy)
	n := r.plan.lazies[k].nested
	if n == nil {
		return nil
	}
	for len(r.elements) <= k {
		r.elements = append(r.elements, &elements{})
	}
	pool := r.elements[k]
	pool.used, pool.views = 0, pool.views[:0]
	for i := v.Head(n.span); i != 0; i = v.Next(i) {
		r.ev.format.Each(v.At(i).Bytes(), func(elem []byte) bool {
			pool.scan(n.plan, r.ev.format, elem)
			return true
		})
	}
	return pool.views
}

// elements are the readers of one nested field's elements, reused from record
// to record.
type elements struct {
	readers []*Reader
	used    int
	views   []*record.View
}

func (e *elements) scan(p *Plan, f record.Format, elem []byte) {
	if e.used == len(e.readers) {
		e.readers = append(e.readers, p.NewReader())
	}
	r := e.readers[e.used]
	r.view.Reset()
	r.ev = Event{View: r.view, format: f, span: elem, shape: ecsShape}
	r.view.SetTable(p.tables[ecsShape])
	if _, err := f.Scan(p.layout, elem, r.view); err == nil {
		e.views = append(e.views, r.view)
		e.used++
	}
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
