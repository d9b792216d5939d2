package record

import (
	"encoding/binary"
	"errors"
	"math"
	"unsafe"
)

// Errors of the scanners. They say what is wrong with the bytes; the caller
// adds where.
var (
	ErrTruncated = errors.New("record ends in the middle of a value")
	ErrMsgpack   = errors.New("not msgpack: byte 0xc1 stands where a value should")
	ErrDepth     = errors.New("values nested too deeply")
	ErrNotMap    = errors.New("record is not a map")
)

// maxDepth bounds how deep the walk follows wanted fields. Skipping has no
// such bound: it does not recurse.
const maxDepth = 128

// Msgpack formats: https://github.com/msgpack/msgpack/blob/master/spec.md
const (
	mpNil, mpNever, mpFalse, mpTrue = 0xc0, 0xc1, 0xc2, 0xc3
	mpBin8, mpBin16, mpBin32        = 0xc4, 0xc5, 0xc6
	mpExt8, mpExt16, mpExt32        = 0xc7, 0xc8, 0xc9
	mpFloat32, mpFloat64            = 0xca, 0xcb
	mpUint8, mpUint16               = 0xcc, 0xcd
	mpUint32, mpUint64              = 0xce, 0xcf
	mpInt8, mpInt16                 = 0xd0, 0xd1
	mpInt32, mpInt64                = 0xd2, 0xd3
	mpFixExt1, mpFixExt16           = 0xd4, 0xd8
	mpStr8, mpStr16, mpStr32        = 0xd9, 0xda, 0xdb
	mpArray16, mpArray32            = 0xdc, 0xdd
	mpMap16, mpMap32                = 0xde, 0xdf
)

// fixedSize is the whole size of a value by its first byte, where that byte
// alone tells it and the value holds no others; 0 elsewhere.
var fixedSize = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c < 0x80 || c >= 0xe0 || c == mpNil || c == mpFalse || c == mpTrue:
			t[c] = 1
		case c >= 0xa0 && c <= 0xbf:
			t[c] = uint8(c&0x1f) + 1
		}
	}
	t[0x80], t[0x90] = 1, 1 // empty map, empty array
	t[mpUint8], t[mpInt8] = 2, 2
	t[mpUint16], t[mpInt16] = 3, 3
	t[mpUint32], t[mpInt32], t[mpFloat32] = 5, 5, 5
	t[mpUint64], t[mpInt64], t[mpFloat64] = 9, 9, 9
	t[0xd4], t[0xd5], t[0xd6], t[0xd7], t[0xd8] = 3, 4, 6, 10, 18
	return t
}()

// skip returns the offset after the value at b[i], or a negative number if
// there is no whole value. It does not recurse.
func skip(b []byte, i int) int {
	for left := 1; left > 0; left-- {
		if uint(i) >= uint(len(b)) {
			return -1
		}
		c := b[i]
		if n := fixedSize[c]; n != 0 {
			i += int(n)
			continue
		}
		switch {
		case c == mpStr8 || c == mpBin8:
			if i+2 > len(b) {
				return -1
			}
			i += 2 + int(b[i+1])
		case c < 0x90: // fixmap
			left += 2 * int(c&0x0f)
			i++
		case c < 0xa0: // fixarray
			left += int(c & 0x0f)
			i++
		default:
			size, inside := head(b, i)
			if size < 0 || inside > len(b)-i {
				// A container cannot hold more values than bytes are left:
				// a lying length ends here, not after billions of steps.
				return -1
			}
			left += inside
			i += size
		}
	}
	if i > len(b) {
		return -1
	}
	return i
}

// head returns the size of the value at b[i] less what it holds, and how many
// values it holds: the formats that skip and fixedSize do not know. The size
// is negative if the bytes end first.
func head(b []byte, i int) (size, inside int) {
	c, rest := b[i], b[i+1:]
	var n int
	switch c {
	case mpExt8:
		if len(rest) < 1 {
			return -1, 0
		}
		return 3 + int(rest[0]), 0
	case mpStr16, mpBin16, mpArray16, mpMap16, mpExt16:
		if len(rest) < 2 {
			return -1, 0
		}
		n, size = int(binary.BigEndian.Uint16(rest)), 3
	case mpStr32, mpBin32, mpArray32, mpMap32, mpExt32:
		if len(rest) < 4 {
			return -1, 0
		}
		n, size = int(binary.BigEndian.Uint32(rest)), 5
	default:
		return -1, 0
	}
	switch c {
	case mpArray16, mpArray32:
		return size, n
	case mpMap16, mpMap32:
		return size, 2 * n
	case mpExt16, mpExt32:
		n++
	}
	return size + n, 0
}

