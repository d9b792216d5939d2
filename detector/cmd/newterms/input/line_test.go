package input

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
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
		{"ruby", `[0] kube: [[1700000000.1, {}], {"a"=>"b"}]`, "", ErrRuby},
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

// FuzzEvents wants events that are parts of the line, in order, and no panic.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `t: [1.5, {"a":1}]`, `[[1,{}],{}]`, `[{},{}]`, `[0] t: [[1`, `t: [`, `[`, `: [`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		rest := line
		err := Events(line, func(event []byte, ns int64) {
			i := bytes.Index(rest, event)
			if i < 0 || len(event) == 0 {
				t.Fatalf("%q is no part of what is left of %q", event, line)
			}
			rest = rest[i+len(event):]
			if ns < 0 {
				t.Fatalf("a time of %d", ns)
			}
		})
		if err != nil && !errors.Is(err, ErrRuby) && !errors.Is(err, ErrCut) {
			t.Fatal(err)
		}
	})
}
