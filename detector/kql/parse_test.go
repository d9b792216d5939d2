package kql

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func match(field, value string) Node { return Match{Field(field), Literal{Text: value}} }

func phrase(field, value string) Node { return Match{Field(field), Quoted(value)} }

func bare(value string) Node { return Match{Value: Literal{Text: value}} }

func wild(field string, parts ...string) Node {
	return Match{Field(field), Literal{Text: strings.Join(parts, "*"), Parts: parts}}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, query string
		want        Node
		printed     string // if other than the query
	}{
		{"nothing", "", All{}, "*: *"},
		{"white space", " \t\r\n\u00a0", All{}, "*: *"},
		{"every field exists", "*:*", All{}, "*: *"},
		{"bare star", "*", All{}, "*: *"},
		{"match", "a: b", match("a", "b"), ""},
		{"no spaces", "a:b", match("a", "b"), "a: b"},
		{"phrase", `a: "b c"`, phrase("a", "b c"), ""},
		{"empty phrase", `a: ""`, phrase("a", ""), ""},
		{"spaces in a value", "a: b c and d:e", And{[]Node{match("a", "b c"), match("d", "e")}}, "a: b c and d: e"},
		{"spaces in a wildcard", "a: *S3 Browser*", wild("a", "", "S3 Browser", ""), ""},
		{"spaces in a field", "a b: c", match("a b", "c"), ""},
		{"quoted field", `"a:b*": c`, match("a:b*", "c"), `a\:b\*: c`},
		{"bare value", "nginx down", bare("nginx down"), ""},
		{"bare phrase", `"nginx down"`, Match{Value: Quoted("nginx down")}, ""},
		{"exists", "a: *", Exists("a"), ""},
		{"two stars", "a: **", wild("a", "", "", ""), ""},
		{"question mark", "a: b?", match("a", "b?"), ""},
		{"field pattern", "host.n*: x", Match{FieldName{"host.n*", []string{"host.n", ""}}, Literal{Text: "x"}}, ""},
		{"and before or", "a:1 or b:2 and c:3", Or{[]Node{match("a", "1"), And{[]Node{match("b", "2"), match("c", "3")}}}}, "a: 1 or b: 2 and c: 3"},
		{"not before and", "not a:1 and b:2", And{[]Node{Not{match("a", "1")}, match("b", "2")}}, "not a: 1 and b: 2"},
		{"parentheses", "(a:1 or b:2) and c:3", And{[]Node{Or{[]Node{match("a", "1"), match("b", "2")}}, match("c", "3")}}, "(a: 1 or b: 2) and c: 3"},
		{"not of or", "not (a:1 or b:2)", Not{Or{[]Node{match("a", "1"), match("b", "2")}}}, "not (a: 1 or b: 2)"},
		{"and in and", "(a:1 and b:2) and c:3", And{[]Node{And{[]Node{match("a", "1"), match("b", "2")}}, match("c", "3")}}, "(a: 1 and b: 2) and c: 3"},
		{"not of not", "not (not a:1)", Not{Not{match("a", "1")}}, "not (not a: 1)"},
		{"keywords in any case", "a:1 AND b:2 Or nOt c:3", Or{[]Node{And{[]Node{match("a", "1"), match("b", "2")}}, Not{match("c", "3")}}}, "a: 1 and b: 2 or not c: 3"},
		{"line breaks around keywords", "a:1\nand\tb:2\r\nor\u00a0c:3", Or{[]Node{And{[]Node{match("a", "1"), match("b", "2")}}, match("c", "3")}}, "a: 1 and b: 2 or c: 3"},
		{"no-break spaces", "a\u00a0:\u00a0b\u00a0and\u00a0c:d", And{[]Node{match("a", "b"), match("c", "d")}}, "a: b and c: d"},
		{"list of values", "a: (b or c and not d)", Or{[]Node{match("a", "b"), And{[]Node{match("a", "c"), Not{match("a", "d")}}}}}, ""},
		{"list of one value", "a: (b)", match("a", "b"), "a: b"},
		{"list in a list", "a: (b or (c or d))", Or{[]Node{match("a", "b"), Or{[]Node{match("a", "c"), match("a", "d")}}}}, ""},
		{"not of a list", "not a: (b or c)", Not{Or{[]Node{match("a", "b"), match("a", "c")}}}, ""},
		{"exists but", "a: (* and not b)", And{[]Node{Exists("a"), Not{match("a", "b")}}}, ""},
		{"separate matches on a field", "a:b or a:c", Or{[]Node{match("a", "b"), match("a", "c")}}, "a: (b or c)"},
		{"less", "a < 1", Range{Field("a"), Lt, Literal{Text: "1"}}, ""},
		{"at most", "a<=1", Range{Field("a"), Lte, Literal{Text: "1"}}, "a <= 1"},
		{"more", "a >1", Range{Field("a"), Gt, Literal{Text: "1"}}, "a > 1"},
		{"at least", `a >= "2024-01-01"`, Range{Field("a"), Gte, Quoted("2024-01-01")}, ""},
		{"nested", "a: { b: 1 and c: { d: 2 } }", Nested{"a", And{[]Node{match("b", "1"), Nested{"c", match("d", "2")}}}}, ""},
		{"nested, close", "a:{b:1}", Nested{"a", match("b", "1")}, "a: { b: 1 }"},
		{"escapes of quoted", `a: "\\ \" \t \r \n \u00e9 \x"`, phrase("a", "\\ \" \t \r \n é \\x"), `a: "\\ \" \t \r \n é \\x"`},
		{"half an escape", `a: "\u00e"`, phrase("a", `\u00e`), `a: "\\u00e"`},
		{"two halves of a character", `a: "\ud83d\ude00"`, phrase("a", "😀"), `a: "😀"`},
		{"escapes of unquoted", `a: x\\\(\)\:\<\>\"\*\{\}`, match("a", `x\():<>"*{}`), ""},
		{"escaped white space", `a: x\t\r\n\u0041y`, match("a", "x\t\r\nAy"), `a: x\t\r\nAy`},
		{"escaped keywords", `a: b \and c \OR d \not e`, match("a", "b and c OR d not e"), ""},
		{"escaped keyword alone", `a: \not`, match("a", "not"), ""},
		{"line feed and othing", `a: x\nothing`, match("a", "x\nothing"), `a: x\u000aothing`},
		{"escape at the ends is trimmed", `a: \tb\n`, match("a", "b"), `a: b`},
		{"nothing but escaped space", `a: \t`, phrase("a", ""), `a: ""`},
		{"control characters", `a: "\u0000\u202e"`, phrase("a", "\x00\u202e"), ""},
		{"keywords in words", "a: android order notary cannot do", match("a", "android order notary cannot do"), ""},
		{"keyword at the end", "a: b and", match("a", "b and"), `a: b \and`},
		{"keyword at the start", "a: or b", match("a", "or b"), `a: \or b`},
		{"words for values", "a: (true or null)", Or{[]Node{match("a", "true"), match("a", "null")}}, ""},
		{"dots, dashes and slashes", "a.b-c/d@e: /x/y.z-1", match("a.b-c/d@e", "/x/y.z-1"), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(test.query)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%q\ngot  %#v\nwant %#v", test.query, got, test.want)
			}
			printed := test.printed
			if printed == "" {
				printed = test.query
			}
			if got.String() != printed {
				t.Errorf("%q\nprints %s\nwant   %s", test.query, got, printed)
			}
			again, err := Parse(got.String())
			if err != nil {
				t.Fatalf("the printed form is wrong: %v", err)
			}
			if !reflect.DeepEqual(got, again) {
				t.Errorf("%q is another tree when printed and read again: %s", test.query, again)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ name, query, want string }{
		{"parenthesis not closed", "a: 1 and\n  (b: 2 or c", `line 2, column 13: expected ")", found end of query; add the ) for the ( at line 2, column 3`},
		{"list not closed", "a: (b or c", `line 1, column 11: expected ")", found end of query; add the ) for the ( at line 1, column 4`},
		{"brace not closed", "a: { b: c", `line 1, column 10: expected "}", found end of query; add the } for the { at line 1, column 4`},
		{"closed too often", "a: b)", `line 1, column 5: expected "and", "or" or end of query, found ")"; take this parenthesis away, or open one before it`},
		{"brace too many", "a: b }", `line 1, column 6: expected "and", "or" or end of query, found "}"; take this brace away, or open one before it`},
		{"quote not closed", `é: "b`, `line 1, column 6: expected a closing ", found end of query; the quote at line 1, column 4 is not closed`},
		{"escaped quote", `a: "C:\"`, `line 1, column 9: expected a closing ", found end of query; the quote at line 1, column 4 is not closed; write \\ for a backslash before a quote`},
		{"no value", "a:", `line 1, column 3: expected a value or "(", found end of query`},
		{"no value in a list", "a: ()", `line 1, column 5: expected a value or "(", found ")"; put a value between the parentheses`},
		{"no field", ": a", `line 1, column 1: expected a field name, a value, "not" or "(", found ":"; put a value that holds this character in quotes, or \ before it; between two conditions write and or or`},
		{"empty field", `"": a`, `line 1, column 1: expected a field name, found "\""; a field name cannot be empty`},
		{"equals", `a = "b"`, `line 1, column 5: expected "and", "or" or end of query, found "\""; write field: value, KQL has no =`},
		{"double equals", `a == "b"`, `line 1, column 6: expected "and", "or" or end of query, found "\""; write field: value, KQL has no =`},
		{"no and", `a: "b" c: d`, `line 1, column 8: expected "and", "or" or end of query, found "c"; write and or or between two conditions, or put the whole value in quotes`},
		{"two colons", "a: b:c", `line 1, column 5: expected "and", "or" or end of query, found ":"; put a value that holds this character in quotes, or \ before it; between two conditions write and or or`},
		{"Lucene range", "a:[1 TO 2]", `line 1, column 3: expected a value or "(", found "[1"; KQL has no [a TO b]: write field >= a and field <= b`},
		{"Lucene exclusive range", "a:{1 TO 2}", `line 1, column 3: expected a query between { and }, found "{"; KQL has no [a TO b]: write field >= a and field <= b`},
		{"regular expression", "a:/(b|c)/", `line 1, column 4: expected "and", "or" or end of query, found "("; KQL has no regular expressions: use wildcards, or put the value in quotes`},
		{"&&", "a:1 && b:2", `line 1, column 9: expected "and", "or" or end of query, found ":"; write and for &&`},
		{"||", "a:1 || b:2", `line 1, column 9: expected "and", "or" or end of query, found ":"; write or for ||`},
		{"value after not", "a: not b", `line 1, column 4: expected a value or "(", found "not"; write not field: value, or field: (not value)`},
		{"not not", "not not a:b", `line 1, column 5: expected a field name, a value, "not" or "(", found "not"; write not (not …), or take both away`},
		{"not in a value", "a: b not c", `line 1, column 6: expected "and", "or" or end of query, found "not"; write and not, or put a value that holds the word in quotes`},
		{"keyword next to a parenthesis", "a:b and(c:d)", `line 1, column 8: expected "and", "or" or end of query, found "("; write a space after the keyword`},
		{"not next to a parenthesis", "not(c:d)", `line 1, column 4: expected "and", "or" or end of query, found "("; write a space after the keyword`},
		{"backslash", `a: C\temp\x`, `line 1, column 10: expected an escaped character, found "\\"; write \\ for a backslash, or put the value in quotes`},
		{"nested under a pattern", "a*: { b: c }", `line 1, column 1: expected the name of a nested field, found "a"; wildcards cannot stand before { }`},
		{"range of a wildcard", "a > *", `line 1, column 5: expected a value without wildcards, found "*"; to ask only whether the field is there write field: *`},
		{"not UTF-8", "a: b\xff", `line 1, column 5: the query is not valid UTF-8; write the query in UTF-8`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n, err := Parse(test.query)
			var e *ParseError
			if !errors.As(err, &e) {
				t.Fatalf("%q: got %v, %v; want a *ParseError", test.query, n, err)
			}
			if !strings.HasPrefix(e.Error(), test.want) {
				t.Errorf("%q\ngot  %s\nwant %s", test.query, e, test.want)
			}
		})
	}
}

