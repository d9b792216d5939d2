package record

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
)

// mp writes a tree in its shortest form.
func mp(val any) []byte { return appendMsgpack(nil, val, func() int { return 0 }) }

func eventTimeExt(sec, nsec uint32) ext {
	return ext(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{mpFixExt8, 0}, sec), nsec))
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// rec is a record in today's form, old one in the form before 2.1.
func rec(ts, body any) []byte { return mp([]any{[]any{ts, object{}}, body}) }
func old(ts, body any) []byte { return mp([]any{ts, body}) }

var body = object{{"a", "x"}}

// encoded is a record as Fluent Bit's encoder writes it, whose arrays begin with
// these bytes: 5.1 writes them shortest, 4.2 and older with 32 bits.
func encoded(array string, sec, nsec uint32, metadata string, entries byte, rest string) []byte {
	return join([]byte(array+array), []byte(eventTimeExt(sec, nsec)), []byte(metadata), []byte{mpMap32, 0, 0, 0, entries}, []byte(rest))
}

const (
	short2, long2 = "\x92", "\xdd\x00\x00\x00\x02"
	noMetadata    = "\xdf\x00\x00\x00\x00"
	entryAX       = "\xa1a\xa1x"
)

type chunkCase struct {
	name  string
	parts [][]byte
	times []int64 // of the records that come out
	skips int     // of them have a body that is no map
	err   error   // nil, or what the chunk ends with
}

func (c *chunkCase) chunk() []byte { return join(c.parts...) }

