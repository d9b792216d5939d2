package record

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"time"
)

const huge = 100_000 // levels of nesting

// Records that are made to hurt are read whole, skipped where they must be,
// and in a time that grows with their size alone.
func TestHostileRecords(t *testing.T) {
	w := fuzzWanted()
	slotA := w.layout.Want("a")
	mapsA := bytes.Repeat([]byte{0x81, 0xa1, 'a'}, huge)
	tests := []struct {
		name   string
		format Format
		record []byte
		values int // in the slot of a, objects among them
	}{
		{"arrays in arrays at a wanted field", Msgpack, join([]byte{0x81, 0xa1, 'a'}, bytes.Repeat([]byte{0x91}, huge), []byte{1}), 0},
		{"arrays as deep as the walk goes", Msgpack, join([]byte{0x81, 0xa1, 'a'}, bytes.Repeat([]byte{0x91}, maxDepth), []byte{1}), 1},
		{"arrays one deeper", Msgpack, join([]byte{0x81, 0xa1, 'a'}, bytes.Repeat([]byte{0x91}, maxDepth+1), []byte{1}), 0},
		{"maps in maps at wanted fields", Msgpack, join(mapsA, []byte{1}), 1},
		{"maps in maps below a deep field", Msgpack, join([]byte{0x81, 0xa4}, []byte("deep"), mapsA, []byte{1}), 0},
		{"maps in keys", Msgpack, join(bytes.Repeat([]byte{0x81}, huge), bytes.Repeat([]byte{1}, huge+1)), 0},
		{"a wide array", Msgpack, join([]byte{0x81, 0xa1, 'a', mpArray32, 0, 4, 0, 0}, bytes.Repeat([]byte{1}, 1<<18)), 1 << 18},
		{"many empty maps", Msgpack, join([]byte{0x81, 0xa1, 'a', mpArray32, 0, 4, 0, 0}, bytes.Repeat([]byte{0x80}, 1<<18)), 0},
		{"a key of dots", Msgpack, join([]byte{0x81, mpStr32, 0, 0x10, 0, 0}, bytes.Repeat([]byte{'.'}, 1<<20), []byte{1}), 0},
		{"a key of wanted names", Msgpack, join([]byte{0x81, mpStr32, 0, 0x10, 0, 0}, bytes.Repeat([]byte("a."), 1<<19), []byte{1}), 1},
		{"a key of names below a deep field", Msgpack, join([]byte{0x81, mpStr32, 0, 0x10, 0, 0}, []byte("deep"), bytes.Repeat([]byte(".a"), 1<<19-2), []byte{1}), 0},
		{"a long key in annotations", Msgpack, join([]byte{0x81, 0xab}, []byte("annotations"), []byte{0x81, mpStr32, 0, 0x10, 0, 0}, bytes.Repeat([]byte("a."), 1<<19), []byte{1}), 0},
		{"a key very many times", Msgpack, join([]byte{mpMap32, 0, 4, 0, 0}, bytes.Repeat([]byte{0xa1, 'a', 1}, 1<<18)), 1 << 18},

		{"JSON arrays in arrays at a wanted field", JSON, join([]byte(`{"a":`), bytes.Repeat([]byte{'['}, huge), bytes.Repeat([]byte{']'}, huge), []byte{'}'}), 0},
		{"JSON objects in objects at wanted fields", JSON, join(bytes.Repeat([]byte(`{"a":`), huge), []byte{'1'}, bytes.Repeat([]byte{'}'}, huge)), 1},
		{"JSON objects in objects below a deep field", JSON, join([]byte(`{"deep":`), bytes.Repeat([]byte(`{"a":`), huge), []byte{'1'}, bytes.Repeat([]byte{'}'}, huge+1)), 0},
		{"a JSON key of dots", JSON, join([]byte(`{"`), bytes.Repeat([]byte{'.'}, 1<<20), []byte(`":1}`)), 0},
		{"a JSON key of escapes", JSON, join([]byte(`{"`), bytes.Repeat([]byte(`\u0061`), 1<<17), []byte(`":1}`)), 0},
		{"a JSON string of backslashes", JSON, join([]byte(`{"a":"`), bytes.Repeat([]byte(`\\`), 1<<19), []byte(`"}`)), 1},
		{"very many JSON numbers", JSON, join([]byte(`{"a":[1`), bytes.Repeat([]byte(`,1`), 1<<18), []byte(`]}`)), 1<<18 + 1},
		{"many JSON keys with escapes", JSON, join([]byte(`{"\u0061":1`), bytes.Repeat([]byte(`,"\u0061":1`), 1<<17), []byte(`}`)), 1<<17 + 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			w.view.Reset()
			n, err := tt.format.Scan(w.layout, tt.record, w.view)
			if n != len(tt.record) || err != nil {
				t.Fatalf("%d of %d, %v", n, len(tt.record), err)
			}
			got := 0
			for i := w.view.Slot(slotA); i != 0; i = w.view.Next(i) {
				got++
			}
			if got != tt.values {
				t.Errorf("%d values, want %d", got, tt.values)
			}
			if _, err := tt.format.Decode(tt.record); err != nil {
				t.Errorf("decoded: %v", err)
			}
			// What is left of it when it is cut must fail as fast.
			w.view.Reset()
			if _, err := tt.format.Scan(w.layout, tt.record[:len(tt.record)-1], w.view); err != ErrTruncated {
				t.Errorf("cut: %v", err)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			}
			w.view.Reset()
			if cap(w.view.cells) > keepCells || cap(w.view.scratch) > keepScratch {
				t.Errorf("keeps %d cells, %d bytes", cap(w.view.cells), cap(w.view.scratch))
			}
		})
	}
}

