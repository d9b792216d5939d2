package seen

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
	"unsafe"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/record"
)

// A term starts with one byte that tells its type and, where the length is not
// fixed by that, a length, so that terms can be told apart however they are
// joined: no choice of strings makes two tuples share their bytes. The tags are
// part of the file format and must not change.
const (
	tagNull   = 0x00
	tagFalse  = 0x01
	tagTrue   = 0x02
	tagInt    = 0x03 // zig-zag varint
	tagUint   = 0x04 // 8 bytes, big-endian: integers above math.MaxInt64
	tagFloat  = 0x05 // 8 bytes, big-endian: floats that are no integer
	tagString = 0x06 // uvarint length, bytes
	tagLong   = 0x07 // 16 bytes of hash, uvarint length of the whole, uvarint length of what is kept, bytes
)

// keptOfLong is how many bytes are kept of a string that is longer than
// limits.Term.
const keptOfLong = limits.Term - 64

// ErrTerms says that bytes are not a sequence of terms.
var ErrTerms = errors.New("not a sequence of terms")

// AppendTerm appends v as a term to dst. Equal terms have equal bytes: an
// integral float is written as the integer it equals, so that 5 and 5.0 are one
// term, as they are to Elasticsearch, and every NaN is the same NaN. Values
// that are no scalar (objects, spans, missing) are written as their bytes if
// they have any and as null otherwise; rules never ask for them.
func AppendTerm(dst []byte, v *record.Value) []byte {
	switch v.Kind {
	case record.String, record.Span:
		if len(v.Str) > limits.Term {
			return appendLong(dst, v.Str)
		}
		dst = append(dst, tagString)
		dst = binary.AppendUvarint(dst, uint64(len(v.Str)))
		return append(dst, v.Str...)
	case record.Bool:
		if v.Num != 0 {
			return append(dst, tagTrue)
		}
		return append(dst, tagFalse)
	case record.Int:
		return appendInt(dst, int64(v.Num))
	case record.Uint:
		return appendUint(dst, v.Num)
	case record.Float:
		return appendFloat(dst, math.Float64frombits(v.Num))
	}
	return AppendNull(dst)
}

// AppendNull appends the null term to dst.
func AppendNull(dst []byte) []byte { return append(dst, tagNull) }

// AppendAny appends a Go value as DecodeTerms returns them: string, int64,
// uint64, float64, bool or nil. It is how exported state is read back.
func AppendAny(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return AppendNull(dst), nil
	case string:
		val := record.StringValue(v)
		return AppendTerm(dst, &val), nil
	case bool:
		val := record.BoolValue(v)
		return AppendTerm(dst, &val), nil
	case int64:
		return appendInt(dst, v), nil
	case uint64:
		return appendUint(dst, v), nil
	case float64:
		return appendFloat(dst, v), nil
	}
	return dst, fmt.Errorf("a term cannot be a %T", v)
}

func appendLong(dst []byte, s string) []byte {
	n := keptOfLong
	for n > keptOfLong-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n-- // not through a character
	}
	kept := s[:n]
	sum := sha256.Sum256(unsafe.Slice(unsafe.StringData(s), len(s))) // no copy: s can be long
	dst = append(append(dst, tagLong), sum[:16]...)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	dst = binary.AppendUvarint(dst, uint64(len(kept)))
	return append(dst, kept...)
}

// splitLong returns the parts of a long term.
func splitLong(b []byte) (sum []byte, size uint64, kept []byte, ok bool) {
	if len(b) < 1+16 {
		return nil, 0, nil, false
	}
	sum = b[1:17]
	b = b[17:]
	size, w := binary.Uvarint(b)
	if w <= 0 || size <= limits.Term {
		return nil, 0, nil, false
	}
	b = b[w:]
	n, w := binary.Uvarint(b)
	if w <= 0 || n > keptOfLong || n > uint64(len(b)-w) {
		return nil, 0, nil, false
	}
	return sum, size, b[w : w+int(n)], true
}

