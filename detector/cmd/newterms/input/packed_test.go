package input

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"fluent-bit-newterms/detector/record"
)

// twoRecords are [[1700000000.000000001, {}], {"a": "é"}] and, as Fluent Bit
// wrote before 2.1, [1700000001, {"b": [nil, 2]}].
const (
	twoRecords = "\x92\x92\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x01\x80\x81\xa1a\xa2é" +
		"\x92\xce\x65\x53\xf1\x01\x81\xa1b\x92\xc0\x02"
	wantLines = `[1700000000.000000001, {"a":"é"}]` + "\n" + `[1700000001.000000000, {"b":[null,2]}]` + "\n"
)

func TestPacked(t *testing.T) {
	for _, c := range []struct {
		name, data, want string
		err              error
	}{
		{"two records", twoRecords, wantLines, nil},
		{"nothing", "", "", nil},
		{"a record that breaks off", twoRecords + twoRecords[:15], wantLines, record.ErrTruncated},
		{"what is no record", twoRecords + "\x93\x01\x02\x03" + twoRecords, wantLines, record.ErrRecord},
		{"many", strings.Repeat(twoRecords, 100_000), strings.Repeat(wantLines, 100_000), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := io.ReadAll(newPacked(strings.NewReader(c.data)))
			if string(got) != c.want || !errors.Is(err, c.err) {
				t.Errorf("%.200q, %v; want %.200q, %v", got, err, c.want, c.err)
			}
		})
	}
	if got, err := io.ReadAll(newPacked(iotest.OneByteReader(strings.NewReader(twoRecords)))); string(got) != wantLines || err != nil {
		t.Errorf("byte by byte: %q, %v", got, err)
	}
}

// FuzzPacked wants the same lines whatever the reads bring, and lines that
// each hold an event in time, or none.
func FuzzPacked(f *testing.F) {
	f.Add([]byte(twoRecords))
	f.Add([]byte("\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x00\x80" + twoRecords))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, err := io.ReadAll(newPacked(bytes.NewReader(data)))
		bits, bitsErr := io.ReadAll(newPacked(iotest.HalfReader(bytes.NewReader(data))))
		if !bytes.Equal(whole, bits) || (err == nil) != (bitsErr == nil) {
			t.Fatalf("%q, %v at once; %q, %v in parts", whole, err, bits, bitsErr)
		}
		for line := range bytes.Lines(whole) {
			if err := Events(line, func([]byte, int64) {}); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
	})
}
