package rule

import (
	"fmt"
	"strings"
	"testing"
)

// TestFilters reads one filter in Kibana's JSON and prints what it became.
// "" is a filter that is passed over, "!…" an error.
func TestFilters(t *testing.T) {
	for name, c := range map[string]struct{ filter, want string }{
		"exists":             {`{"query":{"exists":{"field":"a.b"}}}`, `a.b: *`},
		"exists, old form":   {`{"meta":{"type":"exists"},"$state":{"store":"appState"},"exists":{"field":"a"}}`, `a: *`},
		"match_all":          {`{"query":{"match_all":{}}}`, `*: *`},
		"match_none":         {`{"query":{"match_none":{}}}`, `not *: *`},
		"phrase":             {`{"query":{"match_phrase":{"a":"b c"}}}`, `a: "b c"`},
		"phrase, long form":  {`{"query":{"match_phrase":{"a":{"query":"b","boost":2}}}}`, `a: "b"`},
		"phrase, number":     {`{"query":{"match_phrase":{"a":5}}}`, `a: "5"`},
		"phrase, long one":   {`{"query":{"match_phrase":{"a":12345678901234567890}}}`, `a: "12345678901234567890"`},
		"phrase, boolean":    {`{"query":{"match_phrase":{"a":false}}}`, `a: "false"`},
		"phrase, slop":       {`{"query":{"match_phrase":{"a":{"query":"b","slop":1}}}}`, `!slop is not supported`},
		"phrases":            {`{"query":{"bool":{"minimum_should_match":1,"should":[{"match_phrase":{"a":"b"}},{"match_phrase":{"a":"c"}}]}}}`, `a: ("b" or "c")`},
		"match":              {`{"query":{"match":{"a":"b c"}}}`, `a: b c`},
		"match, keyword":     {`{"query":{"match":{"a":"or*"}}}`, `a: or\*`},
		"match, type phrase": {`{"query":{"match":{"a":{"query":"b c","type":"phrase"}}}}`, `a: "b c"`},
		"match, and":         {`{"query":{"match":{"a":{"query":"b c","operator":"and"}}}}`, `!operator and is not supported`},
		"match, and, a word": {`{"query":{"match":{"a":{"query":"b","operator":"AND"}}}}`, `a: b`},
		"match, fuzziness":   {`{"query":{"match":{"a":{"query":"b","fuzziness":"AUTO"}}}}`, `!fuzziness is not supported`},
		"term":               {`{"query":{"term":{"a":"b"}}}`, `a: "b"`},
		"term, long form":    {`{"query":{"term":{"a":{"value":"b"}}}}`, `a: "b"`},
		"term, any case":     {`{"query":{"term":{"a":{"value":"b*c\\d?","case_insensitive":true}}}}`, `wildcard(a, "b\\*c\\\\d\\?", case_insensitive)`},
		"terms":              {`{"query":{"terms":{"a":["b",1,true],"boost":1}}}`, `a: ("b" or "1" or "true")`},
		"terms, none":        {`{"query":{"terms":{"a":[]}}}`, `not *: *`},
		"terms, lookup":      {`{"query":{"terms":{"a":{"index":"i","id":"1","path":"p"}}}}`, `!must be a list of values`},
		"wildcard":           {`{"query":{"wildcard":{"a":"b*?\\*"}}}`, `wildcard(a, "b*?\\*")`},
		"wildcard, any case": {`{"query":{"wildcard":{"a":{"value":"b*","case_insensitive":true,"rewrite":"constant_score","boost":1}}}}`, `wildcard(a, "b*", case_insensitive)`},
		"wildcard, old name": {`{"query":{"wildcard":{"a":{"wildcard":"b*"}}}}`, `wildcard(a, "b*")`},
		"prefix":             {`{"query":{"prefix":{"a":{"value":"b*"}}}}`, `wildcard(a, "b\\**")`},
		"range":              {`{"query":{"range":{"a":{"gte":1,"lt":"5"}}}}`, `a >= "1" and a < "5"`},
		"range, old form":    {`{"range":{"a":{"gt":1,"lte":2.5}}}`, `a > "1" and a <= "2.5"`},
		"range, date":        {`{"query":{"range":{"@timestamp":{"gte":"2026-01-01","format":"strict_date_optional_time","time_zone":"UTC"}}}}`, `@timestamp >= "2026-01-01"`},
		"range, no bounds":   {`{"query":{"range":{"a":{}}}}`, `a: *`},
		"range, null bound":  {`{"query":{"range":{"a":{"gte":null,"lt":5}}}}`, `a < "5"`},
		"range, no table":    {`{"query":{"range":{"a":5}}}`, `!must be a table of bounds`},
		"range, time zone":   {`{"query":{"range":{"a":{"gte":1,"time_zone":"+02:00"}}}}`, `!time zone "+02:00" is not supported`},
		"negated":            {`{"meta":{"negate":true},"query":{"exists":{"field":"a"}}}`, `not a: *`},
		"disabled":           {`{"meta":{"disabled":true,"negate":true},"query":{"script":{}}}`, ``},
		"bool":               {`{"query":{"bool":{"must":[{"term":{"a":1}}],"filter":{"term":{"b":2}},"must_not":[{"term":{"c":3}},{"term":{"d":4}}],"should":[{"term":{"e":5}}]}}}`, `a: "1" and b: "2" and not c: "3" and not d: "4"`},
		"bool, only should":  {`{"query":{"bool":{"should":[{"term":{"a":1}},{"term":{"b":2}}]}}}`, `a: "1" or b: "2"`},
		"bool, must_not":     {`{"query":{"bool":{"must_not":{"term":{"a":1}},"should":[{"term":{"b":2}},{"term":{"c":3}}]}}}`, `(b: "2" or c: "3") and not a: "1"`},
		"bool, filter+msm":   {`{"query":{"bool":{"filter":[{"term":{"a":1}}],"should":[{"term":{"b":2}},{"term":{"c":3}}],"minimum_should_match":1}}}`, `a: "1" and (b: "2" or c: "3")`},
		"bool, two of three": {`{"query":{"bool":{"should":[{"term":{"a":1}},{"term":{"b":2}},{"term":{"c":3}}],"minimum_should_match":2}}}`, `a: "1" and b: "2" or a: "1" and c: "3" or b: "2" and c: "3"`},
		"bool, 67%":          {`{"query":{"bool":{"should":[{"term":{"a":1}},{"term":{"b":2}},{"term":{"c":3}}],"minimum_should_match":"67%"}}}`, `a: "1" and b: "2" or a: "1" and c: "3" or b: "2" and c: "3"`},
		"bool, all but one":  {`{"query":{"bool":{"should":[{"term":{"a":1}},{"term":{"b":2}}],"minimum_should_match":-1}}}`, `a: "1" or b: "2"`},
		"bool, too many":     {`{"query":{"bool":{"should":[{"term":{"a":1}}],"minimum_should_match":2}}}`, `not *: *`},
		"bool, msm 0":        {`{"query":{"bool":{"should":[{"term":{"a":1}}],"minimum_should_match":0}}}`, `*: *`},
		"bool, msm of words": {`{"query":{"bool":{"should":[{"term":{"a":1}}],"minimum_should_match":"2<75%"}}}`, `!must be a number or a percentage`},
		"bool, empty":        {`{"query":{"bool":{"must":[],"filter":[],"should":[],"must_not":[]}}}`, `*: *`},
		"bool, bad part":     {`{"query":{"bool":{"must":[{"term":{"a":1}},{"regexp":{"b":"c"}}]}}}`, `!queries of kind regexp are not supported`},
		"bool in bool":       {`{"query":{"bool":{"must_not":[{"bool":{"should":[{"term":{"a":1}},{"term":{"b":2}}]}}]}}}`, `not (a: "1" or b: "2")`},
		"constant_score":     {`{"query":{"constant_score":{"filter":{"term":{"a":1}},"boost":1}}}`, `a: "1"`},
		"nested":             {`{"query":{"nested":{"path":"a.b","query":{"bool":{"must":[{"term":{"a.b.c":1}},{"exists":{"field":"a.b.d"}}],"must_not":[{"wildcard":{"a.b.e":"f*"}}]}},"score_mode":"none"}}}`, `a.b: { c: "1" and d: * and not wildcard(e, "f*") }`},
		"nested in nested":   {`{"query":{"nested":{"path":"a","query":{"nested":{"path":"a.b","query":{"term":{"a.b.c":1}}}}}}}`, `a: { b: { c: "1" } }`},
		"nested, foreign":    {`{"query":{"nested":{"path":"a","query":{"term":{"b":1}}}}}`, `!field "b" is not within the nested field "a"`},
		"combined, or":       {`{"meta":{"type":"combined","relation":"OR","params":[{"meta":{"negate":true},"query":{"exists":{"field":"a"}}},{"query":{"term":{"b":1}}}]},"query":{}}`, `not a: * or b: "1"`},
		"combined, and":      {`{"meta":{"type":"combined","relation":"AND","negate":true,"params":[{"query":{"exists":{"field":"a"}}},{"query":{"term":{"b":1}}}]}}`, `not (a: * and b: "1")`},
		"no query":           {`{"meta":{}}`, `!query is missing`},
		"two fields":         {`{"query":{"term":{"a":1,"b":2}}}`, `!must name one field, found 2`},
		"no field":           {`{"query":{"exists":{}}}`, `!field is missing`},
		"unknown kind":       {`{"query":{"matchphrase":{"a":"b"}}}`, `!did you mean "match_phrase"?`},
		"query_string":       {`{"query":{"query_string":{"query":"a:b"}}}`, `!queries of kind query_string are not supported`},
		"not a table":        {`{"query":"a:b"}`, `!must be a table, found the text "a:b"`},
		"a kind of null":     {`{"query":{"exists":null}}`, `!is empty`},
	} {
		t.Run(name, func(t *testing.T) {
			line := fmt.Sprintf(`{"rule_id":"r","name":"n","type":"new_terms","filters":[%s],"new_terms_fields":["x"],"history_window_start":"now-1d"}`, c.filter)
			set, err := Parse("f.ndjson", []byte(line), Options{})
			if len(set.Warnings) > 0 {
				t.Errorf("warnings: %v", set.Warnings)
			}
			if want, ok := strings.CutPrefix(c.want, "!"); ok {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one with %q", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := set.Rules[0].Filter.String()
			if c.want == "" {
				c.want = "*: *"
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestCombinations(t *testing.T) {
	for _, c := range []struct{ n, k, want int }{{5, 2, 10}, {4, 4, 1}, {10, 5, 252}, {3, 0, 1}} {
		if got := combinations(c.n, c.k); got != c.want {
			t.Errorf("%d over %d is %d, want %d", c.n, c.k, got, c.want)
		}
	}
	if got := combinations(1000, 500); got <= maxCombinations {
		t.Errorf("1000 over 500 is %d, want more than %d", got, maxCombinations)
	}
}
