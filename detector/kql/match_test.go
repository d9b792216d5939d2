package kql

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	var doc map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc
}

// TestMatch: what queries mean, type by type. Documents are JSON; matches and
// misses are separated in the order of the query's truth.
func TestMatch(t *testing.T) {
	tests := []struct {
		name, query     string
		matches, misses []string
	}{
		{"keyword", `kw: create`, []string{`{"kw":"create"}`, `{"kw":["x",["create"]]}`}, []string{`{"kw":"Create"}`, `{"kw":"create "}`, `{}`, `{"kw":null}`, `{"kw":{"x":"create"}}`}},
		{"keyword of a number", `kw: 42`, []string{`{"kw":42}`, `{"kw":"42"}`}, []string{`{"kw":42.5}`, `{"kw":"042"}`}},
		{"keyword of a boolean", `kw: true`, []string{`{"kw":true}`, `{"kw":"true"}`}, []string{`{"kw":false}`}},
		{"numbers in no table", `n.v > 9`, []string{`{"n":{"v":10}}`, `{"n":{"v":9.5}}`, `{"n":{"v":"95"}}`}, []string{`{"n":{"v":9}}`, `{"n":{"v":-10}}`, `{"n":{"v":"10"}}`}},
		{"a number in no table", `n.v: 200.0`, []string{`{"n":{"v":200}}`, `{"n":{"v":"200.0"}}`}, []string{`{"n":{"v":"200"}}`, `{"n":{"v":2000}}`}},
		{"a number in no table, or a text", `n.v: (200 or 3*)`, []string{`{"n":{"v":200.0}}`, `{"n":{"v":31}}`, `{"n":{"v":"3"}}`}, []string{`{"n":{"v":"200.0"}}`}},
		{"null is a text", `kw: null`, []string{`{"kw":"null"}`}, []string{`{"kw":null}`, `{}`}},
		{"dotted and nested", `k.w: x`, []string{`{"k.w":"x"}`, `{"k":{"w":"x"}}`, `{"k":[{"w":"y"},{"w":"x"}]}`}, []string{`{"k":"x"}`}},
		{"exists", `kw: *`, []string{`{"kw":""}`, `{"kw":false}`, `{"kw":[null,0]}`, `{"kw":{"x":null}}`}, []string{`{"kw":[]}`, `{"kw":null}`, `{"kw":[null]}`, `{}`, `{"kw":{}}`}},
		{"not", `not kw: a`, []string{`{}`, `{"kw":"b"}`}, []string{`{"kw":["b","a"]}`}},
		{"prefix", `kw: a*`, []string{`{"kw":"a"}`, `{"kw":"ab\nc"}`}, []string{`{"kw":"ba"}`, `{"kw":"A"}`}},
		{"suffix", `kw: *a`, []string{`{"kw":"a"}`, `{"kw":"b\na"}`}, []string{`{"kw":"ab"}`}},
		{"middle", `kw: *S3 Browser*`, []string{`{"kw":"[S3 Browser 9]"}`, `{"kw":"S3 Browser"}`}, []string{`{"kw":"s3 browser"}`, `{"kw":"S3  Browser"}`}},
		{"several stars", `kw: a*b*c`, []string{`{"kw":"abc"}`, `{"kw":"a\nbbxc"}`}, []string{`{"kw":"acb"}`, `{"kw":"ac"}`}},
		{"stars that would overlap", `kw: ab*ba`, []string{`{"kw":"abba"}`, `{"kw":"abxba"}`}, []string{`{"kw":"aba"}`}},
		{"wildcard on a number", `kw: 4*`, []string{`{"kw":42}`}, []string{`{"kw":24}`, `{"kw":null}`, `{"kw":{"a":4}}`}},
		{"escaped star", `kw: a\*`, []string{`{"kw":"a*"}`}, []string{`{"kw":"ab"}`}},
		{"range of texts", `kw >= b and kw < c`, []string{`{"kw":"b"}`, `{"kw":"bzz"}`}, []string{`{"kw":"c"}`, `{"kw":"B"}`}},
		{"set of many", `kw: (aa or bb or cc or dd or ee or ff or gg or hh or ii or jj)`, []string{`{"kw":"jj"}`, `{"kw":"aa"}`}, []string{`{"kw":"kk"}`, `{"kw":""}`, `{"kw":"aaa"}`}},
		{"caseless", `low: ÄB*`, []string{`{"low":"äbc"}`, `{"low":"ÄBC"}`}, []string{`{"low":"abc"}`}},
		{"X.caseless is X in lower case", `kw.caseless: cmd.EXE`, []string{`{"kw":"CMD.exe"}`}, []string{`{"kw":"cmd"}`}},
		{"X.caseless as data", `kw.caseless: a`, []string{`{"kw.caseless":"a","kw":"b"}`, `{"kw.caseless":null,"kw":"A"}`}, []string{`{"kw.caseless":"A","kw":"a"}`}},
		{"X.text is X analysed", `kw.text: fox`, []string{`{"kw":"The quick Fox."}`}, []string{`{"kw":"foxes"}`}},
		{"X.keyword is X whole", `txt.keyword: "A b"`, []string{`{"txt":"A b"}`}, []string{`{"txt":"a b"}`, `{"txt":"A b c"}`}},
		{"X.text that the types name", `own.text: a`, []string{`{"own.text":"a"}`}, []string{`{"own":"a"}`, `{"own.text":"a b"}`}},
		{"words", `txt: quick fox`, []string{`{"txt":"a FOX"}`, `{"txt":"Quick!"}`}, []string{`{"txt":"quickly"}`, `{"txt":""}`}},
		{"phrase", `txt: "quick fox"`, []string{`{"txt":"the Quick, FOX"}`}, []string{`{"txt":"quick brown fox"}`, `{"txt":["quick","fox"]}`, `{"txt":"quick"}`}},
		{"phrase after a false start", `txt: "a a b"`, []string{`{"txt":"a a a b"}`}, []string{`{"txt":"a b a"}`}},
		{"nothing but signs", `txt: "--"`, nil, []string{`{"txt":"--"}`, `{}`}},
		{"wildcards on words", `txt: qu* *x`, []string{`{"txt":"some quality"}`, `{"txt":"SIX"}`}, []string{`{"txt":"axe"}`}},
		{"wildcard of the whole text", `txt: debian\:*`, []string{`{"txt":"debian:12"}`}, []string{`{"txt":"debian"}`, `{"txt":"xdebian:12"}`}},
		{"group in a text field", `txt: "system:masters"`, []string{`{"txt":["system:authenticated","system:masters"]}`}, []string{`{"txt":"system masters"}`}},
		{"address in a text field", `txt: "10.0.0.1"`, []string{`{"txt":"10.0.0.1"}`}, []string{`{"txt":"10.0.0.11"}`}},
		{"address", `ip: "::ffff:10.0.0.1"`, []string{`{"ip":"10.0.0.1"}`, `{"ip":"::FFFF:a00:1"}`}, []string{`{"ip":"10.0.0.2"}`, `{"ip":167772161}`}},
		{"address, long form", `ip: "fe80::1"`, []string{`{"ip":"FE80:0:0:0:0:0:0:1"}`}, []string{`{"ip":"fe80::1%eth0"}`}},
		{"block", `ip: 10.0.0.0/8`, []string{`{"ip":["1.1.1.1","10.255.0.1"]}`, `{"ip":"::ffff:10.1.1.1"}`, `{"ip":"10.0.0.0/8"}`}, []string{`{"ip":"11.0.0.0"}`, `{"ip":"10.0.0"}`, `{"ip":""}`, `{"ip":null}`}},
		{"IPv6 block", `ip: "FC00::/7"`, []string{`{"ip":"fdff::"}`}, []string{`{"ip":"fe00::"}`, `{"ip":"10.0.0.1"}`}},
		{"range of addresses", `ip > 10.0.0.1 and ip <= 10.0.0.3`, []string{`{"ip":"10.0.0.2"}`, `{"ip":"10.0.0.3"}`}, []string{`{"ip":"10.0.0.1"}`, `{"ip":"10.0.0.10"}`, `{"ip":"::1"}`}},
		{"no address", `ip: example.org or ip: 10.*`, nil, []string{`{"ip":"example.org"}`, `{"ip":"10.0.0.1"}`}},
		{"integer", `num: 443`, []string{`{"num":443}`, `{"num":"443"}`, `{"num":443.9}`}, []string{`{"num":444}`, `{"num":true}`, `{"num":"x"}`}},
		{"integer with a point", `num: 1.5`, nil, []string{`{"num":1.5}`, `{"num":1}`, `{"num":2}`}},
		{"numeric range", `num >= 400 and num < 500`, []string{`{"num":400}`, `{"num":"499"}`}, []string{`{"num":399}`, `{"num":500}`, `{"num":null}`, `{"num":4e5}`}},
		{"large integers", `num: 9223372036854775807`, []string{`{"num":9223372036854775807}`}, []string{`{"num":9223372036854775806}`}},
		{"no number", `num: abc or num: 4* or num > x`, nil, []string{`{"num":"abc"}`, `{"num":42}`}},
		{"floating point", `dbl: 1.50`, []string{`{"dbl":1.5}`, `{"dbl":"15e-1"}`}, []string{`{"dbl":1}`}},
		{"boolean", `yes: true`, []string{`{"yes":true}`, `{"yes":"true"}`}, []string{`{"yes":1}`, `{"yes":"yes"}`, `{}`}},
		{"boolean false", `yes: false`, []string{`{"yes":false}`, `{"yes":""}`}, []string{`{"yes":true}`, `{"yes":null}`}},
		{"day", `at: 2024-02-29`, []string{`{"at":"2024-02-29T23:59:59.999Z"}`, `{"at":1709164800000}`, `{"at":"2024-03-01T00:30:00+01:00"}`}, []string{`{"at":"2024-03-01"}`, `{"at":"29 Feb 2024"}`}},
		{"after a day", `at > 2024-02-29`, []string{`{"at":"2024-03-01"}`}, []string{`{"at":"2024-02-29T12:00:00Z"}`}},
		{"moment", `at <= "2024-02-29T12:00:00Z"`, []string{`{"at":"2024-02-29T12:00:00.5Z"}`, `{"at":"2024-02-29T13:00:00.000000+0100"}`}, []string{`{"at":"2024-02-29T12:00:01Z"}`}},
		{"no date", `at: yesterday or at > now-1x or at > now- or at: now1d or at > "2024||" and at < x||+1d`, nil, []string{`{"at":"yesterday"}`, `{"at":"2024"}`}},
		{"before now", `at < now-1d`, []string{`{"at":"2024"}`}, []string{`{"at":"9999"}`}},
		{"after now", `at > now+1h/h or at > now/y+100y`, []string{`{"at":"9999-01-01"}`}, []string{`{"at":"2024"}`}},
		{"reckoned from a date", `at: "2024-01-31||+1M"`, []string{`{"at":"2024-02-29T01:00:00Z"}`}, []string{`{"at":"2024-02-28"}`, `{"at":"2024-03-02"}`}},
		{"rounded", `at >= "2024-02-29||/M" and at <= "2024-02-10||/M"`, []string{`{"at":"2024-02-01"}`, `{"at":"2024-02-29T23:59:59.999Z"}`}, []string{`{"at":"2024-01-31T23:59:59Z"}`, `{"at":"2024-03-01"}`}},
		{"flattened", `flat: x and flat.b: 1`, []string{`{"flat":{"a":{"c":"x"},"b":1}}`}, []string{`{"flat":{"a":"y","b":1}}`, `{"flat":{"a":"x","b":2}}`}},
		{"nested", `nest: { kw: a and num > 1 }`, []string{`{"nest":[{"kw":"b"},{"kw":"a","num":2}]}`, `{"nest":{"kw":"a","num":2}}`}, []string{`{"nest":[{"kw":"a","num":1},{"kw":"b","num":2}]}`, `{}`}},
		{"not in nested", `nest: { not kw: a }`, []string{`{"nest":[{"kw":"a"},{"x":1}]}`}, []string{`{"nest":[{"kw":"a"}]}`, `{}`}},
		{"not nested", `not nest: { kw: a }`, []string{`{}`, `{"nest":[{"kw":"b"}]}`}, []string{`{"nest":[{"kw":"a"}]}`}},
		{"field pattern", `k*: 10.0.0.1 or *p: 10.0.0.0/8`, []string{`{"k.x":"10.0.0.1"}`, `{"ip":"10.9.9.9"}`}, []string{`{"kw":"10.9.9.9"}`}},
		{"field pattern exists", `k.*: *`, []string{`{"k":{"x":0}}`}, []string{`{"k":{"x":null}}`, `{"kx":1}`}},
		{"bare value", `443`, []string{`{"num":443}`, `{"kw":"443"}`, `{"txt":"port 443"}`}, []string{`{"kw":"port 443"}`}},
		{"bare star", `*`, []string{`{}`}, nil},
		{"NUL, and its escape escaped", `kw: "\u0000"`, []string{`{"kw":"\u0000"}`, `{"kw":"\\u0000"}`}, []string{`{"kw":""}`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n, err := Parse(test.query)
			if err != nil {
				t.Fatal(err)
			}
			env := newTestEnv(oracleTypes)
			c := NewCompiler(env)
			p, err := c.Compile(n)
			if err != nil {
				t.Fatal(err)
			}
			m := c.NewMemo()
			for _, doc := range slices.Concat(test.matches, test.misses) {
				want := slices.Contains(test.matches, doc)
				m.Reset()
				if got := p.Match(env.view(decode(t, doc)), m); got != want {
					t.Errorf("%s on %s: got %t, want %t", test.query, doc, got, want)
				}
			}
		})
	}
}

