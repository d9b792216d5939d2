package mapping

import (
	"embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"fluent-bit-newterms/detector/kql"
)

// A Mapping says how the raw events of one source become ECS documents: a file
// of TOML, described in conf/mappings.md. Load and Builtin return them checked.
type Mapping struct {
	Name    string
	Dataset string // data_stream.dataset and event.dataset

	detect   kql.Node
	required [][]path // detect cannot be true without all of one of these
	unwrap   []string
	time     []path
	fields   []field // in order of their targets
	byTarget map[string]*field
	tests    []fileTest
}

// field is how an ECS field gets its values: from the first of the sources that
// gives any.
type field struct {
	target  string
	sources []fieldSource
}

// fieldSource is one way to a field's values.
type fieldSource struct {
	when   kql.Node // nil: always
	from   []path   // the values of all of these
	is     []any    // constants, in the place of from
	as     string   // see conversions
	table  map[string]any
	other  any // for values that table lacks; nil: they are dropped
	match  *regexp.Regexp
	pairs  []string // the names of key and value in the elements of a list
	key    string   // of pairs, only the values of this key
	snake  bool     // names below are in snake case
	direct bool     // the values as they are: what is below the target is there too
}

// path is where a value is in a raw event. Element, if it is not -1, is the one
// element of the array at names that counts, and rest is what is in it.
type path struct {
	names   []string
	element int
	rest    []string
}

// fileTest is a test in a mapping file.
type fileTest struct {
	raw    string
	expect map[string]any
	line   int
}

// conversions are the values of "as". What cannot be converted is dropped.
var conversions = []string{"ip", "lower", "text", "bool", "long", "keyword"}

//go:embed builtin/*.toml
var builtinFiles embed.FS

// builtins are the mappings that come with newterms, by name.
var builtins = sync.OnceValue(func() map[string]*Mapping {
	all := make(map[string]*Mapping)
	entries, _ := builtinFiles.ReadDir("builtin")
	for _, e := range entries {
		name := "builtin/" + e.Name()
		text, _ := builtinFiles.ReadFile(name)
		m, err := Parse(name, string(text))
		if err != nil {
			panic(err) // a test reads them all
		}
		all[m.Name] = m
	}
	return all
})

// Builtin returns the names of the mappings that come with newterms, in order;
// kubernetes_audit and ecs, which are no files, are not among them.
func Builtin() []string {
	names := slices.Sorted(maps.Keys(builtins()))
	return slices.DeleteFunc(names, func(s string) bool { return s == gkeMapping })
}

// gkeMapping is the mapping of the entries of Google Kubernetes Engine. It adds
// to what the Kubernetes integration's pipeline makes of them.
const gkeMapping = "kubernetes_gke"

// BuiltinText returns the file of a mapping that comes with newterms.
func BuiltinText(name string) (string, bool) {
	b, err := builtinFiles.ReadFile("builtin/" + name + ".toml")
	return string(b), err == nil
}

// maxFile is how large a mapping file may be.
const maxFile = 1 << 20

// Load reads a mapping file. Errors name the file, the line and the column.
func Load(file string) (*Mapping, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the mapping: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file of a mapping", file)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s has %d bytes; a mapping has at most %d", file, info.Size(), maxFile)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the mapping: %w", err)
	}
	return Parse(file, string(text))
}

// Set takes the value of the property "mapping": auto, or names of built-in
// mappings and paths of files with commas between. auto, or nothing, is all
// built-in ones.
func (o *Options) Set(list string) error {
	o.Mode, o.Mappings = Auto, nil
	names := strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
	if len(names) <= 1 {
		mode, err := ParseMode(strings.TrimSpace(list))
		if o.Mode = mode; err == nil {
			return nil
		}
	}
	o.Mode, o.Mappings = Auto, []*Mapping{}
	for _, name := range names {
		name = strings.TrimSpace(name)
		m := builtins()[name]
		switch {
		case name == "" || name == "ecs" || name == "kubernetes_audit":
			continue
		case name == "auto":
			for _, name := range Builtin() {
				o.Mappings = append(o.Mappings, builtins()[name])
			}
			continue
		case m == nil && filepath.Ext(name) != ".toml":
			return fmt.Errorf("%q is no mapping: use auto, ecs, kubernetes_audit, %s, or the path of a .toml file", name, strings.Join(Builtin(), ", "))
		case m == nil:
			var err error
			if m, err = Load(name); err != nil {
				return err
			}
		}
		o.Mappings = append(o.Mappings, m)
	}
	return nil
}

// mappings are those of the options.
func (o *Options) mappings() []*Mapping {
	switch {
	case o.Mode != Auto:
		return nil
	case o.Mappings != nil:
		return o.Mappings
	}
	var all []*Mapping
	for _, name := range Builtin() {
		all = append(all, builtins()[name])
	}
	return all
}

// Fields returns the ECS fields that the mapping gives, in order; below those
// that end in .* lies whatever the raw event has there.
func (m *Mapping) Fields() []string {
	all := []string{"data_stream.dataset", "data_stream.namespace", "data_stream.type", "event.dataset", "event.kind", "event.module"}
	for _, f := range m.fields {
		all = append(all, f.target)
		if f.sources[0].direct {
			all = append(all, strings.TrimPrefix(f.target+".*", "."))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Gives tells whether the mapping can give a field.
func (m *Mapping) Gives(name string) bool {
	if f, _ := m.find(name); f != nil || constantsOf(m)[name] != "" {
		return true
	}
	for _, f := range m.fields {
		if strings.HasPrefix(f.target, name+".") {
			return true
		}
	}
	return false
}

// find returns the field that gives what lies at an ECS path, and what of the
// path lies below its target.
func (m *Mapping) find(name string) (f *field, below []string) {
	if f := m.byTarget[name]; f != nil {
		return f, nil
	}
	for at := name; ; {
		i := strings.LastIndexByte(at, '.')
		if i < 0 {
			return nil, nil
		}
		at = at[:i]
		if f := m.byTarget[at]; f != nil {
			if !f.sources[0].direct && f.sources[0].pairs == nil {
				return nil, nil
			}
			return f, strings.Split(name[i+1:], ".")
		}
	}
}

// constantsOf are the fields that every event of a mapping has, unless the file
// says otherwise.
func constantsOf(m *Mapping) map[string]string {
	module, _, _ := strings.Cut(m.Dataset, ".")
	all := map[string]string{
		"event.kind": "event", "event.dataset": m.Dataset, "event.module": module,
		"data_stream.type": "logs", "data_stream.dataset": m.Dataset, "data_stream.namespace": "default",
	}
	for name := range all {
		if m.byTarget[name] != nil {
			delete(all, name)
		}
	}
	return all
}
