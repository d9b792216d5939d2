package mapping

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/record"
)

// Reference data lies beside the checkout and is not part of the project.
const referenceData = "../../../shared/data"

func reference(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(referenceData, name))
	if err != nil {
		t.Skipf("the reference data is not beside the checkout: %v", err)
	}
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func lines(data []byte) [][]byte {
	return bytes.Split(bytes.TrimSpace(data), []byte("\n"))
}

// object is a JSON object that keeps the order of its keys, which may repeat.
type object []member

type member struct {
	name string
	val  any // nil, bool, int, float64, string, []any or object
}

func (o object) get(name string) any {
	for _, m := range o {
		if m.name == name {
			return m.val
		}
	}
	return nil
}

func parse(t testing.TB, text string) object {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	val, err := parseNext(d)
	if err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
	return val.(object)
}

func parseNext(d *json.Decoder) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			val, err := parseNext(d)
			if err != nil {
				return nil, err
			}
			o = append(o, member{name.(string), val})
		}
		_, err = d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			val, err := parseNext(d)
			if err != nil {
				return nil, err
			}
			list = append(list, val)
		}
		_, err = d.Token()
		return list, err
	}
	if n, ok := tok.(json.Number); ok {
		if i, err := n.Int64(); err == nil {
			return int(i), nil
		}
		return n.Float64()
	}
	return tok, nil
}

func appendJSON(b []byte, val any) []byte {
	switch val := val.(type) {
	case object:
		b = append(b, '{')
		for i, m := range val {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSON(b, m.name), ':')
			b = appendJSON(b, m.val)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, e := range val {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e)
		}
		return append(b, ']')
	}
	text, err := json.Marshal(val)
	if err != nil {
		panic(err)
	}
	return append(b, text...)
}

func appendMsgpack(b []byte, val any) []byte {
	switch val := val.(type) {
	case object:
		b = msgp.AppendMapHeader(b, uint32(len(val)))
		for _, m := range val {
			b = appendMsgpack(msgp.AppendString(b, m.name), m.val)
		}
		return b
	case []any:
		b = msgp.AppendArrayHeader(b, uint32(len(val)))
		for _, e := range val {
			b = appendMsgpack(b, e)
		}
		return b
	}
	b, err := msgp.AppendIntf(b, val)
	if err != nil {
		panic(err)
	}
	return b
}

const chunkTime = 1_700_000_000_000_000_000

// chunkOf returns a chunk with one record.
func chunkOf(body object) []byte {
	b := []byte{0x92, 0x92, 0xd7, 0x00, 0x65, 0x53, 0xf1, 0x00, 0, 0, 0, 0, 0x80}
	return appendMsgpack(b, body)
}

// wrapping is one of the ways in which an event may come.
type wrapping struct {
	name  string
	wrap  func(event object) object
	azure bool
}

func text(o object) string { return string(appendJSON(nil, o)) }

func under1(name string, val any) object {
	return object{{"stream", "stdout"}, {name, val}, {"time", "2026-01-01T00:00:00Z"}}
}

func azureOf(log any) object {
	return object{
		{"category", "kube-audit"}, {"level", "Informational"}, {"operationName", "Read"}, {"serviceBuild", "na"},
		{"properties", object{{"log", log}, {"pod", "kube-apiserver-1"}, {"containerID", "c1"}, {"other", "o"}}},
		{"resourceId", "/CLUSTERS/A"}, {"time", "2026-01-02T03:04:05Z"},
	}
}

func listOfEvents(items ...any) object {
	return object{{"kind", "EventList"}, {"apiVersion", "audit.k8s.io/v1"}, {"metadata", object{}}, {"items", items}}
}

var wrappings = []wrapping{
	{name: "raw", wrap: func(e object) object { return e }},
	{name: "list", wrap: func(e object) object { return listOfEvents(e) }},
	{name: "list without version", wrap: func(e object) object {
		return object{{"kind", "EventList"}, {"items", []any{e}}}
	}},
	{name: "text under log", wrap: func(e object) object { return under1("log", text(e)) }},
	{name: "text with white space", wrap: func(e object) object { return under1("log", "\n "+text(e)+"\n") }},
	{name: "map under log", wrap: func(e object) object { return under1("log", e) }},
	{name: "CloudWatch query", wrap: func(e object) object { return under1("@message", text(e)) }},
	{name: "CloudWatch subscription", wrap: func(e object) object {
		return object{{"messageType", "DATA_MESSAGE"}, {"logGroup", "/aws/eks/a/cluster"},
			{"logEvents", []any{object{{"id", "1"}, {"timestamp", 5}, {"message", text(e)}}}}}
	}},
	{name: "list as text", wrap: func(e object) object { return under1("message", text(listOfEvents(e))) }},
	{name: "list under a key", wrap: func(e object) object { return under1("body", listOfEvents(e)) }},
	{name: "text within text", wrap: func(e object) object { return under1("log", text(under1("log", text(e)))) }},
	{name: "AKS with text", wrap: func(e object) object { return azureOf(text(e)) }, azure: true},
	{name: "AKS with a map", wrap: func(e object) object { return azureOf(e) }, azure: true},
	{name: "AKS as text", wrap: func(e object) object { return under1("message", text(azureOf(text(e)))) }, azure: true},
	{name: "AKS under a key", wrap: func(e object) object { return under1("record", azureOf(text(e))) }, azure: true},
	{name: "AKS export", wrap: func(e object) object { return object{{"records", []any{azureOf(text(e))}}} }, azure: true},
	{name: "AKS export as text", wrap: func(e object) object {
		return under1("log", text(object{{"records", []any{azureOf(text(e))}}}))
	}, azure: true},
	{name: "agent", wrap: func(e object) object { return object{{"kubernetes", object{{"audit", e}}}} }},
	{name: "agent, mixed", wrap: func(e object) object { return object{{"kubernetes.audit", e}} }},
	{name: "agent, dotted", wrap: func(e object) object {
		var o object
		for _, m := range e {
			o = append(o, member{audit + m.name, m.val})
		}
		return o
	}},
}