// text returns the string or binary value at b[i] and the offset after it.
// next is negative if there is none.
func text(b []byte, i int) (s string, next int) {
	if uint(i) >= uint(len(b)) {
		return "", -1
	}
	c := b[i]
	var n int
	switch {
	case c&0xe0 == 0xa0:
		n, i = int(c&0x1f), i+1
	case c == mpStr8 || c == mpBin8:
		if i+2 > len(b) {
			return "", -1
		}
		n, i = int(b[i+1]), i+2
	case c == mpStr16 || c == mpBin16:
		if i+3 > len(b) {
			return "", -1
		}
		n, i = int(binary.BigEndian.Uint16(b[i+1:])), i+3
	case c == mpStr32 || c == mpBin32:
		if i+5 > len(b) {
			return "", -1
		}
		n, i = int(binary.BigEndian.Uint32(b[i+1:])), i+5
	default:
		return "", -1
	}
	if n > len(b)-i {
		return "", -1
	}
	return view(b[i : i+n]), i + n
}

// view returns b's bytes as a string that shares them.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// container returns how many entries the map or array at b[i] has and where
// they start. next is negative if the value is neither.
func container(b []byte, i int) (n, next int, isMap bool) {
	if uint(i) >= uint(len(b)) {
		return 0, -1, false
	}
	switch c := b[i]; {
	case c&0xf0 == 0x80:
		return int(c & 0x0f), i + 1, true
	case c&0xf0 == 0x90:
		return int(c & 0x0f), i + 1, false
	case c >= mpArray16 && c <= mpMap32:
		size, inside := head(b, i)
		if size < 0 || inside > len(b)-i {
			return 0, -1, false
		}
		if c >= mpMap16 {
			return inside / 2, i + size, true
		}
		return inside, i + size, false
	}
	return 0, -1, false
}

// ScanMsgpack walks the map at the start of b, fills v with the wanted values
// and returns the length of the map. Values point into b. On an error v holds
// what was found before it.
func (l *Layout) ScanMsgpack(b []byte, v *View) (int, error) {
	n, i, isMap := container(b, 0)
	if i < 0 {
		if skip(b, 0) < 0 {
			return 0, broken(b)
		}
		return 0, ErrNotMap
	}
	if !isMap {
		return 0, ErrNotMap
	}
	i = v.walkMap(l.root, b, i, n, 0)
	if i < 0 {
		return 0, broken(b)
	}
	return i, nil
}

// broken tells why b did not scan, slowly.
func broken(b []byte) error {
	for i, left := 0, 1; left > 0; left-- {
		if i >= len(b) {
			return ErrTruncated
		}
		if b[i] == mpNever {
			return ErrMsgpack
		}
		n, next, isMap := container(b, i)
		if next >= 0 {
			if isMap {
				n *= 2
			}
			left += n
			i = next
			continue
		}
		if i = skip(b, i); i < 0 {
			return ErrTruncated
		}
	}
	return ErrDepth
}

// walkMap reads n entries at b[i] of the map at node, and returns the offset
// after them, negative if they are broken.
func (v *View) walkMap(at *node, b []byte, i, n, depth int) int {
	if depth > maxDepth {
		return -1
	}
	for ; n > 0; n-- {
		if uint(i) >= uint(len(b)) {
			return -1
		}
		var key string
		if c := b[i]; c&0xe0 == 0xa0 {
			end := i + 1 + int(c&0x1f)
			if end > len(b) {
				return -1
			}
			key, i = view(b[i+1:end]), end
		} else {
			s, next := text(b, i)
			if next < 0 {
				// A key of another type names no field.
				if i = skip(b, i); i < 0 {
					return -1
				}
				if i = skip(b, i); i < 0 {
					return -1
				}
				continue
			}
			key, i = s, next
		}
		if c := at.lookup(key); c != nil {
			i = v.walk(c, b, i, depth)
		} else {
			i = skip(b, i)
		}
		if i < 0 {
			return -1
		}
	}
	return i
}

