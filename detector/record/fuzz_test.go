package record

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	jsoniter "github.com/json-iterator/go"
	"github.com/tinylib/msgp/msgp"
)

// fuzzWanted wants a bit of everything.
func fuzzWanted() *wanted {
	w := &wanted{layout: NewLayout()}
	w.underscores = [][]string{{"annotations"}}
	w.layout.Underscore("annotations")
	for path, how := range map[string]int{
		"a": 7, "a b": 1, "a b c": 7, "a deep": 2, "b": 1, "b b": 4, "deep": 2, "deep a": 3,
		"list": 5, "list a": 1, "annotations a_b": 1, "annotations": 4, "span": 4, "stage": 1,
	} {
		w.add(strings.Fields(path), how)
	}
	w.view = w.layout.NewView(0, nil)
	return w
}

// parseMsgpack is the slow decoder: it reads a value with tinylib/msgp and
// returns what is left of b.
func parseMsgpack(b []byte) (val any, rest []byte, err error) {
	defer func() {
		// Where int has 32 bits, msgp panics on lengths that do not fit one.
		if p := recover(); p != nil {
			if strconv.IntSize > 32 {
				panic(p)
			}
			err = fmt.Errorf("msgp: %v", p)
		}
	}()
	return parseValue(b)
}

func parseValue(b []byte) (any, []byte, error) {
	if len(b) == 0 {
		return nil, b, msgp.ErrShortBytes
	}
	switch msgp.NextType(b) {
	case msgp.NilType:
		b, err := msgp.ReadNilBytes(b)
		return nil, b, err
	case msgp.BoolType:
		return parsed(msgp.ReadBoolBytes(b))
	case msgp.IntType:
		return parsed(msgp.ReadInt64Bytes(b))
	case msgp.UintType:
		n, b, err := msgp.ReadUint64Bytes(b)
		if n <= math.MaxInt64 {
			return int64(n), b, err
		}
		return n, b, err
	case msgp.Float32Type:
		f, b, err := msgp.ReadFloat32Bytes(b)
		return float64(f), b, err
	case msgp.Float64Type:
		return parsed(msgp.ReadFloat64Bytes(b))
	case msgp.StrType:
		return parsed(msgp.ReadStringBytes(b))
	case msgp.BinType:
		s, b, err := msgp.ReadBytesBytes(b, nil)
		return binary8(s), b, err
	case msgp.ArrayType:
		n, b, err := msgp.ReadArrayHeaderBytes(b)
		list := []any{}
		for ; n > 0 && err == nil; n-- {
			var e any
			e, b, err = parseValue(b)
			list = append(list, e)
		}
		return list, b, err
	case msgp.MapType:
		n, b, err := msgp.ReadMapHeaderBytes(b)
		obj := object{}
		for ; n > 0 && err == nil; n-- {
			var e entry
			if e.key, b, err = parseValue(b); err != nil {
				break
			}
			e.val, b, err = parseValue(b)
			obj = append(obj, e)
		}
		return obj, b, err
	}
	rest, err := msgp.Skip(b)
	return ext(b[:len(b)-len(rest)]), rest, err
}

func parsed[T any](val T, rest []byte, err error) (any, []byte, error) { return val, rest, err }

// same compares values, of which NaN is one.
func same(a, b any) bool { return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b) }