func compile(t testing.TB, c *Compiler, query string) *Predicate {
	t.Helper()
	n, err := Parse(query)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Compile(n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCompileErrors(t *testing.T) {
	for name, n := range map[string]Node{
		"nil":           nil,
		"nil in and":    And{[]Node{All{}, nil}},
		"empty and":     And{},
		"empty or":      Not{Or{}},
		"no list":       InList{Field: Field("a")},
		"nested path":   Nested{Node: All{}},
		"nil in nested": Nested{Path: "a"},
	} {
		if _, err := NewCompiler(newTestEnv(nil)).Compile(n); err == nil {
			t.Errorf("%s: compiles, want an error", name)
		}
	}
}

func TestIPListErrors(t *testing.T) {
	for _, value := range []string{"", "10.0.0", "10.0.0.0/33", "10.0.0.2-10.0.0.1", "10.0.0.1-", "fe80::1%eth0", "a-b"} {
		if _, err := NewIPList("exits", []string{"10.0.0.1", value}); err == nil || !strings.Contains(err.Error(), `list "exits", value 2`) {
			t.Errorf("%q: got %v, want an error that names the list and the value", value, err)
		}
	}
}

func TestRequired(t *testing.T) {
	tests := []struct {
		query string
		want  map[string][]string
	}{
		{`a: x and b: (y or "z") and c: *`, map[string][]string{"a": {"x"}, "b": {"y", "z"}}},
		{`(a: x and b: 1) or (a: y and not b: 1)`, map[string][]string{"a": {"x", "y"}}},
		{`a: x or b: y`, nil},
		{`not a: x`, nil},
		{`a: x*`, nil},
		{`a: (x or y*)`, nil},
		{`num: 1 and txt: x and a.caseless: x and a*: x and x and nest: { kw: x }`, nil},
		{`not (not a: x or b: y)`, map[string][]string{"a": {"x"}}},
	}
	for _, test := range tests {
		env := newTestEnv(oracleTypes)
		p := compile(t, NewCompiler(env), test.query)
		got := map[string][]string{}
		for _, r := range p.Required() {
			for path, f := range env.fields {
				if f == r.Field {
					got[path] = r.Literals
				}
			}
		}
		if len(got) != len(p.Required()) || len(got) != len(test.want) {
			t.Errorf("%s: got %v, want %v", test.query, got, test.want)
		}
		for path, want := range test.want {
			if !slices.Equal(got[path], want) {
				t.Errorf("%s: %s must be one of %q, want %q", test.query, path, got[path], want)
			}
		}
	}
}

// TestSharing: a test that predicates share is made once a record, and again
// for the next; predicates compiled after the Memo was made work too.
func TestSharing(t *testing.T) {
	env := newTestEnv(nil)
	c := NewCompiler(env)
	a := compile(t, c, `kw: (x or "y") and a: 1`)
	m := c.NewMemo()
	b := compile(t, c, `b: 1 or (kw: y or kw: x)`)
	if len(c.leaves) != 3 || c.slots != 1 {
		t.Fatalf("%d leaves and %d slots, want kw, a and b, and a slot for kw", len(c.leaves), c.slots)
	}
	matching, other := env.view(decode(t, `{"kw":"x","a":1}`)), env.view(decode(t, `{"kw":"z","a":1}`))
	m.Reset()
	if !a.Match(matching, m) || !b.Match(matching, m) {
		t.Error("the record does not match")
	}
	// Without a reset the result for the last record still stands.
	if !b.Match(other, m) {
		t.Error("the shared test was made twice for one record")
	}
	m.Reset()
	if a.Match(other, m) || b.Match(other, m) {
		t.Error("the result of the last record outlived the reset")
	}
	m.epoch = ^uint32(0) - 1
	m.Reset()
	if m.epoch < 2 || a.Match(other, m) || !a.Match(matching, c.NewMemo()) {
		t.Error("results are wrong when the epochs begin anew")
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	doc := `{"kw":"Some Value","txt":"A quick brown ÉLAN 10.0.0.1","low":"ÜBER","ip":["10.0.0.1","fe80::1","1.2.3","::x","junk"],
		"num":["12","1.5","x","1e","--"],"dbl":1.25,"yes":"true","at":["2024-02-29T12:00:00+01:00","2024-13","x"],"flat":{"a":1}}`
	for _, query := range []string{
		`kw: (a or b or c) or kw: 1 or flat: 2`,
		`kw: *x* or kw: a* or kw: *b*c`,
		`txt: (slow or "brown fox" or fast*) or txt: "quick brown elan"`,
		`low: (a or Über2 or x*)`,
		`ip: (1.1.1.1 or 192.168.0.0/16 or "fd00::/8")`,
		`num: (7 or 8) or dbl < 1 or dbl > 1e3`,
		`yes: false or at > 2030 or at: 2020-01-01`,
		`kw.caseless: (cmd.exe or *foo*)`,
		`dbl: 12 or kw.text: nothing or txt.keyword: 1*`,
	} {
		env := newTestEnv(oracleTypes)
		c := NewCompiler(env)
		p := compile(t, c, query)
		n, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		glob, err := c.Compile(Or{[]Node{n, Glob{Field("kw"), "?OME*x", true}, InList{Field("kw"), oracleLists[0]}, InList{Field("ip"), oracleLists[0]}}})
		if err != nil {
			t.Fatal(err)
		}
		m, v := c.NewMemo(), env.view(decode(t, doc))
		if allocs := testing.AllocsPerRun(100, func() {
			m.Reset()
			if p.Match(v, m) || glob.Match(v, m) {
				t.Errorf("%s matches", query)
			}
		}); allocs != 0 {
			t.Errorf("%s: %v allocations a record, want none", query, allocs)
		}
	}
}
