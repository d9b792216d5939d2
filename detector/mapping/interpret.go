package mapping

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/record"
)

// interpret returns the ECS document of a raw event, which it takes over. It
// makes what the fields of a View are made of, in the plainest way.
func (m *Mapping) interpret(raw map[string]any) map[string]any {
	doc := make(map[string]any)
	for name, val := range constantsOf(m) {
		set(doc, name, val)
	}
	for _, p := range m.time {
		if val := p.in(raw); val != nil {
			set(doc, "@timestamp", val)
			break
		}
	}
	values := m.values(raw)
	for _, name := range sortedKeys(values) { // what lies above goes first
		if val := values[name]; name == "" {
			addAll(doc, val.(map[string]any))
		} else {
			put(doc, strings.Split(name, "."), val)
		}
	}
	return doc
}

// values returns the values of the mapping's fields in a raw event, by target.
func (m *Mapping) values(raw map[string]any) map[string]any {
	all := make(map[string]any)
	for i := range m.fields {
		f := &m.fields[i]
		for k := range f.sources {
			if val := f.sources[k].in(raw); val != nil {
				all[f.target] = val
				break
			}
		}
	}
	return all
}

// in returns what lies at the path of a decoded event, nil if nothing does.
func (p *path) in(raw any) any {
	val := at(raw, p.names)
	if p.element < 0 {
		return val
	}
	list, ok := val.([]any)
	if !ok && p.element == 0 {
		return at(val, p.rest)
	}
	if p.element >= len(list) {
		return nil
	}
	return at(list[p.element], p.rest)
}

// in returns the values that a source has of a decoded event: nil if none, one
// value, or a list.
func (s *fieldSource) in(raw map[string]any) any {
	if s.when != nil && !matches(s.when, raw) {
		return nil
	}
	if s.is != nil {
		if len(s.is) == 1 {
			return s.is[0]
		}
		return slices.Clone(s.is)
	}
	var out []any
	for i := range s.from {
		val := s.from[i].in(raw)
		switch {
		case val == nil:
			continue
		case s.pairs != nil:
			val = s.paired(val)
		case s.snake:
			val = snaked(val)
		case !s.direct:
			val = s.converted(val)
		}
		if len(s.from) == 1 {
			return val
		}
		out = append(out, scalars(val)...)
	}
	if out = distinct(out); len(out) == 0 {
		return nil
	}
	return out
}