func FuzzMsgpack(f *testing.F) {
	never := func() int { return 0 }
	f.Add(appendMsgpack(nil, object{{"a", object{{"b.c", int64(1)}, {nil, 2.5}}}, {"deep", []any{"x", ext("\xd4\x01\x02")}}}, never))
	f.Add(appendMsgpack(nil, object{{"annotations", object{{"a.b", "x"}}}, {"list", []any{[]any{object{{"a", true}}}}}}, never))
	f.Add([]byte{0x81, 0xa1, 'a', mpArray32, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x81, mpMap32, 0x80, 0, 0, 0})
	f.Add([]byte{mpNever})
	w := fuzzWanted()
	f.Fuzz(func(t *testing.T, b []byte) {
		w.view.Reset()
		n, err := w.layout.ScanMsgpack(b, w.view)
		skipped := skip(b, 0)
		val, decodedTo := decodeMsgpack(b, 0, 0)
		tree, rest, slow := parseMsgpack(b)
		if slow != nil {
			if err == nil || err == ErrNotMap || skipped >= 0 || decodedTo >= 0 {
				t.Fatalf("scan %v, skip %d, decode %d of what msgp refuses: %v", err, skipped, decodedTo, slow)
			}
			return
		}
		size := len(b) - len(rest)
		if skipped != size || decodedTo != size {
			t.Fatalf("skip %d, decode %d, want %d", skipped, decodedTo, size)
		}
		if _, isMap := tree.(object); !isMap {
			if err != ErrNotMap {
				t.Fatalf("not a map: %d, %v", n, err)
			}
			return
		}
		if err != nil || n != size {
			t.Fatalf("scan %d, %v, want %d", n, err, size)
		}
		if treeDepth(tree) > maxDepth {
			return
		}
		if !same(val, decoded(tree)) {
			t.Fatalf("decoded %v, want %v", val, decoded(tree))
		}
		if err := w.check(Msgpack, tree); err != nil {
			t.Fatal(err)
		}
	})
}

// parseJSON reads a value with encoding/json's tokens, which keep the order
// and the doubles.
func parseJSON(d *json.Decoder) any {
	tok, err := d.Token()
	if err != nil {
		panic(err)
	}
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '[' {
			list := []any{}
			for d.More() {
				list = append(list, parseJSON(d))
			}
			_, _ = d.Token()
			return list
		}
		obj := object{}
		for d.More() {
			key, _ := d.Token()
			obj = append(obj, entry{key, parseJSON(d)})
		}
		_, _ = d.Token()
		return obj
	case json.Number:
		if n, err := tok.Int64(); err == nil {
			return n
		}
		var u uint64
		if json.Unmarshal([]byte(tok), &u) == nil {
			return u
		}
		f, err := tok.Float64()
		if err != nil {
			return math.Inf(map[bool]int{true: -1, false: 1}[strings.HasPrefix(string(tok), "-")])
		}
		return f
	default:
		return tok
	}
}