var chunks = []chunkCase{
	{name: "empty"},
	{"event time", [][]byte{rec(eventTimeExt(7, 8), body)}, []int64{7_000_000_008}, 0, nil},
	{"event time of 2106", [][]byte{rec(eventTimeExt(0xFFFFFFFD, 999999999), body)}, []int64{4294967293_999999999}, 0, nil},
	{"event time, long form", [][]byte{rec(ext("\xc7\x08\x00\x00\x00\x00\x01\x00\x00\x00\x02"), body)}, []int64{1_000_000_002}, 0, nil},
	{"event time, longer form", [][]byte{rec(ext("\xc8\x00\x08\x00\x00\x00\x00\x01\x00\x00\x00\x02"), body)}, []int64{1_000_000_002}, 0, nil},
	{"event time, longest form", [][]byte{rec(ext("\xc9\x00\x00\x00\x08\x00\x00\x00\x00\x01\x00\x00\x00\x02"), body)}, []int64{1_000_000_002}, 0, nil},
	{"both forms", [][]byte{rec(int64(1), body), old(int64(2), body)}, []int64{1e9, 2e9}, 0, nil},
	{"float", [][]byte{rec(1.5, body)}, []int64{1_500_000_000}, 0, nil},
	{"largest integer", [][]byte{old(int64(9223372036), body)}, []int64{9223372036e9}, 0, nil},
	{"groups", [][]byte{
		rec(eventTimeExt(groupStart, 0), object{{"g", "x"}}), rec(int64(3), body),
		rec(eventTimeExt(groupEnd, 0), object{}), rec(int64(groupStart), body), rec(int64(4), body),
	}, []int64{3e9, 4e9}, 0, nil},
	{"bodies that are no maps", [][]byte{rec(int64(1), nil), rec(int64(2), "x"), rec(int64(3), []any{body}), rec(int64(4), body)}, []int64{1e9, 2e9, 3e9, 4e9}, 3, nil},
	{"empty body", [][]byte{rec(int64(1), object{})}, []int64{1e9}, 0, nil},

	{"Fluent Bit 5.1", [][]byte{
		encoded(short2, 1, 2, noMetadata, 1, entryAX), encoded(short2, 3, 0, "\x81\xa1m\x01", 1, entryAX), encoded(short2, 4, 0, "\xdf\x00\x00\x00\x01\xa1m\x01", 0, ""),
		encoded(short2, 5, 999999999, "\x80", 1, entryAX), encoded(short2, 6, 0, noMetadata, 0, ""),
	}, []int64{1_000_000_002, 3e9, 4e9, 5_999_999_999, 6e9}, 0, nil},
	{"Fluent Bit 4.2", [][]byte{
		encoded(long2, 1, 2, noMetadata, 1, entryAX), encoded(long2, 3, 0, "\x80", 1, entryAX), encoded(long2, 4, 0, "\xdf\x00\x00\x00\x01\xa1m\x01", 1, entryAX),
	}, []int64{1_000_000_002, 3e9, 4e9}, 0, nil},
	{"groups", [][]byte{
		encoded(short2, groupStart, 0, noMetadata, 1, entryAX), encoded(long2, 1, 0, noMetadata, 1, entryAX),
		encoded(long2, groupEnd, 0, noMetadata, 0, ""), encoded(long2, groupStart, 0, noMetadata, 1, entryAX), encoded(short2, 2, 0, noMetadata, 1, entryAX),
	}, []int64{1e9, 2e9}, 0, nil},

	{"three long elements", [][]byte{encoded(long2, 1, 0, noMetadata, 1, entryAX), join([]byte("\xdd\x00\x00\x00\x03"), encoded("", 1, 0, noMetadata, 0, ""), mp(body))}, []int64{1e9}, 0, ErrRecord},
	{"long map that lies", [][]byte{encoded(short2, 1, 0, noMetadata, 3, entryAX)}, []int64{}, 0, ErrTruncated},
	{"long metadata that lies", [][]byte{encoded(short2, 1, 0, "\xdf\xff\x00\x00\x00", 1, entryAX)}, nil, 0, ErrTruncated},
	{"integer too large", [][]byte{rec(int64(1), body), old(int64(9223372037), body)}, []int64{1e9}, 0, ErrTimestamp},
	{"negative time", [][]byte{old(int64(-1), body)}, nil, 0, ErrTimestamp},
	{"not a number", [][]byte{old(math.NaN(), body)}, nil, 0, ErrTimestamp},
	{"infinite time", [][]byte{old(math.Inf(1), body)}, nil, 0, ErrTimestamp},
	{"float too large", [][]byte{old(9223372036.8547765, body)}, nil, 0, ErrTimestamp},
	{"extension of another type", [][]byte{old(ext("\xd7\x01\x00\x00\x00\x01\x00\x00\x00\x02"), body)}, nil, 0, ErrTimestamp},
	{"extension of another size", [][]byte{old(ext("\xd8\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02"), body)}, nil, 0, ErrTimestamp},
	{"time in text", [][]byte{old("1", body)}, nil, 0, ErrTimestamp},
	{"no time in the header", [][]byte{mp([]any{[]any{}, body})}, nil, 0, ErrTimestamp},
	{"a map for a header", [][]byte{old(object{{int64(1), int64(1)}}, body)}, nil, 0, ErrTimestamp},
	{"a map for a record", [][]byte{rec(int64(1), body), mp(body)}, []int64{1e9}, 0, ErrRecord},
	{"one element", [][]byte{mp([]any{int64(1)})}, nil, 0, ErrRecord},
	{"three elements", [][]byte{mp([]any{int64(1), body, body})}, nil, 0, ErrRecord},
	{"text", [][]byte{rec(int64(1), body), []byte("{\"log\":1}")}, []int64{1e9}, 0, ErrRecord},
	{"0xc1 for a record", [][]byte{rec(int64(1), body), {mpNever}}, []int64{1e9}, 0, ErrMsgpack},
	{"0xc1 in a header", [][]byte{{0x92, 0x92, 1, mpNever, 0x80}}, nil, 0, ErrMsgpack},
	{"0xc1 in a body", [][]byte{rec(int64(1), body), {0x92, 1, 0x81, 0xa1, 'a', mpNever}}, []int64{1e9}, 0, ErrMsgpack},
	{"0xc1 in a skipped body", [][]byte{{0x92, 1, 0x91, mpNever}}, nil, 0, ErrMsgpack},
	{"0xc1 in a group", [][]byte{join([]byte{0x92}, mp(eventTimeExt(groupStart, 0)), []byte{mpNever})}, nil, 0, ErrMsgpack},
	{"header that lies", [][]byte{{0x92, mpArray32, 0xff, 0xff, 0xff, 0xff, 1, 0x80}}, nil, 0, ErrTruncated},
	{"map that lies", [][]byte{{0x92, 1, mpMap32, 0x80, 0, 0, 0, 0xa1, 'a', 1}}, nil, 0, ErrTruncated},
	{"string that lies", [][]byte{{0x92, 1, 0x81, mpStr32, 0xff, 0xff, 0xff, 0xfe, 'a', 1}}, nil, 0, ErrTruncated},
}

