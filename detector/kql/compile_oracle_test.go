package kql

import (
	"encoding/json"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/record"
	"pgregory.net/rapid"
)

var oracleTypes = map[string]record.Type{
	"txt": record.Text, "low": record.Caseless, "ip": record.IP, "num": record.Long, "dbl": record.Double,
	"yes": record.Boolean, "at": record.Date, "wild": record.Wildcard, "flat": record.Flattened,
	"nest": record.Nested, "nest.num": record.Long, "nest.txt": record.Text, "own.text": record.Keyword,
}

var (
	oracleFields = []string{
		"kw", "k.w", "k.x", "txt", "low", "ip", "num", "dbl", "yes", "at", "wild", "flat", "flat.a", "own.text",
		"kw.caseless", "kw.text", "txt.keyword", "low.keyword", "num.keyword", "num.text", "k",
	}
	oracleTexts = []string{
		"", "a", "A", "ab", "aba", "abab", "b", "a b", "B a", "a-b a b", "It's a_b", "line\nfeed", "É", "éa", "true", "false", "null",
		"1", "-1", "2", "10", "1.5", "1e1", "+2", ".5", "1.", "9223372036854775808", "zzz", "and", "not", "or it", `a"b\c*d`,
		"10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "10.0.0.0/8", "fe80::/10", "FE80::/10", "10.0.0.256", "255.255.255.255", "::",
		"2024", "2024-02", "2024-02-29", "2023-02-29", "2024-02-29T12", "2024-02-29T12:30", "2024-02-29T12:30:15Z",
		"2024-02-29T12:30:15.250Z", "2024-02-29T13:30:15.2509+01:00", "1709209815250", "x\x00y", `x\u0000y`,
	}
	oracleNumbers = []any{0, 1, -1, 2, 10, 1.5, -1.5, 0.5, 9.5, 1709209815250, 1e20, true, false, nil}
)

func drawText(t *rapid.T) string {
	if rapid.Bool().Draw(t, "pool") {
		return rapid.SampledFrom(oracleTexts).Draw(t, "text")
	}
	return rapid.StringOfN(rapid.RuneFrom([]rune("abAB é1.,'_-*? \\")), 0, 6, -1).Draw(t, "text")
}

func drawValue(t *rapid.T) any {
	if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
		return rapid.SampledFrom(oracleNumbers).Draw(t, "number")
	}
	return drawText(t)
}

func drawDoc(t *rapid.T, depth int) map[string]any {
	doc := map[string]any{}
	for range rapid.IntRange(0, 4).Draw(t, "fields") {
		path := rapid.SampledFrom(append([]string{"nest.kw", "nest.num", "nest.txt"}, oracleFields...)).Draw(t, "path")
		var val any
		switch rapid.IntRange(0, 6).Draw(t, "shape") {
		case 0:
			val = []any{}
		case 1:
			val = []any{drawValue(t), []any{drawValue(t)}}
		default:
			val = drawValue(t)
		}
		keys := strings.SplitN(path, ".", 1+rapid.IntRange(0, 1).Draw(t, "split"))
		if len(keys) == 1 {
			doc[path] = val
			continue
		}
		sub, _ := doc[keys[0]].(map[string]any)
		if sub == nil {
			sub = map[string]any{}
		}
		sub[keys[1]] = val
		doc[keys[0]] = sub
	}
	if depth == 0 && rapid.Bool().Draw(t, "nested") {
		var all []any
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			all = append(all, map[string]any{"kw": drawValue(t), "num": drawValue(t), "txt": drawValue(t)})
		}
		doc["nest"] = all
	}
	return doc
}

func drawField(t *rapid.T, nested bool) FieldName {
	if nested {
		return Field(rapid.SampledFrom([]string{"kw", "num", "txt", "kw.caseless"}).Draw(t, "field"))
	}
	switch rapid.IntRange(0, 12).Draw(t, "name") {
	case 0:
		return FieldName{}
	case 1:
		return rapid.SampledFrom([]FieldName{
			{Name: "k*", Parts: []string{"k", ""}}, {Name: "*", Parts: []string{"", ""}}, {Name: "*.*t", Parts: []string{"", ".", "t"}},
		}).Draw(t, "pattern")
	}
	return Field(rapid.SampledFrom(oracleFields).Draw(t, "field"))
}

func drawLiteral(t *rapid.T) Literal {
	text := drawText(t)
	switch rapid.IntRange(0, 3).Draw(t, "literal") {
	case 0:
		return Quoted(text)
	case 1:
		parts := strings.Split(text, "a")
		if len(parts) > 1 {
			return Literal{Text: strings.Join(parts, "*"), Parts: parts}
		}
		return Literal{Text: "*", Parts: []string{"", ""}}
	}
	return Literal{Text: text}
}