// caught is an event as it was handed over.
type caught struct {
	raw    bool
	item   int
	time   int64
	asked  []string            // fields
	values map[string][]string // by field: kind and text of each value, maps left out
	exists map[string]bool
	ref    Ref
}

// catcher reads records and keeps their events.
type catcher struct {
	fields  []string
	byField []record.Field
	reader  *Reader
	events  []caught
	skips   []error
}

func newCatcher(o Options, fields ...string) *catcher {
	if o.Mappings == nil {
		o.Mappings = []*Mapping{} // those of files are tested by themselves
	}
	p := NewPlan(o)
	c := &catcher{fields: fields}
	for _, path := range fields {
		f, _ := p.Field(path)
		c.byField = append(c.byField, f)
	}
	c.reader = p.NewReader()
	c.reader.Skip = func(_ int, err error) { c.skips = append(c.skips, err) }
	return c
}

func (c *catcher) Event(ev *Event) {
	got := caught{raw: ev.Raw(), item: ev.Item, time: ev.Time, ref: ev.Ref(), asked: c.fields,
		values: make(map[string][]string), exists: make(map[string]bool)}
	ev.Time = -1 // a Handler may; the next event must not see it
	for k, f := range c.byField {
		path := c.fields[k]
		for i := ev.View.Head(f); i != 0; i = ev.View.Next(i) {
			got.exists[path] = true
			if val := ev.View.At(i); val.Kind != record.Object {
				got.values[path] = append(got.values[path], fmt.Sprintf("%#v", val.Any()))
			}
		}
	}
	c.events = append(c.events, got)
}

// read reads one record, as a chunk or as a line, and returns its events.
func (c *catcher) read(t testing.TB, f record.Format, body object) []caught {
	t.Helper()
	c.events, c.skips = nil, nil
	var err error
	if f == record.JSON {
		err = c.reader.Line(appendJSON(nil, body), chunkTime, 0, c)
	} else {
		err = c.reader.Chunk(chunkOf(body), c)
	}
	if err != nil && len(c.skips) == 0 {
		t.Fatalf("%s: %v", text(body), err)
	}
	return c.events
}

// one is read for records with exactly one event.
func (c *catcher) one(t testing.TB, f record.Format, body object) caught {
	t.Helper()
	events := c.read(t, f, body)
	if len(events) != 1 || len(c.skips) != 0 {
		t.Fatalf("%d events, %v skipped, want one event of %s", len(events), c.skips, text(body))
	}
	return events[0]
}

func (c caught) document(t testing.TB) map[string]any {
	t.Helper()
	doc, err := c.ref.Document()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

var formats = []struct {
	name   string
	format record.Format
}{{"msgpack", record.Msgpack}, {"JSON", record.JSON}}

// flattened is the naive walk of a document: every value under every path.
// Maps have the value "object".
func flattened(doc map[string]any) map[string][]string {
	all := make(map[string][]string)
	var walk func(path string, val any)
	walk = func(path string, val any) {
		switch val := val.(type) {
		case nil:
		case []any:
			for _, e := range val {
				walk(path, e)
			}
		case map[string]any:
			if len(val) > 0 {
				all[path] = append(all[path], "object")
			}
			for k, e := range val {
				p := strings.TrimPrefix(path+"."+k, ".")
				for i := len(path) + 1; i < len(p); i++ {
					if p[i] == '.' {
						all[p[:i]] = append(all[p[:i]], "object")
					}
				}
				walk(p, e)
			}
		default:
			all[path] = append(all[path], fmt.Sprintf("%#v", val))
		}
	}
	walk("", doc)
	return all
}

// ruleFields returns the fields that the public rules use, and those of the
// sources table.
func ruleFields(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(referenceData, "rules", "*.toml"))
	if err != nil || len(files) == 0 {
		t.Skip("the public rules are not beside the checkout")
	}
	seen := &recordingEnv{Plan: NewPlan(Options{}), paths: make(map[string]bool)}
	compiler := kql.NewCompiler(seen)
	for _, file := range files {
		var r struct {
			Rule struct {
				Query    string
				NewTerms struct{ Value []string } `toml:"new_terms"`
			}
		}
		if _, err := toml.DecodeFile(file, &r); err != nil {
			t.Fatal(err)
		}
		node, err := kql.Parse(r.Rule.Query)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if _, err := compiler.Compile(node); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, path := range r.Rule.NewTerms.Value {
			seen.paths[path] = true
		}
	}
	if len(files) != 144 {
		t.Fatalf("%d rules, want 144", len(files))
	}
	for path := range sources {
		seen.paths[path] = true
	}
	return slices.Sorted(func(yield func(string) bool) {
		for path := range seen.paths {
			if !yield(path) {
				return
			}
		}
	})
}

// recordingEnv remembers which fields queries ask for.
type recordingEnv struct {
	*Plan
	paths map[string]bool
}

func (e *recordingEnv) Field(path string) (record.Field, record.Type) {
	e.paths[path] = true
	return e.Plan.Field(path)
}