func TestChunk(t *testing.T) {
	for _, c := range chunks {
		t.Run(c.name, func(t *testing.T) {
			w := fuzzWanted()
			skips := 0
			n, err := readChunk(c.chunk(), w, func(i int, ns int64, body []byte) {
				if i >= len(c.times) || ns != c.times[i] {
					t.Errorf("record %d: time %d, want %v", i, ns, c.times)
				}
				if _, _, isMap := container(body, 0); !isMap {
					skips++
				}
			})
			if n != len(c.times) || skips != c.skips {
				t.Errorf("%d records, %d of them no maps; want %d, %d", n, skips, len(c.times), c.skips)
			}
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("error %v, want %v", err, c.err)
			}
		})
	}
}

// A chunk cut anywhere gives the records before the cut, and an error unless
// the cut is between two.
func TestChunkCutAnywhere(t *testing.T) {
	for _, c := range chunks {
		if c.err != nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			w := fuzzWanted()
			ends, markers := map[int]int{0: 0}, 0
			size := 0
			for i, p := range c.parts {
				if size += len(p); c.name == "groups" && i%2 == 0 && i < 4 || c.name == "groups" && i == 3 {
					markers++
				}
				ends[size] = i + 1 - markers
			}
			data := c.chunk()
			last := 0
			for cut := 0; cut <= len(data); cut++ {
				whole, between := ends[cut]
				if between {
					last = whole
				}
				n, err := readChunk(data[:cut], w, func(int, int64, []byte) {})
				if n != last || (err == nil) != between {
					t.Fatalf("cut at %d: %d records, %v; want %d", cut, n, err, last)
				}
				if !between && !errors.Is(err, ErrTruncated) {
					t.Fatalf("cut at %d: %v", cut, err)
				}
			}
		})
	}
}

func TestNextSkipsWhatWasNotScanned(t *testing.T) {
	var c Chunk
	c.Reset(join(rec(int64(1), body), rec(int64(2), body), []byte{0x92, 3, mpNever}))
	for want := range int64(3) {
		if ok, err := c.Next(); !ok || err != nil || c.Time != (want+1)*1e9 || c.Index != int(want) {
			t.Fatalf("record %d: %t, %v, time %d, index %d", want, ok, err, c.Time, c.Index)
		}
	}
	for range 2 {
		ok, err := c.Next()
		var where *ChunkError
		if ok || !errors.As(err, &where) || *where != (ChunkError{2, len(c.data) - 3, ErrMsgpack}) {
			t.Fatalf("%t, %v", ok, err)
		}
	}
}

func TestAdvanceTwice(t *testing.T) {
	var c Chunk
	c.Reset(join(rec(int64(1), body), rec(int64(2), body)))
	_, _ = c.Next()
	c.Advance(len(mp(body)))
	c.Advance(len(mp(body)))
	if string(c.Body) != string(mp(body)) {
		t.Errorf("body % x", c.Body)
	}
	if ok, err := c.Next(); !ok || err != nil || c.Time != 2e9 {
		t.Errorf("%t, %v, time %d", ok, err, c.Time)
	}
}
