package record

import (
	"encoding/base64"
	"math"
	"strings"
	"unicode/utf8"
)

// Decoded values are nil, bool, int64, uint64, float64, string, []any and
// map[string]any. They share nothing with the bytes that they were read from,
// and can be written as JSON: bytes that are not UTF-8 are replaced, binary
// that is not text is in base64, infinities and NaN are nil.

// Format is how a record's bytes are written.
type Format uint8

// The formats of a record.
const (
	Msgpack Format = iota
	JSON
)

// maxDecodeDepth bounds recursion: maps and arrays below so many levels are
// replaced by nil, so that the rest of the record can still be shown.
const maxDecodeDepth = 256

// Decode reads one value whole: what an alert's document is made of. It is
// far slower than a scan, and runs once an alert. Of a key that occurs twice
// the last value counts; a key that is no text is left out.
//
// A JSON record that could be scanned can still fail to decode, for a mistake
// in what the scan had no need to look at.
func (f Format) Decode(b []byte) (any, error) {
	if f == JSON {
		return decodeJSON(b)
	}
	val, next := decodeMsgpack(b, 0, 0)
	if next < 0 {
		return nil, broken(b)
	}
	return val, nil
}

// Scan walks a record in this format; see ScanMsgpack and ScanJSON.
func (f Format) Scan(l *Layout, b []byte, v *View) (int, error) {
	if f == JSON {
		return l.ScanJSON(b, v)
	}
	return l.ScanMsgpack(b, v)
}

// Any returns the Go value that v holds, sharing nothing with it: nil, bool,
// int64, uint64, float64 or string. Numbers that JSON cannot write are nil.
func (v *Value) Any() any {
	switch v.Kind {
	case Bool:
		return v.Num != 0
	case Int:
		return int64(v.Num)
	case Uint:
		return v.Num
	case Float:
		f := math.Float64frombits(v.Num)
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return nil
		}
		return f
	case String:
		return strings.Clone(v.Str)
	}
	return nil
}

// decodeMsgpack reads the value at b[i] and returns the offset after it,
// negative if there is no whole value.
func decodeMsgpack(b []byte, i, depth int) (any, int) {
	if s, next := text(b, i); next >= 0 {
		if c := b[i]; c >= mpBin8 && c <= mpBin32 && !utf8.ValidString(s) {
			return base64.StdEncoding.EncodeToString([]byte(s)), next
		}
		return ownText(s), next
	}
	n, next, isMap := container(b, i)
	switch {
	case next < 0:
		val, next := number(b, i)
		return val.Any(), next
	case depth >= maxDecodeDepth:
		return nil, skip(b, i)
	case isMap:
		return decodeMap(b, next, n, depth+1)
	}
	list := make([]any, 0, min(n, 64))
	for ; n > 0; n-- {
		var e any
		if e, next = decodeMsgpack(b, next, depth+1); next < 0 {
			return nil, -1
		}
		list = append(list, e)
	}
	return list, next
}

func decodeMap(b []byte, i, n, depth int) (any, int) {
	m := make(map[string]any, min(n, 64))
	for ; n > 0; n-- {
		key, next := text(b, i)
		if next < 0 { // a key of another type names no field
			if next = skip(b, i); next >= 0 {
				next = skip(b, next)
			}
			if next < 0 {
				return nil, -1
			}
			i = next
			continue
		}
		var e any
		if e, i = decodeMsgpack(b, next, depth); i < 0 {
			return nil, -1
		}
		m[ownText(key)] = e
	}
	return m, i
}

// ownText returns a copy of s, with what is not UTF-8 replaced.
func ownText(s string) string {
	if utf8.ValidString(s) {
		return strings.Clone(s)
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