func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{"a":{"b":1,"b.c":[true,null,-1.5e3]},"annotations":{"a.b":"\u00e9\n\ud83d\ude00\ud800"}}`,
		` {"deep" : [[{"x":"y"}],{}] , "list":[{"a":1},{"a":2}] }`,
		`{"a":18446744073709551615,"b":123456789012345678901,"stage":-0,"a":1e400}`,
		`{"a":"12345\\\"","b":"\\"}`, `[1]`, `{"a":01}`, `{"a":1,}`, `{"a":"` + "\x01\xff" + `"}`,
	} {
		f.Add([]byte(text))
	}
	w := fuzzWanted()
	f.Fuzz(func(t *testing.T, b []byte) {
		w.view.Reset()
		n, err := w.layout.ScanJSON(b, w.view)
		if (err == nil) != (n > 0) || n > len(b) {
			t.Fatalf("%d, %v", n, err)
		}
		val, decodeErr := JSON.Decode(b)
		if !jsoniter.Valid(b) || !json.Valid(b) || !utf8.Valid(b) {
			return
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		tree := parseJSON(d)
		if _, isMap := tree.(object); !isMap {
			if err != ErrNotMap {
				t.Fatalf("not a map: %d, %v", n, err)
			}
			return
		}
		if want := len(bytes.TrimRight(b, " \t\r\n")); err != nil || n != want {
			t.Fatalf("scan %d, %v, want %d", n, err, want)
		}
		if treeDepth(tree) > maxDepth {
			return
		}
		if decodeErr != nil || !same(val, decoded(tree)) {
			t.Fatalf("decoded %#v, %v, want %#v", val, decodeErr, decoded(tree))
		}
		if err := w.check(JSON, tree); err != nil {
			t.Fatal(err)
		}
	})
}

// slowRecord is a record as the slow decoder of chunks reads it.
type slowRecord struct {
	time int64
	body any
}

// slowChunk reads a chunk whole, as Fluent Bit's decoder does.
func slowChunk(b []byte) (recs []slowRecord, ok bool) {
	for len(b) > 0 {
		val, rest, err := parseMsgpack(b)
		if err != nil {
			return recs, false
		}
		pair, _ := val.([]any)
		if len(pair) != 2 {
			return recs, false
		}
		head, isArray := pair[0].([]any)
		switch {
		case !isArray:
			head = pair[:1]
		case len(head) == 0:
			return recs, false
		}
		ns, group := int64(-1), false
		switch val := head[0].(type) {
		case ext:
			if data, ok := eventTimeOf(val); ok {
				sec := int64(binary.BigEndian.Uint32(data))
				ns = sec*1e9 + int64(binary.BigEndian.Uint32(data[4:]))
				group = sec == groupStart || sec == groupEnd
			}
		case int64:
			if ns = -1; val >= 0 && val <= 9223372036 {
				ns = val * 1e9
			}
			group = val == groupStart || val == groupEnd
		case float64:
			if val >= 0 && val < math.MaxInt64/1e9 {
				ns = int64(val)*1e9 + int64((val-math.Floor(val))*1e9)
			}
			group = int64(val) == groupStart || int64(val) == groupEnd
		}
		if ns < 0 {
			return recs, false
		}
		if !group {
			recs = append(recs, slowRecord{ns, pair[1]})
		}
		b = rest
	}
	return recs, true
}

// eventTimeOf returns the 8 bytes of an extension of type 0 that has so many.
func eventTimeOf(val ext) ([]byte, bool) {
	for _, form := range []string{"\xd7\x00", "\xc7\x08\x00", "\xc8\x00\x08\x00", "\xc9\x00\x00\x00\x08\x00"} {
		if data, ok := strings.CutPrefix(string(val), form); ok {
			return []byte(data), true
		}
	}
	return nil, false
}

// readChunk reads a chunk as the engine does.
func readChunk(b []byte, w *wanted, each func(i int, ns int64, body []byte)) (n int, err error) {
	var c Chunk
	for c.Reset(b); ; n++ {
		ok, err := c.Next()
		if !ok || err != nil {
			return n, err
		}
		w.view.Reset()
		size, err := w.layout.ScanMsgpack(c.Body, w.view)
		switch {
		case err == ErrNotMap:
			if err := c.SkipBody(); err != nil {
				return n, err
			}
		case err != nil:
			return n, c.Fail(err)
		default:
			c.Advance(size)
		}
		each(c.Index, c.Time, c.Body)
	}
}

func FuzzChunk(f *testing.F) {
	for _, c := range chunks {
		f.Add(c.chunk())
	}
	w := fuzzWanted()
	f.Fuzz(func(t *testing.T, b []byte) {
		want, ok := slowChunk(b)
		n, err := readChunk(b, w, func(i int, ns int64, body []byte) {
			if i >= len(want) {
				t.Fatalf("record %d of %d", i, len(want))
			}
			if ns != want[i].time {
				t.Fatalf("record %d: time %d, want %d", i, ns, want[i].time)
			}
			tree, rest, err := parseMsgpack(body)
			if err != nil || len(rest) > 0 || !same(tree, want[i].body) {
				t.Fatalf("record %d: body %v, want %v", i, tree, want[i].body)
			}
			if _, isMap := tree.(object); isMap && treeDepth(tree) <= maxDepth {
				if err := w.check(Msgpack, tree); err != nil {
					t.Fatal(err)
				}
			}
		})
		if n != len(want) || (err == nil) != ok {
			t.Fatalf("%d records, %v; want %d, %t", n, err, len(want), ok)
		}
		var where *ChunkError
		if err != nil && (!errors.As(err, &where) || where.Record != n) {
			t.Fatalf("after %d records: %v", n, err)
		}
	})
}
