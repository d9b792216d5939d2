package record

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	jsoniter "github.com/json-iterator/go"
)

func TestDecode(t *testing.T) {
	obj := func(kv ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return m
	}
	tests := []struct {
		name   string
		format Format
		text   string
		want   any
		err    error
	}{
		{"scalars", JSON, `{"a":1,"b":-1.5,"c":"x","d":null,"e":true,"f":18446744073709551615}`,
			obj("a", int64(1), "b", -1.5, "c", "x", "d", nil, "e", true, "f", uint64(math.MaxUint64)), nil},
		{"too large for a float", JSON, `[1e400,-1e400]`, []any{nil, nil}, nil},
		{"spaces around", JSON, " {} \n", obj(), nil},
		{"doubles", JSON, `{"a":1,"a":2}`, obj("a", int64(2)), nil},
		{"not UTF-8", JSON, "{\"a\xff\":\"b\xfe\"}", obj("a\uFFFD", "b\uFFFD"), nil},
		{"control characters", JSON, "{\"a\":\"b\x01\n\"}", obj("a", "b\x01\n"), nil},
		{"unknown escapes", JSON, `{"a\q":"\u12\\\"\x"}`, obj(`a\q`, `\u12\"\x`), nil},
		{"more text", JSON, `{"a":1}x`, nil, ErrJSON},
		{"another value", JSON, `{"a":1} 1`, nil, ErrJSON},
		{"half", JSON, `{"a":1`, nil, ErrJSON},
		{"half a string", JSON, `{"a":"1`, nil, ErrJSON},
		{"no number", JSON, `{"a":-}`, nil, ErrJSON},
		{"two points", JSON, `{"a":[1.2.3]}`, nil, ErrJSON},
		{"nothing", JSON, ``, nil, ErrJSON},
		{"floats that JSON cannot write", Msgpack, "\x92\xca\x7f\xc0\x00\x00\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", []any{nil, nil}, nil},
		{"binary text", Msgpack, "\xc4\x01x", "x", nil},
		{"binary", Msgpack, "\xc4\x01\xff", "/w==", nil},
		{"a string that is not UTF-8", Msgpack, "\xa2x\xff", "x\uFFFD", nil},
		{"odd keys", Msgpack, "\x84\x01\x02\xc0\x91\x01\xc4\x01a\x01\x80\x80", obj("a", int64(1)), nil},
		{"extension", Msgpack, "\xd4\x01\x02", nil, nil},
		{"never", Msgpack, "\x91\xc1", nil, ErrMsgpack},
		{"half a map", Msgpack, "\x82\xa1a\x01", nil, ErrTruncated},
		{"empty", Msgpack, "", nil, ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.format.Decode([]byte(tt.text))
			if !reflect.DeepEqual(got, tt.want) || !errors.Is(err, tt.err) {
				t.Fatalf("%#v, %v; want %#v, %v", got, err, tt.want, tt.err)
			}
			if _, err := jsoniter.Marshal(got); err != nil {
				t.Errorf("cannot be written as JSON: %v", err)
			}
		})
	}
}

func TestDecodeCutsOffWhatLiesTooDeep(t *testing.T) {
	for name, tt := range map[string]struct {
		format           Format
		open, mid, close string
	}{
		"msgpack arrays": {Msgpack, "\x91", "\x01", ""},
		"msgpack maps":   {Msgpack, "\x81\xa1a", "\x01", ""},
		"JSON arrays":    {JSON, "[", "1", "]"},
		"JSON objects":   {JSON, `{"a":`, "1", "}"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, levels := range []int{maxDecodeDepth, maxDecodeDepth + 1, 9_999, 10_001, huge} {
				val, err := tt.format.Decode([]byte(strings.Repeat(tt.open, levels) + tt.mid + strings.Repeat(tt.close, levels)))
				if err != nil {
					t.Fatalf("%d levels: %v", levels, err)
				}
				depth := 0
				for ; ; depth++ {
					if list, ok := val.([]any); ok {
						val = list[0]
					} else if m, ok := val.(map[string]any); ok {
						val = m["a"]
					} else {
						break
					}
				}
				if whole := levels <= maxDecodeDepth; depth != min(levels, maxDecodeDepth) || (val == int64(1)) != whole {
					t.Errorf("%d levels: %d, then %v", levels, depth, val)
				}
			}
		})
	}
}

func TestEach(t *testing.T) {
	tests := []struct {
		format Format
		text   string
		want   []string
		ok     bool
	}{
		{JSON, `[1,"a,]",{"b":[2]}]`, []string{`1`, `"a,]"`, `{"b":[2]}`}, true},
		{JSON, ` [ 1 , [] ] `, []string{`1`, `[]`}, true},
		{JSON, `[]`, nil, true}, {JSON, ` [ ]`, nil, true}, {JSON, `{"a":1}`, []string{`{"a":1}`}, true},
		{JSON, `[1,2`, []string{"1", "2"}, false}, {JSON, `[1,]`, []string{"1"}, false}, {JSON, `[`, nil, false}, {JSON, `[1}`, []string{"1"}, false},
		{Msgpack, "\x92\x01\xa1a", []string{"\x01", "\xa1a"}, true}, {Msgpack, "\x90", nil, true},
		{Msgpack, "\x81\x01\x02", []string{"\x81\x01\x02"}, true}, {Msgpack, "\x92\x01", []string{"\x01"}, false},
		{Msgpack, "\x92\x01\xc1", []string{"\x01"}, false}, {Msgpack, "\xdd\xff\xff\xff\xff\x01", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			var got []string
			ok := tt.format.Each([]byte(tt.text), func(e []byte) bool { got = append(got, string(e)); return true })
			if ok != tt.ok || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q, %t; want %q, %t", got, ok, tt.want, tt.ok)
			}
			calls := 0
			if !tt.format.Each([]byte(tt.text), func([]byte) bool { calls++; return false }) && len(tt.want) > 0 || calls > 1 {
				t.Errorf("went on after false")
			}
		})
	}
}
