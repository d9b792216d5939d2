package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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
		{"objects without a line end between", `{"a":"}{"}{"b":{}} {"c":1}`, `[{"a":"}{"} 0][{"b":{}} 0][{"c":1} 0]`, nil},
		{"}{ in one object", `{"a":"}{"}`, `[{"a":"}{"} 0]`, nil},
		{"an object and a piece of one", `{"a":1}{"b"`, `[{"a":1} 0][{"b" 0]`, nil},
		{"csv", `1700000000.5,"a","b"`, "", ErrCSV},
		{"cut", `t: [1700000000.5, {"a":`, "", ErrCut},
		{"no time", `t: ["soon", {"a":1}]`, `[t: ["soon", {"a":1}] 0]`, nil},
		{"a time out of range", `[99999999999, {"a":1}]`, `[[99999999999, {"a":1}] 0]`, nil},
		{"numbers", `[1,2]`, `[[1,2] 0]`, nil},
		{"a container's log file", `2026-01-02T03:04:05.5Z stdout F {"a":1}`, `[{"a":1} 1767323045500000000]`, nil},
		{"a host", `ip-10-0-140-1.ec2.internal {"a":": ["}`, `[{"a":": ["} 0]`, nil},
		{"syslog", `Jan  2 03:04:05 node audit[77]: @cee:{"a":[1]}`, `[{"a":[1]} 0]`, nil},
		{"a pod", `[pod/api-0/api] {"a":1}`, `[{"a":1} 0]`, nil},
		{"quotes before the JSON", `said "x" {"a":1}`, `[said "x" {"a":1} 0]`, nil},
		{"a word that runs into JSON", `x={"a":1}`, `[x={"a":1} 0]`, nil},
		{"a long text before the JSON", strings.Repeat("x", 600) + ` {"a":1}`, "[" + strings.Repeat("x", 600) + ` {"a":1} 0]`, nil},
		{"stdout's default", `[0] t: [[1.5, {}], {"a"=>"b"}]`, "", ErrUnescaped},
		{"ltsv", "\"time\":1\t\"a\":\"b\"", "", ErrUnescaped},
		{"elasticdump", `{"_index":"i","_id":"1","_source":{"a":1}}`, `[{"a":1} 0]`, nil},
		{"a search response", `{"took":1,"hits":{"hits":[{"_id":"1","_source":{"a":1}},{"_id":"2","_source":{"a":2}}]}}`, `[{"a":1} 0][{"a":2} 0]`, nil},
		{"an event with _source", `{"a":1,"_source":{"b":1}}`, `[{"a":1,"_source":{"b":1}} 0]`, nil},
		{"Splunk", `{"preview":false,"result":{"_raw":"{\"a\":1}"}}`, `[{"a":1} 0]`, nil},
		{"Splunk, raw", `{"_time":"x","_raw":"host: {\"a\":1}"}`, `[{"a":1} 0]`, nil},
		{"logcli", `{"labels":{"app":"x"},"line":"{\"a\":1}","timestamp":"2026-01-02T03:04:05.5Z"}`, `[{"a":1} 1767323045500000000]`, nil},
		{"logcli, a line of text", `{"labels":{},"line":"hello","timestamp":"2026-01-02T03:04:05.5Z"}`,
			`[{"labels":{},"line":"hello","timestamp":"2026-01-02T03:04:05.5Z"} 0]`, nil},
		{"a Loki push", `{"streams":[{"stream":{"a":"b"},"values":[["1000","{\"a\":1}"],["2000","text",{"m":"n"}]]}]}`,
			`[{"a":1} 1000][{"message":"text"} 2000]`, nil},
		{"a Loki response", `{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[["1000","{\"a\":1}"]]}]}}`, `[{"a":1} 1000]`, nil},
		{"OpenShift Logging", `{"@timestamp":"x","structured":{"a":1},"log_type":"application"}`, `[{"a":1} 0]`, nil},
		{"an event with structured", `{"@timestamp":"x","structured":{"a":1}}`, `[{"@timestamp":"x","structured":{"a":1}} 0]`, nil},
		{"OTLP", `{"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"h"}}]},"scopeLogs":[{"logRecords":[` +
			`{"timeUnixNano":"1000","body":{"stringValue":"{\"a\":1}"}},` +
			`{"observedTimeUnixNano":2000,"body":{"stringValue":"hi"},"attributes":[{"key":"n","value":{"intValue":"12345678901234567890"}},{"key":"l","value":{"arrayValue":{"values":[{"boolValue":true},{}]}}}]},` +
			`{"body":{"kvlistValue":{"values":[{"key":"a","value":{"doubleValue":1.50}}]}}}]}]}]}`,
			`[{"a":1} 1000][{"host.name":"h","l":[true,null],"message":"hi","n":12345678901234567890} 2000][{"a":1.50,"host.name":"h"} 0]`, nil},
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

// FuzzEvents wants events that are parts of the text, in order, or come out of
// a container, and no panic.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `t: [1.5, {"a":1}]`, `[[1,{}],{}]`, `[{},{}]`, `[0] t: [[1`, `t: [`, `[`, `: [`, `{}{}`, `[0] t: [[1, {}], {"a"=>"b"}]`, "\"time\":1\t\"a\":[1]",
		`x: {"_id":1,"_source":{}}`, `{"line":"x: {}","labels":1,"timestamp":2}`, `{"streams":[{"values":[["1","{}"]]}]}`, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rest := text
		err := Events(text, func(event []byte, ns int64) {
			if isObject(text) && json.Valid(text) && !json.Valid(event) {
				t.Fatalf("%q is no JSON: of %q", event, text)
			}
			i := bytes.Index(rest, event)
			if i < 0 && !bytes.ContainsAny(text, "_srl") || len(event) == 0 {
				t.Fatalf("%q is no part of what is left of %q", event, text)
			}
			rest = rest[max(i, 0):]
		})
		if err != nil && !errors.Is(err, ErrUnescaped) && !errors.Is(err, ErrCSV) && !errors.Is(err, ErrCut) {
			t.Fatal(err)
		}
	})
}
