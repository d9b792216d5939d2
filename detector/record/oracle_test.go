package record

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The oracle of the scanners: documents as trees, written as msgpack and as
// JSON, and searched for a path without any cleverness.

// object is a map with its order and its doubles. Keys are strings, or values
// that name no field.
type object []entry

type entry struct{ key, val any }

type (
	binary8 string // a msgpack bin
	ext     string // a msgpack extension, as it is written
)

// pathSet says what is wanted.
type pathSet struct {
	paths       [][]string
	underscores [][]string
}

func (p *pathSet) underscore(at []string) bool {
	return slices.ContainsFunc(p.underscores, func(u []string) bool { return slices.Equal(u, at) })
}

// reach calls visit for every value at the path, arrays whole. real is false
// for a map that only a key with dots spells.
func (p *pathSet) reach(val any, at, path []string, real bool, visit func(val any, real bool)) {
	if len(path) == 0 {
		visit(val, real)
		return
	}
	switch val := val.(type) {
	case []any:
		for _, e := range val {
			p.reach(e, at, path, true, visit)
		}
	case object:
		for _, e := range val {
			key, ok := textOf(e.key)
			if !ok {
				continue
			}
			child, real := e.val, true
			if p.underscore(at) {
				key = strings.ReplaceAll(key, ".", "_")
			} else if first, rest, ok := strings.Cut(key, "."); ok {
				key, child, real = first, object{{rest, e.val}}, false
			}
			if key == path[0] {
				p.reach(child, append(at[:len(at):len(at)], key), path[1:], real, visit)
			}
		}
	}
}

func textOf(val any) (string, bool) {
	switch val := val.(type) {
	case string:
		return val, true
	case binary8:
		return string(val), true
	}
	return "", false
}

// want, deep and span say what the slot of a path must hold.
func (p *pathSet) want(doc any, path []string) (vals []Value) {
	p.reach(doc, nil, path, true, func(val any, _ bool) { flatten(val, false, &vals) })
	return vals
}

func (p *pathSet) deep(doc any, path []string) (vals []Value) {
	p.reach(doc, nil, path, true, func(val any, _ bool) { flatten(val, true, &vals) })
	return vals
}

func (p *pathSet) span(doc any, path []string) (vals []any) {
	p.reach(doc, nil, path, true, func(val any, real bool) {
		switch val.(type) {
		case object, []any:
			if real {
				vals = append(vals, decoded(val))
			}
		}
	})
	return vals
}

func flatten(val any, deep bool, to *[]Value) {
	switch val := val.(type) {
	case []any:
		for _, e := range val {
			flatten(e, deep, to)
		}
	case object:
		if !deep && len(val) > 0 {
			*to = append(*to, Value{Kind: Object})
		}
		for _, e := range val {
			if _, ok := textOf(e.key); ok && deep {
				flatten(e.val, deep, to)
			}
		}
	case nil, ext:
	case string:
		*to = append(*to, StringValue(val))
	case binary8:
		*to = append(*to, StringValue(string(val)))
	case bool:
		*to = append(*to, BoolValue(val))
	case int64:
		*to = append(*to, IntValue(val))
	case uint64:
		*to = append(*to, UintValue(val))
	case float64:
		*to = append(*to, FloatValue(val))
	default:
		panic(fmt.Sprintf("%T in a tree", val))
	}
}

// decoded is what Decode must make of a tree that has no binary in it.
func decoded(val any) any {
	switch val := val.(type) {
	case []any:
		list := []any{}
		for _, e := range val {
			list = append(list, decoded(e))
		}
		return list
	case object:
		m := map[string]any{}
		for _, e := range val {
			if key, ok := textOf(e.key); ok {
				m[strings.ToValidUTF8(key, "\uFFFD")] = decoded(e.val)
			}
		}
		return m
	case string:
		return strings.ToValidUTF8(val, "\uFFFD")
	case uint64:
		if val <= math.MaxInt64 {
			return int64(val)
		}
	case float64:
		if math.IsInf(val, 0) || math.IsNaN(val) {
			return nil
		}
	case ext:
		return nil
	case binary8:
		v := Value{Kind: String, Str: string(val)}
		any, _ := decodeMsgpack(append([]byte{mpBin32}, sized32(v.Str)...), 0, 0)
		return any
	}
	return val
}