// walk reads the value at b[i], which the layout has at node.
func (v *View) walk(at *node, b []byte, i, depth int) int {
	if uint(i) >= uint(len(b)) {
		return -1
	}
	c := b[i]
	switch {
	case c&0xe0 == 0xa0 || c >= mpStr8 && c <= mpStr32 || c >= mpBin8 && c <= mpBin32:
		s, next := text(b, i)
		if next < 0 {
			return -1
		}
		v.scalar(at, Value{Kind: String, Str: s})
		return next
	case c&0xf0 == 0x80 || c == mpMap16 || c == mpMap32:
		start := i
		n, next, _ := container(b, i)
		if next < 0 {
			return -1
		}
		if at.slot != none && n > 0 {
			v.push(at.slot, Value{Kind: Object})
		}
		if !at.wantsInside() {
			i = skip(b, i)
		} else if at.deep != none {
			i = v.walkDeep(at, b, next, n, depth+1)
		} else {
			i = v.walkMap(at, b, next, n, depth+1)
		}
		if i >= 0 && at.span != none {
			v.push(at.span, Value{Kind: Span, Str: view(b[start:i])})
		}
		return i
	case c&0xf0 == 0x90 || c == mpArray16 || c == mpArray32:
		start := i
		n, next, _ := container(b, i)
		if next < 0 || depth > maxDepth {
			return -1
		}
		if at.span != none {
			// The array is wanted as it is; its elements are read from there.
			if i = skip(b, i); i >= 0 {
				v.push(at.span, Value{Kind: Span, Str: view(b[start:i])})
			}
			if at.slot == none && !at.wantsInside() {
				return i
			}
		}
		if at.span == none {
			return v.walkArray(at, b, next, n, depth+1)
		}
		inner := *at
		inner.span = none
		return v.walkArray(&inner, b, next, n, depth+1)
	}
	val, next := number(b, i)
	if next < 0 {
		return -1
	}
	if val.Kind > Null {
		v.scalar(at, val)
	}
	return next
}

// walkArray reads n elements, each as if it stood where the array stands.
func (v *View) walkArray(at *node, b []byte, i, n, depth int) int {
	for ; n > 0 && i >= 0; n-- {
		i = v.walk(at, b, i, depth)
	}
	return i
}

// scalar files a scalar under its node.
func (v *View) scalar(at *node, val Value) {
	if at.slot != none {
		v.push(at.slot, val)
	}
	if at.deep != none {
		v.push(at.deep, val)
	}
}

// walkDeep reads n entries of a map whose every scalar is wanted, on top of
// what the layout names below it.
func (v *View) walkDeep(at *node, b []byte, i, n, depth int) int {
	if depth > maxDepth {
		return -1
	}
	for ; n > 0; n-- {
		key, next := text(b, i)
		if next < 0 {
			if next = skip(b, i); next < 0 {
				return -1
			}
		}
		below := node{slot: none, deep: at.deep, span: none}
		if c := at.lookup(key); c != nil {
			below = *c
			below.deep = at.deep
		}
		if i = v.walk(&below, b, next, depth); i < 0 {
			return -1
		}
	}
	return i
}

// number reads the scalar at b[i] that is neither text nor a container. An
// extension value reads as Null: no field holds one.
func number(b []byte, i int) (Value, int) {
	c := b[i]
	switch {
	case c < 0x80:
		return Value{Kind: Int, Num: uint64(c)}, i + 1
	case c >= 0xe0:
		return IntValue(int64(int8(c))), i + 1
	case c == mpTrue:
		return Value{Kind: Bool, Num: 1}, i + 1
	case c == mpFalse:
		return Value{Kind: Bool}, i + 1
	case c == mpNever:
		return Value{}, -1
	}
	next := skip(b, i)
	if next < 0 {
		return Value{}, -1
	}
	p := b[i+1:]
	switch c {
	case mpUint8:
		return Value{Kind: Int, Num: uint64(p[0])}, next
	case mpUint16:
		return Value{Kind: Int, Num: uint64(binary.BigEndian.Uint16(p))}, next
	case mpUint32:
		return Value{Kind: Int, Num: uint64(binary.BigEndian.Uint32(p))}, next
	case mpUint64:
		return UintValue(binary.BigEndian.Uint64(p)), next
	case mpInt8:
		return IntValue(int64(int8(p[0]))), next
	case mpInt16:
		return IntValue(int64(int16(binary.BigEndian.Uint16(p)))), next
	case mpInt32:
		return IntValue(int64(int32(binary.BigEndian.Uint32(p)))), next
	case mpInt64:
		return IntValue(int64(binary.BigEndian.Uint64(p))), next
	case mpFloat32:
		return FloatValue(float64(math.Float32frombits(binary.BigEndian.Uint32(p)))), next
	case mpFloat64:
		return FloatValue(math.Float64frombits(binary.BigEndian.Uint64(p))), next
	}
	return Value{Kind: Null}, next
}