// paired makes a map of a list of objects with a key and a value, or the value
// of the one key that the source asks for.
func (s *fieldSource) paired(val any) any {
	m := make(map[string]any)
	for _, e := range elementsOf(val) {
		key, _ := at(e, []string{s.pairs[0]}).(string)
		if v := at(e, []string{s.pairs[1]}); key != "" && v != nil {
			add(m, key, v)
		}
	}
	if s.key != "" {
		return m[s.key]
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// elementsOf returns the elements of a list, of lists in it too.
func elementsOf(val any) (all []any) {
	list, ok := val.([]any)
	if !ok {
		return []any{val}
	}
	for _, e := range list {
		all = append(all, elementsOf(e)...)
	}
	return all
}

// converted applies the conversions to each of the values.
func (s *fieldSource) converted(val any) any {
	if m, ok := val.(map[string]any); ok {
		if s.as != "text" {
			return nil
		}
		val = describe(m)
	}
	if list, ok := val.([]any); ok {
		var out []any
		for _, e := range list {
			if e = s.converted(e); e != nil {
				out = append(out, scalars([]any{e})...)
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	v, ok := valueOf(val)
	if !ok {
		return nil
	}
	if v, ok = s.convert(v, func(b []byte) string { return string(b) }); !ok {
		return nil
	}
	return v.Any()
}

// convert applies as, match, map and else to one value. keep copies text that is
// new to where it lives as long as the event.
func (s *fieldSource) convert(v record.Value, keep func([]byte) string) (_ record.Value, ok bool) {
	text := v.Str
	if v.Kind != record.String && (s.match != nil || s.table != nil || s.as == "text" || s.as == "keyword") {
		text = keep(v.AppendText(nil))
	}
	if s.match != nil {
		at := s.match.FindStringSubmatchIndex(text)
		if at == nil || at[2] < 0 {
			return v, false
		}
		text = text[at[2]:at[3]]
		v = record.StringValue(text)
	}
	switch s.as {
	case "ip":
		if v.Kind != record.String {
			return v, false
		}
		if _, err := netip.ParseAddr(v.Str); err != nil {
			return v, false
		}
	case "lower":
		if v.Kind != record.String {
			return v, false
		}
		if low := strings.ToLower(v.Str); low != v.Str {
			text = keep([]byte(low))
			v = record.StringValue(text)
		}
	case "text", "keyword":
		v = record.StringValue(text)
	case "bool":
		if v.Kind == record.String {
			b, err := strconv.ParseBool(v.Str)
			if err != nil {
				return v, false
			}
			v = record.BoolValue(b)
		}
		if v.Kind != record.Bool {
			return v, false
		}
	case "long":
		if v.Kind == record.String {
			n, err := strconv.ParseInt(v.Str, 10, 64)
			if err != nil {
				return v, false
			}
			v = record.IntValue(n)
		}
		if v.Kind != record.Int && v.Kind != record.Uint {
			return v, false
		}
	}
	if s.table != nil {
		to, known := s.table[text]
		if !known {
			to = s.other
		}
		return valueOf(to)
	}
	return v, true
}

// describe writes a map as {a=b, c={d=e}}, its keys in order: the form in which
// Elastic's pipelines keep a map in a keyword.
func describe(val any) string {
	switch val := val.(type) {
	case map[string]any:
		var parts []string
		for _, k := range sortedKeys(val) {
			parts = append(parts, k+"="+describe(val[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, e := range val {
			parts = append(parts, describe(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case nil:
		return "null"
	}
	v, _ := valueOf(val)
	return string(v.AppendText(nil))
}

// snaked returns a value with the names of its maps in snake case.
func snaked(val any) any {
	switch val := val.(type) {
	case map[string]any:
		out := make(map[string]any, len(val))
		for _, k := range sortedKeys(val) {
			add(out, record.Snake(k), snaked(val[k]))
		}
		return out
	case []any:
		for i, e := range val {
			val[i] = snaked(e)
		}
	}
	return val
}

// matches evaluates a query on a decoded event.
func matches(n kql.Node, raw map[string]any) bool {
	env := &rawDocument{fields: make(map[string]record.Field)}
	c := kql.NewCompiler(env)
	pred, err := c.Compile(n)
	if err != nil {
		return false
	}
	v := record.NewView(max(len(env.names), 1), 0, nil)
	for i, name := range env.names {
		found := at(raw, strings.Split(name, "."))
		for _, leaf := range scalars([]any{found}) {
			if val, ok := valueOf(leaf); ok {
				v.Push(record.Field(i), val)
			}
		}
		if holdsMap(found) {
			v.Push(record.Field(i), record.Value{Kind: record.Object})
		}
	}
	return pred.Match(v, c.NewMemo())
}

// holdsMap tells whether a value is, or holds, a map with something in it.
func holdsMap(val any) bool {
	switch val := val.(type) {
	case map[string]any:
		return len(val) > 0
	case []any:
		return slices.ContainsFunc(val, holdsMap)
	}
	return false
}

// rawDocument resolves the names of a query over a raw event, none of which has
// a type.
type rawDocument struct {
	names  []string
	fields map[string]record.Field
}

func (d *rawDocument) Field(name string) (record.Field, record.Type) {
	f, ok := d.fields[name]
	if !ok {
		if len(d.names) == 0 {
			d.names = append(d.names, "") // the zero Field is nobody's
		}
		f = record.Field(len(d.names))
		d.names, d.fields[name] = append(d.names, name), f
	}
	return f, record.Keyword
}

func (d *rawDocument) Has(string) bool                       { return false }
func (d *rawDocument) Pattern(kql.FieldName) record.Field    { return 0 }
func (d *rawDocument) Nested(string) (record.Field, kql.Env) { return 0, d }
