package input

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	jsoniter "github.com/json-iterator/go"
)

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		name, line, want string
		err              error
	}{
		{"an object", ` {"a":1} `, `[{"a":1} 0]`, nil},
		{"blank", "  \t", "", nil},
		{"an array of objects", `[{"a":1}, {"b":[2]}]`, `[{"a":1} 0][{"b":[2]} 0]`, nil},
		{"an empty array", `[]`, "", nil},
		{"file output", `kube.var.log: [1700000000.123456789, {"a":1}]`, `[{"a":1} 1700000000123456789]`, nil},
		{"without a fraction", `t: [1700000000, {"a":1}]`, `[{"a":1} 1700000000000000000]`, nil},
		{"a short fraction", `[1700000000.5, {"a":1}]`, `[{"a":1} 1700000000500000000]`, nil},
		{"with metadata", `t: [[1700000000.5, {"m":1}], {"a":1}]`, `[{"a":1} 1700000000500000000]`, nil},
		{"a tag with a colon", `a:b:c: [1, {"x":": ["}]`, `[{"x":": ["} 1000000000]`, nil},
		{"objects without a line end between", `{"a":"}{"}{"b":{}} {"c":1}`, `[{"a":"}{"} 0][{"b":{}} 0][{"c":1} 0]`, nil},
		{"}{ in one object", `{"a":"}{"}`, `[{"a":"}{"} 0]`, nil},
		{"an object and a piece of one", `{"a":1}{"b"`, `[{"a":1} 0][{"b" 0]`, nil},
		{"csv", `1700000000.5,"a","b"`, "", ErrCSV},
		{"cut", `t: [1700000000.5, {"a":`, "", ErrCut},
		{"no time", `t: ["soon", {"a":1}]`, `[t: ["soon", {"a":1}] 0]`, nil},
		{"a time out of range", `[99999999999, {"a":1}]`, `[[99999999999, {"a":1}] 0]`, nil},
		{"numbers", `[1,2]`, `[[1,2] 0]`, nil},
		{"plain text", `not JSON`, `[not JSON 0]`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			err := Events([]byte(c.line), func(event []byte, ns int64) { got += fmt.Sprintf("[%s %d]", event, ns) })
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s, %v; want %s, %v", got, err, c.want, c.err)
			}
		})
	}
}

// FuzzEvents wants events that are parts of the line, in order, or were
// translated, and no panic.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `t: [1.5, {"a":1}]`, `[[1,{}],{}]`, `[{},{}]`, `[0] t: [[1`, `t: [`, `[`, `: [`, `{}{}`, `[0] t: [[1, {}], {"a"=>"b"}]`, "\"time\":1\t\"a\":[1]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		rest := line
		unescaped := ReadsUnescaped(bytes.TrimSpace(line))
		err := Events(line, func(event []byte, ns int64) {
			if unescaped {
				if !jsoniter.Valid(event) {
					t.Fatalf("%q is no JSON: of %q", event, line)
				}
				return
			}
			i := bytes.Index(rest, event)
			if i < 0 || len(event) == 0 {
				t.Fatalf("%q is no part of what is left of %q", event, line)
			}
			rest = rest[i+len(event):]
			if ns < 0 {
				t.Fatalf("a time of %d", ns)
			}
		})
		if err != nil && !errors.Is(err, ErrUnescaped) && !errors.Is(err, ErrTwice) && !errors.Is(err, ErrCSV) && !errors.Is(err, ErrCut) {
			t.Fatal(err)
		}
	})
}