func appendInt(dst []byte, n int64) []byte {
	return binary.AppendVarint(append(dst, tagInt), n)
}

func appendUint(dst []byte, n uint64) []byte {
	if n <= math.MaxInt64 {
		return appendInt(dst, int64(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, tagUint), n)
}

func appendFloat(dst []byte, f float64) []byte {
	// The upper bounds are exact powers of two; the comparison must exclude
	// them, since 2^63 is no int64 and 2^64 no uint64.
	if f == math.Trunc(f) {
		switch {
		case f >= -(1<<63) && f < 1<<63:
			return appendInt(dst, int64(f))
		case f >= 1<<63 && f < 1<<64:
			return appendUint(dst, uint64(f))
		}
	}
	if math.IsNaN(f) {
		f = math.NaN()
	}
	return binary.BigEndian.AppendUint64(append(dst, tagFloat), math.Float64bits(f))
}

// DecodeTerms returns the terms in b, each a string, int64, uint64, float64,
// bool or nil. A long string is what is kept of it, and a note of its length and
// hash. It accepts only what AppendTerm writes, so that equal terms keep
// equal bytes; anything else is ErrTerms.
func DecodeTerms(b []byte) ([]any, error) {
	var out []any
	for len(b) > 0 {
		n, err := termLen(b)
		if err != nil {
			return nil, err
		}
		v, err := decodeTerm(b[:n])
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		b = b[n:]
	}
	return out, nil
}

// termLen returns how many bytes the first term of b takes. It does not check
// that the term is canonical.
func termLen(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, fmt.Errorf("%w: it ends early", ErrTerms)
	}
	n := 1
	switch b[0] {
	case tagNull, tagFalse, tagTrue:
	case tagInt:
		_, w := binary.Uvarint(b[1:])
		if w <= 0 {
			return 0, fmt.Errorf("%w: a broken integer", ErrTerms)
		}
		n += w
	case tagUint, tagFloat:
		n += 8
	case tagString:
		l, w := binary.Uvarint(b[1:])
		if w <= 0 || l > uint64(len(b)) {
			return 0, fmt.Errorf("%w: a string longer than the bytes at hand", ErrTerms)
		}
		n += w + int(l)
	case tagLong:
		_, _, kept, ok := splitLong(b)
		if !ok {
			return 0, fmt.Errorf("%w: a broken long string", ErrTerms)
		}
		n = cap(b) - cap(kept) + len(kept)
	default:
		return 0, fmt.Errorf("%w: unknown type 0x%02x", ErrTerms, b[0])
	}
	if n > len(b) {
		return 0, fmt.Errorf("%w: it ends early", ErrTerms)
	}
	return n, nil
}

// decodeTerm decodes the one term that is b, of the length that termLen gave.
func decodeTerm(b []byte) (any, error) {
	var v any
	var again []byte
	switch b[0] {
	case tagNull:
		return nil, nil
	case tagFalse:
		return false, nil
	case tagTrue:
		return true, nil
	case tagInt:
		n, _ := binary.Varint(b[1:])
		v, again = n, appendInt(nil, n)
	case tagUint:
		n := binary.BigEndian.Uint64(b[1:])
		v, again = n, appendUint(nil, n)
	case tagFloat:
		f := math.Float64frombits(binary.BigEndian.Uint64(b[1:]))
		v, again = f, appendFloat(nil, f)
	case tagString:
		l, w := binary.Uvarint(b[1:])
		s := string(b[1+w:])
		v, again = s, binary.AppendUvarint([]byte{tagString}, l)
		again = append(again, s...)
	case tagLong:
		sum, size, kept, _ := splitLong(b)
		v = fmt.Sprintf("%s… (%d bytes, sha256 %x…)", kept, size, sum)
		again = binary.AppendUvarint(append([]byte{tagLong}, sum...), size)
		again = append(binary.AppendUvarint(again, uint64(len(kept))), kept...)
	}
	if string(again) != string(b) {
		return nil, fmt.Errorf("%w: not the shortest form", ErrTerms)
	}
	return v, nil
}
