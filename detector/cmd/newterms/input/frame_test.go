package input

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// framed returns the values of a text that is read in pieces of n bytes.
func framed(t testing.TB, text string, max int) []string {
	t.Helper()
	r := newReader(t.Context(), []string{Stdin}, strings.NewReader(text), max)
	defer r.Close()
	lines, wrong := readAll(t, r)
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "-:")
	}
	return append(lines, wrong...)
}

func TestFrame(t *testing.T) {
	long := strings.Repeat("x", 2<<20)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"pretty-printed", "{\n  \"a\": {\n    \"b\": \"}\\\"{\"\n  }\n}\n{\n  \"c\": []\n}\n",
			[]string{"1:{\n  \"a\": {\n    \"b\": \"}\\\"{\"\n  }\n}", "6:{\n  \"c\": []\n}"}},
		{"an array over several lines", "[\n  {\n    \"a\": 1\n  },\n  {\n    \"b\": 2\n  }\n]\n{\"c\":3}\n",
			[]string{"2:{\n    \"a\": 1\n  }", "5:{\n    \"b\": 2\n  }", "9:{\"c\":3}"}},
		{"an array with a line for each element", "[{\"a\":1},\n{\"b\":2}\n,{\"c\":3}]\n", []string{`1:{"a":1}`, `2:{"b":2}`, `3:{"c":3}`}},
		{"an array whose brackets have lines of their own", "[\n{\"a\":1},\n{\"b\":[2]}\n]", []string{`2:{"a":1}`, `3:{"b":[2]}`}},
		{"an array on a line", `[{"a":1},{"b":2}]`, []string{`1:[{"a":1},{"b":2}]`}},
		{"objects with nothing in between", "{\n\"a\":1}{\n\"b\":2}{\"c\":3}\n", []string{"1:{\n\"a\":1}", "2:{\n\"b\":2}", `3:{"c":3}`}},
		{"text before JSON over several lines", "2026-01-01 host {\n \"a\": 1\n}\n", []string{"1:{\n \"a\": 1\n}"}},
		{"blank lines inside", "{\n\n\"a\":1\n\n}\n", []string{"1:{\n\n\"a\":1\n\n}"}},

		// Lines that break off must not take others along.
		{"broken off in a string", "{\"a\":\"x\n{\"b\":1}\n", []string{`1:{"a":"x`, `2:{"b":1}`}},
		{"broken off after a bracket", "{\"a\":{\n{\"b\":1}\n{\"c\":1}\n", []string{`1:{"a":{`, `2:{"b":1}`, `3:{"c":1}`}},
		{"broken off after a colon", "{\"a\":\n{\"b\":1}\n{\"c\":1}\n", []string{`1:{"a":`, `2:{"b":1}`, `3:{"c":1}`}},
		{"broken off after a colon, at the end", "{\"a\":\n{\"b\":1}\n", []string{`1:{"a":`, `2:{"b":1}`}},
		{"broken off in a number", "{\"a\":12\n{\"b\":1}\n", []string{`1:{"a":12`, `2:{"b":1}`}},
		{"broken off in a list", "{\"a\":[\n{\"b\":1}\n{\"c\":1}\n", []string{`1:{"a":[`, `2:{"b":1}`, `3:{"c":1}`}},
		{"a pretty-printed value that breaks off", "{\n  \"a\": 1,\n", []string{"1:{\n  \"a\": 1,"}},
		{"a bracket that does not fit", "{\n\"a\":[1}\n}\n{\"b\":1}\n", []string{"1:{", "2:\"a\":[1}", "3:}", `4:{"b":1}`}},
		{"text", "starting {\nup\n[ERROR] no\n{\"a\":1}\n", []string{"1:starting {", "2:up", "3:[ERROR] no", `4:{"a":1}`}},

		{"a split line of a container", "2026-01-01T00:00:00Z stdout P {\"a\":\" \n2026-01-01T00:00:01Z stdout P b\n2026-01-01T00:00:02Z stdout F \"}\n",
			[]string{`1:2026-01-01T00:00:00Z stdout P {"a":" b"}`}},
		{"a split line without its end", "2026-01-01T00:00:00Z stdout P {\"a\":\n", []string{`1:2026-01-01T00:00:00Z stdout P {"a":`}},

		{"a value too long", "{\n" + strings.Repeat("\"a\":\""+long+"\",\n", 3) + "\"b\":1}\n{\"c\":1}\n", []string{`6:{"c":1}`, "-:1 too long"}},
		{"a split line too long", strings.Repeat("2026-01-01T00:00:00Z stdout P "+long+"\n", 3) + "{\"c\":1}\n",
			[]string{`4:{"c":1}`, "-:1 too long"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := framed(t, c.text, 4<<20); !slices.Equal(got, c.want) {
				t.Errorf("%d values, want %d: %.300q\nwant %.300q", len(got), len(c.want), got, c.want)
			}
		})
	}
}

// TestFrameCost wants work that grows with the text, not with its square: no
// line is taken twice.
func TestFrameCost(t *testing.T) {
	for _, line := range []string{"[\n", "{\"a\":\n", "{\"a\":[\n", "x {\n"} {
		n := 20_000
		got := framed(t, strings.Repeat(line, n)+"{\"b\":1}\n", MaxLine)
		if len(got) > n+1 || len(got) == 0 {
			t.Errorf("%d values of %d lines %q", len(got), n, line)
		}
	}
}

// FuzzFrame cuts a text at any place into what is read at a time, and wants
// the same values.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("{\n\"a\":[1,\n2]}\n[\n{},\n{}\n]\nx {\n}\n2026-01-01T00:00:00Z stdout P a\n"), uint(7))
	f.Add([]byte("{\"a\":\n{\"b\":\"\n{}\n"), uint(3))
	f.Fuzz(func(t *testing.T, text []byte, n uint) {
		whole, pieces := framer{line: 1, max: MaxLine}, framer{line: 1, max: MaxLine}
		whole.lines(text, 0)
		whole.end(text)
		at := 0
		for at < len(text) {
			end := at + int(n%16) + 1
			if end = min(end, len(text)); end < len(text) {
				i := bytes.IndexByte(text[end:], '\n')
				if end += i + 1; i < 0 {
					end = len(text)
				}
			}
			pieces.lines(text[:end], at)
			at = end
		}
		pieces.end(text)
		if a, b := fmt.Sprintf("%+v", whole.values), fmt.Sprintf("%+v", pieces.values); a != b {
			t.Fatalf("%s\nin pieces %s", a, b)
		}
	})
}
