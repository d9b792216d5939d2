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
	ErrNotMap    = errors.New("record is not a map")
)

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
	mpFixExt8                       = 0xd7
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
		case isFixStr(byte(c)):
			t[c] = uint8(c&0x1f) + 1
		}
	}
	t[0x80], t[0x90] = 1, 1 // empty map, empty array
	t[mpUint8], t[mpInt8] = 2, 2
	t[mpUint16], t[mpInt16] = 3, 3
	t[mpUint32], t[mpInt32], t[mpFloat32] = 5, 5, 5
	t[mpUint64], t[mpInt64], t[mpFloat64] = 9, 9, 9
	t[0xd4], t[0xd5], t[0xd6], t[mpFixExt8], t[0xd8] = 3, 4, 6, 10, 18
	return t
}()

func isFixStr(c byte) bool { return c&0xe0 == 0xa0 }

// skip returns the offset after the value at b[i], or a negative number if
// there is no whole value. It does not recurse.
func skip(b []byte, i int) int {
	for left := 1; left > 0; left-- {
		if uint(i) >= uint(len(b)) {
			return -1
		}
		c := b[i]
		if isFixStr(c) { // most values, and sooner known than by the table
			i += int(c&0x1f) + 1
			continue
		}
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
			continue
		case c < 0x90: // fixmap
			left += 2 * int(c&0x0f)
			i++
		case c < 0xa0: // fixarray
			left += int(c & 0x0f)
			i++
		default:
			size, inside := head(b, i)
			if size < 0 {
				return -1
			}
			left += inside
			i += size
		}
		if left-1 > len(b)-i {
			// More values than bytes are left: a lying length ends here, not
			// after billions of steps, and left cannot overflow.
			return -1
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
		n32 := binary.BigEndian.Uint32(rest)
		if uint64(n32) > uint64(len(rest)) {
			return -1, 0 // nor might it fit an int of 32 bits
		}
		n, size = int(n32), 5
	default:
		return -1, 0
	}
	switch c {
	case mpArray16, mpArray32:
		return size, n
	case mpMap16, mpMap32:
		return size, 2 * n
	case mpExt16, mpExt32:
		size++
	}
	return size + n, 0
}

// isText tells whether c begins a string or binary value.
func isText(c byte) bool {
	return isFixStr(c) || c >= mpStr8 && c <= mpStr32 || c >= mpBin8 && c <= mpBin32
}

// text returns the string or binary value at b[i] and the offset after it.
// next is negative if there is none.
func text(b []byte, i int) (s string, next int) {
	if uint(i) >= uint(len(b)) {
		return "", -1
	}
	var n int
	switch c := b[i]; {
	case isFixStr(c):
		n, i = int(c&0x1f), i+1
	case c == mpStr8 || c == mpBin8:
		if i+2 > len(b) {
			return "", -1
		}
		n, i = int(b[i+1]), i+2
	case isText(c):
		size, _ := head(b, i)
		if size < 0 || size > len(b)-i {
			return "", -1
		}
		start := 3
		if c == mpStr32 || c == mpBin32 {
			start = 5
		}
		return view(b[i+start : i+size]), i + size
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

// bytesOf returns the bytes that s shares. They must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// container returns how many entries the map or array at b[i] has and where
// they start. next is negative if the value is neither, or holds more entries
// than there are bytes.
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
		if size < 0 || inside > len(b)-i-size {
			return 0, -1, false
		}
		if c >= mpMap16 {
			return inside / 2, i + size, true
		}
		return inside, i + size, false
	}
	return 0, -1, false
}

// broken tells why there is no whole value at the start of b, slowly.
func broken(b []byte) error {
	for i := 0; i >= 0 && i < len(b); {
		if b[i] == mpNever {
			return ErrMsgpack
		}
		if _, next, _ := container(b, i); next >= 0 {
			i = next
			continue
		}
		i = skip(b, i)
	}
	return ErrTruncated
}

// number reads the scalar at b[i] that is neither text nor a container. An
// extension value reads as Null: no field holds one.
func number(b []byte, i int) (Value, int) {
	if uint(i) >= uint(len(b)) {
		return Value{}, -1
	}
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
	}
	next := skip(b, i)
	if next < 0 {
		return Value{}, -1
	}
	p := b[i+1 : next]
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
