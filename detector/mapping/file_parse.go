package mapping

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/place"
)

// Parse reads the text of a mapping file, whose name is for messages. The error
// has every fault, a line each: file:line:column: what is wrong.
func Parse(file, text string) (*Mapping, error) {
	p := parser{doc: place.Document{File: file, Text: text, FirstLine: 1}, m: &Mapping{byTarget: make(map[string]*field)}}
	if n := longestKey(text); n > maxDots {
		return nil, fmt.Errorf("%s: a key of %d names; at most %d", file, n, maxDots)
	}
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		var at toml.ParseError
		if errors.As(err, &at) {
			return nil, fmt.Errorf("%s:%d:%d: %s", file, at.Position.Line, at.Position.Col, at.Message)
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	p.file(tree)
	return p.m, errors.Join(p.faults...)
}

// maxDots bounds the dots of a line, which make tables in one another.
const maxDots = 64

func longestKey(text string) (most int) {
	for line := range strings.Lines(text) {
		key, _, _ := strings.Cut(line, "=")
		if key = strings.TrimSpace(key); !strings.ContainsAny(key, `'"{#`) {
			most = max(most, strings.Count(key, ".")+1)
		}
	}
	return most
}

type parser struct {
	doc    place.Document
	m      *Mapping
	faults []error
}

// fail notes a fault of what stands at a path of the file.
func (p *parser) fail(at, format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("%s: %s", p.doc.At(p.doc.Place(at).Value), fmt.Sprintf(format, args...)))
}

func (p *parser) file(tree map[string]any) {
	p.only("", tree, "mapping", "fields", "test")
	head := p.table("mapping", tree["mapping"])
	p.only("mapping", head, "name", "dataset", "detect", "unwrap", "time")
	p.m.Name, p.m.Dataset = p.text("mapping.name", head["name"]), p.text("mapping.dataset", head["dataset"])
	for name, val := range map[string]string{"name": p.m.Name, "dataset": p.m.Dataset} {
		if val == "" {
			p.fail("mapping", "%s is missing", name)
		}
	}
	if p.m.detect = p.query("mapping.detect", head["detect"]); p.m.detect == nil {
		p.fail("mapping", "detect is missing: a query over the names of raw events that no other source fits")
	} else {
		branches := []kql.Node{p.m.detect}
		if or, ok := p.m.detect.(kql.Or); ok {
			branches = or.Nodes
		}
		for _, branch := range branches {
			var all []path
			for _, name := range required(branch) {
				all = append(all, path{names: strings.Split(name, "."), element: -1})
			}
			if len(all) == 0 {
				p.fail("mapping.detect", "no field has to be there: begin with one that every event of the source has, such as eventSource: *")
			}
			p.m.required = append(p.m.required, all)
		}
	}
	p.m.unwrap = append(p.m.unwrap, p.texts("mapping.unwrap", head["unwrap"])...)
	p.m.time = p.paths("mapping.time", head["time"])
	p.fields("fields", "", p.table("fields", tree["fields"]))
	slices.SortFunc(p.m.fields, func(a, b field) int { return strings.Compare(a.target, b.target) })
	for i := range p.m.fields {
		f := &p.m.fields[i]
		if p.m.byTarget[f.target] != nil {
			p.fail("fields", "%s is given twice, as a name with dots in quotes and in tables", f.target)
		}
		p.m.byTarget[f.target] = f
	}
	p.fileTests(tree["test"])
}

// only reports the keys of a table that are none of names.
func (p *parser) only(at string, t map[string]any, names ...string) {
	for _, key := range slices.Sorted(maps.Keys(t)) {
		if !slices.Contains(names, key) {
			p.fail(place.Child(at, key), "%q is no key here: use %s", key, strings.Join(names, ", "))
		}
	}
}

func (p *parser) table(at string, val any) map[string]any {
	t, ok := val.(map[string]any)
	if !ok {
		p.fail(at, "the table [%s] is missing", at)
	}
	return t
}

func (p *parser) text(at string, val any) string {
	s, ok := val.(string)
	if !ok && val != nil {
		p.fail(at, "a text in quotes is needed")
	}
	return s
}