func drawQuery(t *rapid.T, depth int, nested bool) Node {
	most := 9
	if depth == 0 {
		most = 6
	}
	switch rapid.IntRange(0, most).Draw(t, "node") {
	case 0:
		f := drawField(t, nested)
		if f.IsBare() {
			f = Field("num")
		}
		return Range{f, rapid.SampledFrom([]Op{Lt, Lte, Gt, Gte}).Draw(t, "op"), Literal{Text: drawText(t)}}
	case 1:
		return Glob{drawField(t, nested), drawText(t), rapid.Bool().Draw(t, "fold")}
	case 2:
		return InList{drawField(t, nested), rapid.SampledFrom(oracleLists).Draw(t, "list")}
	case 3, 4, 5, 6:
		return Match{drawField(t, nested), drawLiteral(t)}
	case 7:
		return Not{drawQuery(t, depth-1, nested)}
	case 8:
		if nested || rapid.IntRange(0, 3).Draw(t, "nest") > 0 {
			return All{}
		}
		return Nested{"nest", drawQuery(t, depth-1, true)}
	}
	nodes := []Node{drawQuery(t, depth-1, nested), drawQuery(t, depth-1, nested)}
	// Several matches on one field become one test.
	if m, ok := nodes[0].(Match); ok && rapid.Bool().Draw(t, "same") {
		nodes = append(nodes, Match{m.Field, drawLiteral(t)}, Match{m.Field, drawLiteral(t)})
	}
	if rapid.Bool().Draw(t, "and") {
		return And{nodes}
	}
	return Or{nodes}
}

var oracleLists = func() []*List {
	ips, err := NewIPList("ips", []string{"10.0.0.0/24", "fe80::1-fe80::5", "255.255.255.255"})
	if err != nil {
		panic(err)
	}
	return []*List{NewKeywordList("words", []string{"a", "A", "1", "true", "é"}), ips}
}()

// checkAgainstOracle: whatever the query and the documents, the predicates of
// one Compiler agree with the naive walk, those of a record sharing a Memo.
func checkAgainstOracle(t *rapid.T) {
	env := newTestEnv(oracleTypes)
	c := NewCompiler(env)
	var queries []Node
	var predicates []*Predicate
	for range rapid.IntRange(1, 3).Draw(t, "queries") {
		n := drawQuery(t, 3, false)
		p, err := c.Compile(n)
		if err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		queries, predicates = append(queries, n), append(predicates, p)
	}
	m := c.NewMemo()
	for range rapid.IntRange(1, 4).Draw(t, "docs") {
		doc := drawDoc(t, 0)
		v := env.view(doc)
		m.Reset()
		for i, n := range queries {
			got, want := predicates[i].Match(v, m), oracle{types: oracleTypes}.eval(n, doc)
			if got != want {
				text, _ := json.Marshal(doc)
				t.Fatalf("%s\non %s: got %t, the oracle says %t", n, text, got, want)
			}
			if got {
				checkRequired(t, predicates[i], v, n)
			}
			checkGiven(t, predicates[i], v, m, n, got)
		}
	}
}

// checkRequired: a record that matches holds what the predicate requires.
func checkRequired(t *rapid.T, p *Predicate, v *record.View, n Node) {
	for _, r := range p.Required() {
		found := false
		for i := v.Head(r.Field); i != 0; i = v.Next(i) {
			text := string(v.At(i).AppendText(nil))
			for _, l := range r.Literals {
				found = found || text == l
			}
		}
		if !found {
			t.Fatalf("%s matches a record without the required %q", n, r.Literals)
		}
	}
}

// checkGiven: with what fields hold taken as given, a predicate answers the
// same, and does not look at them.
func checkGiven(t *rapid.T, p *Predicate, v *record.View, m *Memo, n Node, want bool) {
	known := make(map[record.Field]string)
	for _, f := range p.Fields() {
		if f >= record.FirstLazy {
			continue
		}
		i := v.Head(f)
		if i != 0 && v.Next(i) == 0 && v.At(i).Kind == record.String && rapid.Bool().Draw(t, "given") {
			known[f] = v.At(i).Str
		}
	}
	given := p.Given(func(f record.Field) (string, bool) { text, ok := known[f]; return text, ok })
	if got := given.Match(v, m); got != want || got && given.Never() {
		t.Fatalf("%s: got %t (never: %t) given %v, want %t", n, got, given.Never(), known, want)
	}
	for i := range given.steps {
		l := given.steps[i].leaf
		if _, ok := known[l.field]; ok && l.kind != leafMulti {
			t.Fatalf("%s: what is given is looked at", n)
		}
	}
}

func TestOracle(t *testing.T) { rapid.Check(t, checkAgainstOracle) }

func FuzzOracle(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkAgainstOracle)) }
