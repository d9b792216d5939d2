package sink

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/record"
)

func TestAppendRecord(t *testing.T) {
	body := []byte(`{"b":[1,-2,3.5,true,null,{"x":"ü\u0000"}],"a":18446744073709551615}`)
	for _, test := range []struct {
		name   string
		append func(dst []byte, ms int64, body []byte) ([]byte, error)
		head   []byte
	}{
		{"record", AppendRecord, []byte{0x92, 0x92, 0xd7, 0, 0, 0, 0, 1, 0x1d, 0xcd, 0x65, 0, 0x80}},
		{"entry", AppendEntry, []byte{0x92, 0xd7, 0, 0, 0, 0, 1, 0x1d, 0xcd, 0x65, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := test.append([]byte("before"), 1500, body)
			if err != nil {
				t.Fatal(err)
			}
			rest, ok := bytes.CutPrefix(out, append([]byte("before"), test.head...))
			if !ok {
				t.Fatalf("it begins with % x", out)
			}
			var text bytes.Buffer
			if rest, err = msgp.UnmarshalAsJSON(&text, rest); err != nil || len(rest) != 0 {
				t.Fatalf("%v, %d bytes are left", err, len(rest))
			}
			var got, want any
			if json.Unmarshal(text.Bytes(), &got) != nil || json.Unmarshal(body, &want) != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, want %s", &text, body)
			}
			for _, bad := range []string{`{"a":`, `[1]`, ``, `1`} {
				out, err := test.append([]byte("before"), 1500, []byte(bad))
				if err == nil || string(out) != "before" {
					t.Errorf("%q: %q, %v", bad, out, err)
				}
			}
			if _, err := test.append(nil, 0, []byte(`[1]`)); !errors.Is(err, record.ErrNotMap) {
				t.Error(err)
			}
		})
	}
}

func TestAppendEventTime(t *testing.T) {
	for _, test := range []struct {
		name string
		time time.Time
		want []byte
	}{
		{"now", time.Unix(0x01020304, 5), []byte{1, 2, 3, 4, 0, 0, 0, 5}},
		{"before 1970", time.Unix(-1, 5), []byte{0, 0, 0, 0, 0, 0, 0, 0}},
		{"far future", time.Unix(1<<33, 5), []byte{0xff, 0xff, 0xff, 0xfd, 0, 0, 0, 0}},
		{"not the start of a group", time.Unix(0xffffffff, 0), []byte{0xff, 0xff, 0xff, 0xfd, 0, 0, 0, 0}},
	} {
		if got := appendEventTime(nil, test.time); !bytes.Equal(got[2:], test.want) {
			t.Errorf("%s: % x, want % x", test.name, got[2:], test.want)
		}
	}
}