// texts reads a text, or a list of texts.
func (p *parser) texts(at string, val any) (all []string) {
	switch val := val.(type) {
	case nil:
	case string:
		all = []string{val}
	case []any:
		for i, e := range val {
			all = append(all, p.text(place.Element(at, i), e))
		}
	default:
		p.fail(at, "a text in quotes, or a list of such, is needed")
	}
	return all
}

func (p *parser) query(at string, val any) kql.Node {
	text := p.text(at, val)
	if text == "" {
		return nil
	}
	n, err := kql.Parse(text)
	if err != nil {
		var syntax *kql.ParseError
		if errors.As(err, &syntax) {
			p.faults = append(p.faults, fmt.Errorf("%s: %w", p.doc.InString(at, syntax.Offset), err))
		} else {
			p.fail(at, "%v", err)
		}
		return nil
	}
	return n
}

func (p *parser) paths(at string, val any) (all []path) {
	for _, s := range p.texts(at, val) {
		all = append(all, p.path(at, s))
	}
	return all
}

// path reads a.b."c.d"[0].e; "" is the whole event. A key with dots is the path
// that it spells.
func (p *parser) path(at, s string) path {
	out := path{element: -1}
	into := &out.names
	for rest := s; rest != ""; {
		var name string
		switch {
		case rest[0] == '"':
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				p.fail(at, "%q has a quote that does not end", s)
				return out
			}
			name, rest = rest[1:end+1], rest[end+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			n, err := strconv.Atoi(rest[1:max(end, 1)])
			if end < 0 || err != nil || n < 0 || out.element >= 0 {
				p.fail(at, "%q: one element may be named, as [0]", s)
				return out
			}
			out.element, into, rest = n, &out.rest, strings.TrimPrefix(rest[end+1:], ".")
			continue
		default:
			end := strings.IndexAny(rest, `.["`)
			if end < 0 {
				end = len(rest)
			}
			name, rest = rest[:end], rest[end:]
		}
		if name == "" {
			p.fail(at, "%q has a name of no letters", s)
			return out
		}
		*into = append(*into, strings.Split(name, ".")...)
		if strings.HasPrefix(rest, ".") {
			if rest = rest[1:]; rest == "" {
				p.fail(at, "%q ends in a dot", s)
			}
		}
	}
	return out
}

// sourceKeys tell the table of a source from one of targets.
var sourceKeys = []string{"from", "all", "is", "when", "as", "map", "else", "match", "pairs", "key", "names"}

// fields reads the tables of [fields]: a table is a source if it has a key that
// says where values come from, else it is part of the targets' names.
func (p *parser) fields(at, target string, t map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(t)) {
		here, name := place.Child(at, key), key
		if target != "" {
			name = target + "." + key
		}
		sub, isTable := t[key].(map[string]any)
		if isTable && !isSource(sub) {
			p.fields(here, name, sub)
			continue
		}
		f := field{target: name}
		list, isList := t[key].([]any)
		switch {
		case !isList:
			f.sources = append(f.sources, p.source(here, t[key]))
		case len(list) == 0:
			p.fail(here, "%s has no source", name)
			continue
		default:
			for i, e := range list {
				f.sources = append(f.sources, p.source(place.Element(here, i), e))
			}
		}
		p.m.fields = append(p.m.fields, f)
	}
}

func isSource(t map[string]any) bool {
	for _, key := range []string{"from", "is", "all"} {
		switch t[key].(type) {
		case nil, map[string]any:
		default:
			return true
		}
	}
	return false
}

