package rule

import (
	"encoding/json"
	"testing"

	"fluent-bit-newterms/detector/place"
)

func TestJSONFault(t *testing.T) {
	const value = "a value: a text in double quotes, a number, true, false, null, { or ["
	for _, test := range []struct {
		text            string
		at              int
		found, expected string
	}{
		{`{"a"`, 4, "the end of the line", `":"`},
		{`{"a" 1}`, 5, `"1"`, `":"`},
		{`{"a":1,}`, 7, `"}"`, "a name in double quotes"},
		{`{"a":1 "b":2}`, 7, "a quote", `"," or "}"`},
		{`[1 2]`, 3, `"2"`, `"," or "]"`},
		{`{'a':1}`, 1, "a quote", "a name in double quotes"},
		{`{"a":tru}`, 5, `"t"`, value},
		{`{"a":}`, 5, `"}"`, value},
		{``, 0, "the end of the line", value},
		{`{"a":"b`, 7, "the end of the line", "a closing quote"},
		{`{"a":"b\`, 8, "the end of the line", "a closing quote"},
		{`{"a":"\x"}`, 6, `"\\"`, `one of \" \\ \/ \b \f \n \r \t \u`},
		{`{"a":"\u12g4"}`, 6, `"\\"`, `four hexadecimal digits after \u`},
		{"{\"a\":\"\t\"}", 6, `"\t"`, "a closing quote"},
		{`{} {}`, 3, `"{"`, "the end of the line"},
	} {
		at, found, expected, ok := jsonFault(test.text)
		if !ok || at != test.at || found != test.found || expected != test.expected {
			t.Errorf("%s: %t at %d: expected %s, found %s; want at %d: expected %s, found %s",
				test.text, ok, at, expected, found, test.at, test.expected, test.found)
		}
	}
	for _, text := range []string{`{}`, ` [1, -2.5e3, "\"\\\u00e9\n", true, null, {"a": []}] `, `"x"`} {
		if at, _, expected, ok := jsonFault(text); ok {
			t.Errorf("%s: at %d expected %s", text, at, expected)
		}
	}
}

// FuzzJSONFault: a fault is found where the standard library finds one.
func FuzzJSONFault(f *testing.F) {
	for _, text := range []string{`{"a":[1,{"b":null}],"c":"\u00e9\n"}`, `[1,]`, `{"a" 1}`, `-`, `01`, `"\u12`, `1e5`, ` `} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, _, expected, ok := jsonFault(text)
		if jsonDepth(text) <= place.MaxJSONDepth && ok == json.Valid([]byte(text)) {
			t.Errorf("%q: fault %t (expected %q), valid %t", text, ok, expected, !ok)
		}
		if at < 0 || at > len(text) {
			t.Errorf("%q: at %d", text, at)
		}
	})
}