func TestParseDepth(t *testing.T) {
	for name, query := range map[string]string{
		"parentheses": strings.Repeat("(", 10_000) + "a" + strings.Repeat(")", 10_000),
		"values":      "a: " + strings.Repeat("(", 10_000),
		"braces":      strings.Repeat("a: {", 10_000),
		"nots":        strings.Repeat("not (", 10_000),
	} {
		_, err := Parse(query)
		if err == nil || !strings.Contains(err.Error(), "nested too deep") {
			t.Errorf("%s: got %v, want an error that the query is nested too deep", name, err)
		}
	}
	if _, err := Parse(strings.Repeat("(", maxDepth) + "a: b" + strings.Repeat(")", maxDepth)); err != nil {
		t.Errorf("parentheses at the limit: %v", err)
	}
	if _, err := Parse("a" + strings.Repeat(" or a", 100_000)); err != nil {
		t.Errorf("a long query: %v", err)
	}
}

// FuzzParse: no query panics, errors point into the query, and what is read
// prints as what reads the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "a: b", `a: (b or "c d" and not e*)`, `a\:\*: x\and y \not`, "a: { b >= 1 or c < \"2\" }", "*: * and not (not x)", `"\u0041\ud83d\ude00`,
		"a: \\not \\nothing \u00a0", "a* : [1 TO 2]", "not not x", ") } &&", "\ufeffx: y\u2028",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		n, err := Parse(query)
		if err != nil {
			var e *ParseError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(query) || e.Line < 1 || e.Column < 1 {
				t.Fatalf("%q: error does not point into the query: %v", query, err)
			}
			return
		}
		printed := n.String()
		again, err := Parse(printed)
		if err != nil {
			t.Fatalf("%q prints %q, which is wrong: %v", query, printed, err)
		}
		if !reflect.DeepEqual(n, again) || again.String() != printed {
			t.Fatalf("%q prints %q, which reads as %q", query, printed, again)
		}
	})
}

func TestFields(t *testing.T) {
	n, err := Parse(`a: 1 and (b* > 2 or not a: 3) and c: { d: 1 and e*: 2 and f: { g: 3 } } and free text`)
	if err != nil {
		t.Fatal(err)
	}
	n = And{[]Node{n, Glob{Field: Field("h"), Pattern: "x?"}, InList{Field("i"), NewKeywordList("words", nil)}}}
	var got []string
	for _, f := range Fields(n) {
		got = append(got, f.String())
	}
	want := []string{"a", "b*", "c", "c.d", "c.e*", "c.f", "c.f.g", `""`, "h", "i"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := n.String(), `(a: 1 and (b* > 2 or not a: 3) and c: { d: 1 and e*: 2 and f: { g: 3 } } and free text) and wildcard(h, "x?") and in_list(i, "words")`; got != want {
		t.Errorf("prints %s, want %s", got, want)
	}
}