func (p *parser) source(at string, val any) (s fieldSource) {
	if text, ok := val.(string); ok {
		return fieldSource{from: []path{p.path(at, text)}, direct: true}
	}
	t, ok := val.(map[string]any)
	if !ok {
		p.fail(at, "a path in quotes, or a table such as { from = \"path\" }, is needed")
		return s
	}
	p.only(at, t, sourceKeys...)
	if !isSource(t) {
		p.fail(at, "the source says nothing of where values come from: from, all or is")
	}
	child := func(key string) string { return place.Child(at, key) }
	s.when = p.query(child("when"), t["when"])
	if from, ok := t["from"]; ok {
		s.from = append(s.from, p.path(child("from"), p.text(child("from"), from)))
	}
	s.from = append(s.from, p.paths(child("all"), t["all"])...)
	if is, ok := t["is"]; ok {
		if s.is, ok = is.([]any); !ok {
			s.is = []any{is}
		}
		for i, e := range s.is {
			if s.is[i], ok = constantOf(e); !ok {
				p.fail(child("is"), "a constant is a text, a number or a boolean")
			}
		}
	}
	if n := boolInt(t["from"] != nil) + boolInt(t["all"] != nil) + boolInt(t["is"] != nil); n > 1 {
		p.fail(at, "from, all and is exclude one another")
	}
	if s.as = p.text(child("as"), t["as"]); s.as != "" && !slices.Contains(conversions, s.as) {
		p.fail(child("as"), "%q is no conversion: use %s", s.as, strings.Join(conversions, ", "))
	}
	if m, ok := t["map"].(map[string]any); ok {
		s.table = make(map[string]any)
		for key, e := range m {
			if s.table[key], ok = constantOf(e); !ok {
				p.fail(place.Child(child("map"), key), "a constant is a text, a number or a boolean")
			}
		}
	} else if t["map"] != nil {
		p.fail(child("map"), "a table is needed: { raw = \"value\" }")
	}
	if e, has := t["else"]; has {
		if s.other, ok = constantOf(e); !ok {
			p.fail(child("else"), "a constant is a text, a number or a boolean")
		}
		if s.table == nil {
			s.table = map[string]any{}
		}
	}
	if re := p.text(child("match"), t["match"]); re != "" {
		var err error
		if s.match, err = regexp.Compile(re); err != nil {
			p.fail(child("match"), "%v", err)
		} else if s.match.NumSubexp() != 1 {
			p.fail(child("match"), "the expression needs one group, which is the value; it has %d", s.match.NumSubexp())
		}
	}
	if s.pairs = p.texts(child("pairs"), t["pairs"]); s.pairs != nil && len(s.pairs) != 2 {
		p.fail(child("pairs"), "two names are needed: that of the key and that of the value")
	}
	if s.key = p.text(child("key"), t["key"]); s.key != "" && s.pairs == nil {
		p.fail(child("key"), "key goes with pairs")
	}
	if names := p.text(child("names"), t["names"]); names != "" {
		if s.snake = names == "snake"; !s.snake {
			p.fail(child("names"), "%q is no spelling of names: use snake", names)
		}
	}
	s.direct = s.from != nil && s.as == "" && s.table == nil && s.match == nil && s.pairs == nil
	if s.snake && !s.direct {
		p.fail(child("names"), "names goes with from alone")
	}
	return s
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func constantOf(val any) (any, bool) {
	switch val.(type) {
	case string, bool, int64, float64:
		return val, true
	}
	return nil, false
}

func (p *parser) fileTests(val any) {
	list, _ := val.([]map[string]any)
	if list == nil && val != nil {
		p.fail("test", "tests are written as [[test]]")
	}
	for i, t := range list {
		at := place.Element("test", i)
		p.only(at, t, "raw", "expect")
		test := fileTest{raw: p.text(place.Child(at, "raw"), t["raw"]), line: p.doc.At(p.doc.Place(at).Key).Line}
		if test.expect, _ = t["expect"].(map[string]any); test.expect == nil || test.raw == "" {
			p.fail(at, "a test has raw, a text of JSON, and expect, a table of fields")
		}
		p.m.tests = append(p.m.tests, test)
	}
}

// required returns the fields without which a query cannot be true.
func required(n kql.Node) []string {
	switch n := n.(type) {
	case kql.And:
		var all []string
		for _, e := range n.Nodes {
			all = append(all, required(e)...)
		}
		return all
	case kql.Match:
		if !n.Field.IsPattern() {
			return []string{n.Field.Name}
		}
	}
	return nil
}