func sized32(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

func treeDepth(val any) int {
	depth := 0
	switch val := val.(type) {
	case []any:
		for _, e := range val {
			depth = max(depth, treeDepth(e))
		}
		return depth + 1
	case object:
		for _, e := range val {
			depth = max(depth, treeDepth(e.val))
		}
		return depth + 1
	}
	return 0
}

// appendMsgpack writes a tree. wide chooses, from 0 on, how much longer than
// needed each length is written.
func appendMsgpack(b []byte, val any, wide func() int) []byte {
	switch val := val.(type) {
	case nil:
		return append(b, mpNil)
	case bool:
		if val {
			return append(b, mpTrue)
		}
		return append(b, mpFalse)
	case string:
		return append(appendHead(b, len(val), 0xa0, 32, mpStr8, wide()), val...)
	case binary8:
		return append(appendHead(b, len(val), 0, 0, mpBin8, wide()), val...)
	case ext:
		return append(b, val...)
	case float64:
		if f := float32(val); float64(f) == val && wide() == 0 {
			return binary.BigEndian.AppendUint32(append(b, mpFloat32), math.Float32bits(f))
		}
		return binary.BigEndian.AppendUint64(append(b, mpFloat64), math.Float64bits(val))
	case uint64:
		return binary.BigEndian.AppendUint64(append(b, mpUint64), val)
	case int64:
		return appendInt(b, val, wide())
	case []any:
		b = appendHead(b, len(val), 0x90, 16, mpArray16-1, max(wide(), 0))
		for _, e := range val {
			b = appendMsgpack(b, e, wide)
		}
		return b
	case object:
		b = appendHead(b, len(val), 0x80, 16, mpMap16-1, wide())
		for _, e := range val {
			b = appendMsgpack(appendMsgpack(b, e.key, wide), e.val, wide)
		}
		return b
	}
	panic(fmt.Sprintf("%T in a tree", val))
}

// appendHead writes a length: in the first byte if it is below small, else in
// 1, 2 or 4 bytes after form8, form8+1 or form8+2. Maps and arrays have no
// form of 1 byte.
func appendHead(b []byte, n int, fix byte, small int, form8 byte, wide int) []byte {
	switch {
	case n < small && wide == 0:
		return append(b, fix|byte(n))
	case n < 256 && wide <= 1 && form8 != mpArray16-1 && form8 != mpMap16-1:
		return append(b, form8, byte(n))
	case n < 65536 && wide <= 2:
		return binary.BigEndian.AppendUint16(append(b, form8+1), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, form8+2), uint32(n))
}

func appendInt(b []byte, n int64, wide int) []byte {
	switch {
	case n >= -32 && n < 128 && wide == 0:
		return append(b, byte(n))
	case n == int64(int8(n)) && wide <= 1:
		return append(b, mpInt8, byte(n))
	case n == int64(uint8(n)) && wide <= 1:
		return append(b, mpUint8, byte(n))
	case n == int64(int16(n)) && wide <= 2:
		return binary.BigEndian.AppendUint16(append(b, mpInt16), uint16(n))
	case n == int64(uint16(n)) && wide <= 2:
		return binary.BigEndian.AppendUint16(append(b, mpUint16), uint16(n))
	case n == int64(int32(n)) && wide <= 3:
		return binary.BigEndian.AppendUint32(append(b, mpInt32), uint32(n))
	case n == int64(uint32(n)) && wide <= 3:
		return binary.BigEndian.AppendUint32(append(b, mpUint32), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, mpInt64), uint64(n))
}

// appendJSON writes a tree of what JSON can hold. vary chooses, from 0 on,
// white space and escapes that are not needed.
func appendJSON(b []byte, val any, vary func() int) []byte {
	gap := func() { b = append(b, []string{"", " ", "\n\t", "\r\n  "}[vary()]...) }
	gap()
	switch val := val.(type) {
	case nil:
		b = append(b, "null"...)
	case bool:
		b = strconv.AppendBool(b, val)
	case string:
		b = appendJSONString(b, val, vary)
	case uint64:
		b = strconv.AppendUint(b, val, 10)
	case int64:
		b = strconv.AppendInt(b, val, 10)
	case float64:
		text := strconv.FormatFloat(val, "gfe"[vary()%3], -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		b = append(b, text...)
	case []any:
		b = append(b, '[')
		for i, e := range val {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e, vary)
		}
		gap()
		b = append(b, ']')
	case object:
		b = append(b, '{')
		for i, e := range val {
			if i > 0 {
				b = append(b, ',')
			}
			gap()
			b = appendJSONString(b, e.key.(string), vary)
			gap()
			b = appendJSON(append(b, ':'), e.val, vary)
		}
		gap()
		b = append(b, '}')
	default:
		panic(fmt.Sprintf("%T in a tree for JSON", val))
	}
	gap()
	return b
}

func appendJSONString(b []byte, s string, vary func() int) []byte {
	b = append(b, '"')
	for _, r := range []byte(s) {
		switch {
		case r < ' ', r < 0x80 && vary() == 3:
			b = fmt.Appendf(b, `\u%04X`, r)
		case r == '"' || r == '\\':
			b = append(b, '\\', r)
		default:
			b = append(b, r)
		}
	}
	return append(b, '"')
}
