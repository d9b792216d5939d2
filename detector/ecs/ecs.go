// Package ecs knows the fields of the Elastic Common Schema, and of Elastic's
// integrations those that public rules use, with the types that they have in
// Elastic's indices.
package ecs

import (
	_ "embed"
	"strings"
	"sync"

	"fluent-bit-newterms/detector/record"
)

// The tables of field types, one field per line: TYPE NAME. Lines that start
// with # are comments. A name that ends in ".*" stands for every field below it
// that no line names. TYPE+text says that the field X has a multi-field X.text of
// analysed text.
//
// fields/ecs.txt is generated from ECS's published list by
//
//	ECS_FIELDS=generated/csv/fields.csv go test ./detector/ecs -run TestFieldsOfECS -update
//
// where the list is a file of github.com/elastic/ecs. fields/integrations.txt is
// written by hand: it names its sources.
var (
	//go:embed fields/ecs.txt
	ecsFields string
	//go:embed fields/integrations.txt
	integrationFields string
)

// TypeOf returns the type that a field has in Elastic's indices: ECS, the
// Kubernetes audit log integration, and of other integrations the fields that
// public rules use. A field below a flattened one is a keyword. A field that no
// table names is Dynamic.
//
// Text is the type of match_only_text fields as well. Multi-fields (X.text)
// are in indices only: package kql resolves them to X.
func TypeOf(path string) record.Type {
	types := fieldTypes()
	if t, ok := types[path]; ok {
		return t
	}
	for i := strings.LastIndexByte(path, '.'); i > 0; i = strings.LastIndexByte(path[:i], '.') {
		if t, ok := types[path[:i+1]+"*"]; ok {
			return t
		}
		if types[path[:i]] == record.Flattened {
			return record.Keyword
		}
	}
	return record.Dynamic
}

// TypeOfLeaf is TypeOf for a scalar in a document. Where the table names an
// object, as it does flattened and nested fields, a scalar is a keyword.
func TypeOfLeaf(path string) record.Type {
	switch t := TypeOf(path); t {
	case record.Flattened, record.Nested:
		return record.Keyword
	default:
		return t
	}
}

// Has tells whether a table names this very path.
func Has(path string) bool {
	_, ok := fieldTypes()[path]
	return ok
}

// NestedAbove returns the innermost nested field that a path lies in, "" if
// there is none.
func NestedAbove(path string) string {
	for i := strings.LastIndexByte(path, '.'); i > 0; i = strings.LastIndexByte(path[:i], '.') {
		if fieldTypes()[path[:i]] == record.Nested {
			return path[:i]
		}
	}
	return ""
}

// typesByName are the types as Elasticsearch mappings name them.
var typesByName = map[string]record.Type{
	"keyword": record.Keyword, "constant_keyword": record.Keyword, "wildcard": record.Wildcard,
	"text": record.Text, "match_only_text": record.Text,
	"long": record.Long, "integer": record.Long,
	"double": record.Double, "float": record.Double, "scaled_float": record.Double,
	"boolean": record.Boolean, "date": record.Date, "ip": record.IP,
	"flattened": record.Flattened, "nested": record.Nested,
}

// HasText tells whether an index holds the field at path as analysed text too,
// in the multi-field path.text.
func HasText(path string) bool { return tables().text[path] }

// Names returns every name in the tables, in no order. Names that end in ".*"
// are left out.
func Names() []string {
	names := make([]string, 0, len(fieldTypes()))
	for name := range fieldTypes() {
		if !strings.HasSuffix(name, ".*") {
			names = append(names, name)
		}
	}
	return names
}

func fieldTypes() map[string]record.Type { return tables().types }

// tables is both tables, by name. They are read when a field is first asked for.
var tables = sync.OnceValue(func() (t struct {
	types map[string]record.Type
	text  map[string]bool
}) {
	t.types = make(map[string]record.Type, strings.Count(ecsFields, "\n")+strings.Count(integrationFields, "\n"))
	t.text = make(map[string]bool)
	for _, table := range []string{ecsFields, integrationFields} {
		for line := range strings.Lines(table) {
			typ, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			if !ok || typ == "#" {
				continue
			}
			if base, ok := strings.CutSuffix(typ, "+text"); ok {
				typ, t.text[name] = base, true
			}
			t.types[name] = typesByName[typ]
		}
	}
	return t
})