// Lengths that promise more than there is, in every format that has one.
func TestLyingLengths(t *testing.T) {
	w := fuzzWanted()
	for c := range 256 {
		for _, length := range []string{"\x7f", "\xff", "\x80\x00", "\xff\xff", "\x7f\xff\xff\xff", "\x80\x00\x00\x00", "\xff\xff\xff\xff", "\xff\xff\xff\xfb"} {
			for _, key := range []string{"a", "x", "deep", "span", "list", "b"} {
				val := join([]byte{byte(c)}, []byte(length), []byte("tail"))
				for _, b := range [][]byte{
					val,
					join([]byte{0x81, byte(0xa0 + len(key))}, []byte(key), val),
					join([]byte{0x81}, val),
					join([]byte{0x81, byte(0xa0 + len(key))}, []byte(key), []byte{0x92}, val, val),
				} {
					w.view.Reset()
					n, err := w.layout.ScanMsgpack(b, w.view)
					if n > len(b) {
						t.Errorf("% x: %d, %v", b, n, err)
					}
					tree, rest, slow := parseMsgpack(b)
					if strconv.IntSize == 32 && len(length) == 4 {
						continue // msgp reads them wrongly there
					}
					if _, isMap := tree.(object); slow == nil && isMap {
						if err != nil || n != len(b)-len(rest) {
							t.Errorf("% x: %d, %v; want %d", b, n, err, len(b)-len(rest))
						}
					} else if err == nil || slow != nil && err == ErrNotMap {
						t.Errorf("% x: %d, %v; msgp says %v", b, n, err, slow)
					}
				}
			}
		}
	}
}

func TestRecordsThatAreNone(t *testing.T) {
	l := fuzzWanted().layout
	tests := []struct {
		format Format
		text   string
		err    error
	}{
		{Msgpack, "", ErrTruncated}, {Msgpack, "\xc0", ErrNotMap}, {Msgpack, "\x91\x01", ErrNotMap},
		{Msgpack, "\x91", ErrTruncated}, {Msgpack, "\xc1", ErrMsgpack}, {Msgpack, "\x92\x01\xc1", ErrMsgpack},
		{Msgpack, "\x82\xa1a\x01\xc1\x01", ErrMsgpack}, {Msgpack, "\x81\xc0\xc1", ErrMsgpack}, {Msgpack, "\xa5abc", ErrTruncated},
		{JSON, "", ErrTruncated}, {JSON, " \n", ErrTruncated}, {JSON, "1", ErrNotMap}, {JSON, `"x"`, ErrNotMap},
		{JSON, "[1,{}]", ErrNotMap}, {JSON, "[1", ErrTruncated}, {JSON, "]", ErrJSON}, {JSON, "{]", ErrJSON},
		{JSON, `{"a":[}]`, ErrJSON}, {JSON, `{"x":[}]`, ErrJSON}, {JSON, `{"a" 1}`, ErrJSON}, {JSON, `{a:1}`, ErrJSON},
		{JSON, `{"a":1,}`, ErrJSON}, {JSON, `{"a":1 "b":2}`, ErrJSON}, {JSON, `{"a":}`, ErrJSON}, {JSON, `{"x":}`, ErrJSON},
		{JSON, `{,}`, ErrJSON}, {JSON, `{"a":[1,]}`, ErrJSON}, {JSON, `{"a":[,]}`, ErrJSON}, {JSON, `{"a":nul}`, ErrJSON},
		{JSON, `{"a":tru`, ErrTruncated}, {JSON, `{"a":"x`, ErrTruncated}, {JSON, `{"a":"x\`, ErrTruncated}, {JSON, `{"a":"x\"`, ErrTruncated},
		{JSON, `{"a"`, ErrTruncated}, {JSON, `{"a":`, ErrTruncated}, {JSON, `{"a":1`, ErrTruncated}, {JSON, `{"a":1,`, ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d %q", tt.format, tt.text), func(t *testing.T) {
			if n, err := tt.format.Scan(l, []byte(tt.text), l.NewView(0, nil)); err != tt.err || n != 0 {
				t.Errorf("%d, %v; want %v", n, err, tt.err)
			}
		})
	}
}
