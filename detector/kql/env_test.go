package kql

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"fluent-bit-newterms/detector/record"
)

// testEnv is an Env over documents decoded to map[string]any, and fills
// Views of them. Plain fields count from 1, lazy ones from record.FirstLazy:
// patterns are even, nested fields odd.
type testEnv struct {
	types    map[string]record.Type
	prefix   string // of the nested field that the Env is for, with a dot
	fields   map[string]record.Field
	patterns []FieldName
	nested   []*testEnv
}

func newTestEnv(types map[string]record.Type) *testEnv {
	return &testEnv{types: types, fields: map[string]record.Field{}}
}

func (e *testEnv) typeOf(path string) record.Type {
	path = e.prefix + path
	if t, ok := e.types[path]; ok {
		return t
	}
	for p := path; ; {
		i := strings.LastIndexByte(p, '.')
		if i < 0 {
			return record.Dynamic
		}
		p = p[:i]
		if e.types[p] == record.Flattened {
			return record.Keyword
		}
	}
}

func (e *testEnv) Field(path string) (record.Field, record.Type) {
	f, ok := e.fields[path]
	if !ok {
		f = record.Field(len(e.fields) + 1)
		e.fields[path] = f
	}
	return f, e.typeOf(path)
}

func (e *testEnv) Has(path string) bool {
	_, ok := e.types[e.prefix+path]
	return ok
}

func (e *testEnv) Pattern(f FieldName) record.Field {
	for i, p := range e.patterns {
		if p.String() == f.String() {
			return record.FirstLazy + record.Field(2*i)
		}
	}
	e.patterns = append(e.patterns, f)
	return record.FirstLazy + record.Field(2*(len(e.patterns)-1))
}

func (e *testEnv) Nested(path string) (record.Field, Env) {
	full := e.prefix + path + "."
	for i, n := range e.nested {
		if n.prefix == full {
			return record.FirstLazy + record.Field(2*i+1), n
		}
	}
	inner := newTestEnv(e.types)
	inner.prefix = full
	e.nested = append(e.nested, inner)
	return record.FirstLazy + record.Field(2*len(e.nested)-1), inner
}

// view returns a View of doc, once all queries are compiled.
func (e *testEnv) view(doc map[string]any) *record.View {
	v := record.NewView(len(e.fields)+1, 2*max(len(e.patterns), len(e.nested)), testLazy{e, doc})
	e.fill(v, doc)
	return v
}

// fill pushes the values of doc to v, which has been reset.
func (e *testEnv) fill(v *record.View, doc map[string]any) {
	eachValue("", doc, func(path string, val record.Value) {
		if f, ok := e.fields[path]; ok {
			v.Push(f, val)
		}
		if val.Kind == record.Object {
			return
		}
		for f := path; ; {
			i := strings.LastIndexByte(f, '.')
			if i < 0 {
				return
			}
			f = f[:i]
			if field, ok := e.fields[f]; ok && e.types[e.prefix+f] == record.Flattened {
				v.Push(field, val)
			}
		}
	})
}

type testLazy struct {
	env *testEnv
	doc map[string]any
}

func (l testLazy) Fill(v *record.View, f record.Field) {
	i := int(f - record.FirstLazy)
	if i%2 != 0 {
		return
	}
	pattern := l.env.patterns[i/2]
	eachValue("", l.doc, func(path string, val record.Value) {
		if pattern.Matches(path) {
			val.Type = l.env.typeOf(path)
			v.Push(f, val)
		}
	})
}

func (l testLazy) Elements(_ *record.View, f record.Field, yield func(*record.View) bool) {
	inner := l.env.nested[int(f-record.FirstLazy)/2]
	path := strings.TrimSuffix(strings.TrimPrefix(inner.prefix, l.env.prefix), ".")
	for _, element := range elements(l.doc, path) {
		if !yield(inner.view(element)) {
			return
		}
	}
}

// elements returns the objects at path, however the path is split into keys.
func elements(doc map[string]any, path string) []map[string]any {
	var all []map[string]any
	for key, val := range doc {
		if key == path {
			all = append(all, objects(val)...)
		} else if rest, ok := strings.CutPrefix(path, key+"."); ok {
			for _, sub := range objects(val) {
				all = append(all, elements(sub, rest)...)
			}
		}
	}
	return all
}

func objects(val any) []map[string]any {
	switch val := val.(type) {
	case map[string]any:
		return []map[string]any{val}
	case []any:
		var all []map[string]any
		for _, element := range val {
			all = append(all, objects(element)...)
		}
		return all
	}
	return nil
}

// eachValue calls f for every value of doc, arrays flattened, under its
// dotted path.
func eachValue(path string, val any, f func(path string, val record.Value)) {
	switch val := val.(type) {
	case map[string]any:
		if path != "" {
			if len(val) > 0 {
				f(path, record.Value{Kind: record.Object})
			}
			path += "."
		}
		keys := make([]string, 0, len(val))
		for key := range val {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			eachValue(path+key, val[key], f)
		}
	case []any:
		for _, element := range val {
			eachValue(path, element, f)
		}
	default:
		f(path, scalar(val))
	}
}

func scalar(val any) record.Value {
	switch val := val.(type) {
	case nil:
		return record.Value{Kind: record.Null}
	case bool:
		return record.BoolValue(val)
	case string:
		return record.StringValue(val)
	case int:
		return record.IntValue(int64(val))
	case float64:
		if val == math.Trunc(val) && math.Abs(val) < 1<<53 {
			return record.IntValue(int64(val))
		}
		return record.FloatValue(val)
	case json.Number:
		if i, err := strconv.ParseInt(val.String(), 10, 64); err == nil {
			return record.IntValue(i)
		}
		f, _ := val.Float64()
		return record.FloatValue(f)
	}
	panic("no such value in JSON")
}

// ecsTypes are the types of the fields of the public rules that are not
// keywords, as the index templates of their integrations have them.
var ecsTypes = map[string]record.Type{
	"message":                      record.Text,
	"kubernetes.audit.user.groups": record.Text,
	"kubernetes.audit.impersonatedUser.groups":             record.Text,
	"kubernetes.audit.sourceIPs":                           record.Text,
	"kubernetes.audit.requestObject.spec.containers.image": record.Text,
	"kubernetes.audit.responseStatus.message":              record.Text,
	"kubernetes.audit.responseStatus.code":                 record.Long,

	"kubernetes.audit.annotations.authorization_k8s_io/reason": record.Text,
	"source.ip":                               record.IP,
	"destination.ip":                          record.IP,
	"client.ip":                               record.IP,
	"github.actor_ip":                         record.IP,
	"source.port":                             record.Long,
	"destination.port":                        record.Long,
	"source.as.number":                        record.Long,
	"network.bytes":                           record.Long,
	"http.response.status_code":               record.Long,
	"process.args_count":                      record.Long,
	"process.interactive":                     record.Boolean,
	"process.code_signature.exists":           record.Boolean,
	"process.code_signature.trusted":          record.Boolean,
	"aws.cloudtrail.flattened":                record.Flattened,
	"okta.debug_context.debug_data.flattened": record.Flattened,
}
