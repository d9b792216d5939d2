package input

import (
	"errors"
	"fmt"
	"testing"
)

// TestUnescaped reads lines as Fluent Bit 5.1 prints them.
func TestUnescaped(t *testing.T) {
	for _, c := range []struct {
		name, line, want string
		err              error
	}{
		{"stdout", `[0] kube: [[1700000000.100000000, {}], {"a"=>"b", "n"=>-1.5, "x"=>nil, "y"=>true}]`,
			`{"a":"b","n":-1.5,"x":null,"y":true} 1700000000100000000`, nil},
		{"without metadata", `[12] kube: [1700000000.5, {"a"=>[1, "x", {}], "m"=>{"k"=>[]}}]`,
			`{"a":[1,"x",{}],"m":{"k":[]}} 1700000000500000000`, nil},
		{"quotes in a string", `[0] t: [[1, {}], {"a"=>"say "hi", he said", "b"=>"x"}]`,
			`{"a":"say \"hi\", he said","b":"x"} 1000000000`, nil},
		{"JSON in a string", `[0] t: [[1, {}], {"log"=>"{"a":"b", "c":["d"]}", "z"=>1}]`,
			`{"log":"{\"a\":\"b\", \"c\":[\"d\"]}","z":1} 1000000000`, nil},
		{"JSON in the last string", `[0] t: [[1, {}], {"log"=>"{"a":{"b":"c"}}"}]`,
			`{"log":"{\"a\":{\"b\":\"c\"}}"} 1000000000`, nil},
		{"backslashes and control characters", "[0] t: [[1, {}], {\"a\"=>\"C:\\x\t\x01\"}]",
			`{"a":"C:\\x\u0009\u0001"} 1000000000`, nil},
		{"what JSON has no word for", `[0] t: [[1, {}], {"a"=>nan, "b"=>(ext: 1)"ab"}]`, `{"a":null,"b":null} 1000000000`, nil},
		{"a forged field", `[0] t: [[1, {}], {"agent"=>"x", "user"=>"root", "user"=>"eve"}]`, "", ErrTwice},
		{"a line end in a string", `[0] t: [[1, {}], {"agent"=>"x`, "", ErrUnescaped},
		{"the end of an event in a string", `[0] t: [[1, {}], {"agent"=>"x"}] y"}]`, `{"agent":"x\"}] y"} 1000000000`, nil},
		{"brackets that do not fit", `[0] t: [[1, {}], {"a"=>[1}]]`, "", ErrUnescaped},
		{"something after it", `[0] t: [[1, {}], {"a"=>1}] x`, "", ErrUnescaped},
		{"ltsv", "\"time\":1700000000.25\t\"a\":\"b\"\t\"m\":{\"k\"=>[\"x\", \"y\"]}\t\"n\":7",
			`{"a":"b","m":{"k":["x","y"]},"n":7} 1700000000250000000`, nil},
		{"ltsv, quotes and tabs", "\"time\":1\t\"a\":\"b\" \t\"c\"\t\"d\":1", `{"a":"b\" \u0009\"c","d":1} 1000000000`, nil},
		{"ltsv, a forged field", "\"time\":1\t\"a\":\"x\"\t\"b\":\"y\"\t\"b\":1", "", ErrTwice},
		{"ltsv, nothing but the time", `"time":1`, `{} 1000000000`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !ReadsUnescaped([]byte(c.line)) {
				t.Error("it is not told to be one of these forms")
			}
			got := ""
			err := Events([]byte(c.line), func(event []byte, ns int64) { got += fmt.Sprintf("%s %d", event, ns) })
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s, %v; want %s, %v", got, err, c.want, c.err)
			}
		})
	}
}
