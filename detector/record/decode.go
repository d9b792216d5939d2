package record

import (
	"encoding/base64"
	"errors"
	"math"
	"unicode/utf8"

	jsoniter "github.com/json-iterator/go"
)

// Decoded values are nil, bool, int64, uint64, float64, string, []any and
// map[string]any. They share nothing with the bytes that they were read from.

// Format is how a record's bytes are written.
type Format uint8

// The formats of a record.
const (
	Msgpack Format = iota
	JSON
)

// Decode reads one value whole: what an alert's document is made of. It is
// far slower than a scan, and runs once an alert.
func (f Format) Decode(b []byte) (any, error) {
	if f == JSON {
		return decodeJSON(b)
	}
	val, next, err := decodeMsgpack(b, 0, 0)
	if err == nil && next < 0 {
		err = broken(b)
	}
	return val, err
}

// Scan walks a record in this format; see ScanMsgpack and ScanJSON.
func (f Format) Scan(l *Layout, b []byte, v *View) (int, error) {
	if f == JSON {
		return l.ScanJSON(b, v)
	}
	return l.ScanMsgpack(b, v)
}

var errTrailing = errors.New("more text after the JSON value")

var jsonNumbers = jsoniter.Config{UseNumber: true}.Froze()

func decodeJSON(b []byte) (any, error) {
	var val any
	it := jsonNumbers.BorrowIterator(b)
	defer jsonNumbers.ReturnIterator(it)
	it.ReadVal(&val)
	if it.Error != nil {
		return nil, it.Error
	}
	if it.WhatIsNext() != jsoniter.InvalidValue {
		return nil, errTrailing
	}
	return plain(val), nil
}

// plain replaces json.Number by int64, uint64 or float64, throughout.
func plain(val any) any {
	switch val := val.(type) {
	case map[string]any:
		for k, e := range val {
			val[k] = plain(e)
		}
	case []any:
		for i, e := range val {
			val[i] = plain(e)
		}
	case interface{ String() string }: // json.Number
		n, ok := bareNumber(val.String())
		if !ok {
			return val.String()
		}
		return n.Any()
	}
	return val
}

// Any returns the Go value that v holds, sharing nothing with it: nil, bool,
// int64, uint64, float64 or string.
func (v *Value) Any() any {
	switch v.Kind {
	case Bool:
		return v.Num != 0
	case Int:
		return int64(v.Num)
	case Uint:
		return v.Num
	case Float:
		return math.Float64frombits(v.Num)
	case String:
		return string([]byte(v.Str))
	}
	return nil
}

// maxDecodeDepth bounds recursion: deeper values are replaced by nil, so that
// the rest of the record can still be shown.
const maxDecodeDepth = 256

func decodeMsgpack(b []byte, i, depth int) (any, int, error) {
	if uint(i) >= uint(len(b)) {
		return nil, -1, ErrTruncated
	}
	if s, next := text(b, i); next >= 0 {
		if c := b[i]; c >= mpBin8 && c <= mpBin32 && !utf8.ValidString(s) {
			return base64.StdEncoding.EncodeToString([]byte(s)), next, nil
		}
		return string([]byte(s)), next, nil
	}
	n, next, isMap := container(b, i)
	if next < 0 {
		val, next := number(b, i)
		if next < 0 {
			return nil, -1, broken(b[i:])
		}
		return val.Any(), next, nil
	}
	if depth >= maxDecodeDepth {
		if next = skip(b, i); next < 0 {
			return nil, -1, broken(b[i:])
		}
		return nil, next, nil
	}
	if !isMap {
		list := make([]any, 0, min(n, 1024))
		for ; n > 0; n-- {
			var e any
			var err error
			if e, next, err = decodeMsgpack(b, next, depth+1); err != nil {
				return nil, -1, err
			}
			list = append(list, e)
		}
		return list, next, nil
	}
	m := make(map[string]any, min(n, 64))
	for ; n > 0; n-- {
		key, e, err := any(nil), any(nil), error(nil)
		if key, next, err = decodeMsgpack(b, next, depth+1); err != nil {
			return nil, -1, err
		}
		if e, next, err = decodeMsgpack(b, next, depth+1); err != nil {
			return nil, -1, err
		}
		// A key of another type names no field that a query could ask for.
		if k, ok := key.(string); ok {
			m[k] = e
		}
	}
	return m, next, nil
}
