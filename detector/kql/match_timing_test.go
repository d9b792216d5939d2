package kql

import (
	"testing"

	"fluent-bit-newterms/detector/record"
)

// BenchmarkRules runs the queries of all public rules over the documents of
// the verdicts: ns/op is a record against all of them. It checks that each
// document's own rule gives the verdict.
func BenchmarkRules(b *testing.B) {
	queries, cases := ruleQueries(b), verdicts(b)
	env := newTestEnv(ecsTypes)
	c := NewCompiler(env)
	var predicates []*Predicate
	index := make(map[string]int)
	for id, query := range queries {
		index[id] = len(predicates)
		predicates = append(predicates, compile(b, c, query))
	}
	cases = cases[:min(len(cases), 1000)]
	views := make([]*record.View, len(cases))
	for i, v := range cases {
		views[i] = env.view(v.Doc)
	}
	m := c.NewMemo()
	results := make([]bool, len(predicates))
	b.ReportAllocs()
	b.ResetTimer()
	k := 0
	for b.Loop() {
		m.Reset()
		for i, p := range predicates {
			results[i] = p.Match(views[k], m)
		}
		if results[index[cases[k].RuleID]] != cases[k].Match {
			b.Fatalf("verdict %d is wrong", k+1)
		}
		if k++; k == len(cases) {
			k = 0
		}
	}
	b.ReportMetric(float64(len(predicates)), "rules")
}

// BenchmarkMatch times one query each on a value that it has to look at to
// the end, and checks the answer.
func BenchmarkMatch(b *testing.B) {
	doc := `{"kw":"Mozilla/5.0 (X11; Linux x86_64) kubectl/v1.29","txt":"authorization.k8s.io: the request was denied by the admission webhook","ip":"203.0.113.7","num":403,"at":"2024-02-29T12:00:00.123456Z","low":"System:Node"}`
	for _, test := range []struct {
		name, query string
		want        bool
	}{
		{"exact", `kw: "Mozilla/5.0 (X11; Linux x86_64) kubectl/v1.29"`, true},
		{"exists", `kw: *`, true},
		{"set", `kw: (kubelet or kubectl or curl or "a b c" or system)`, false},
		{"contains", `kw: *python*`, false},
		{"contains5", `kw: (*python* or *curl* or *wget* or *Go-http* or *aws*)`, false},
		{"caseless", `low: "system:node"`, true},
		{"word", `txt: forbidden`, false},
		{"phrase", `txt: "admission webhook"`, true},
		{"blocks", `ip: (10.0.0.0/8 or 172.16.0.0/12 or 192.168.0.0/16 or 127.0.0.0/8 or "FE80::/10")`, false},
		{"number", `num >= 400`, true},
		{"date", `at > 2024-03`, false},
	} {
		b.Run(test.name, func(b *testing.B) {
			env := newTestEnv(oracleTypes)
			c := NewCompiler(env)
			p := compile(b, c, test.query)
			m, v := c.NewMemo(), env.view(decode(b, doc))
			b.ReportAllocs()
			for b.Loop() {
				m.Reset()
				if p.Match(v, m) != test.want {
					b.Fatalf("%s: got %t, want %t", test.query, !test.want, test.want)
				}
			}
		})
	}
}
