package record

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrJSON is what ScanJSON returns for text that is not JSON.
var ErrJSON = errors.New("not JSON")

// What the readers of JSON return in place of an offset.
const (
	badJSON = -1 // the text is wrong
	cutJSON = -2 // the text ends too early
)

// space returns the offset of the first byte from i that is not white space.
func space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// stringEnd returns the offset of the quote that ends the string whose text
// starts at b[i], negative if there is none, and whether the text has escapes.
func stringEnd(b []byte, i int) (end int, escaped bool) {
	const lo, hi = 0x0101010101010101, 0x8080808080808080
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			q, e := x^(lo*'"'), x^(lo*'\\')
			// A byte that is zero now was a quote or a backslash. Bytes after
			// the first hit may be reported wrongly; only the first is used.
			hit := ((q - lo) & ^q & hi) | ((e - lo) & ^e & hi)
			if hit != 0 {
				i += bits.TrailingZeros64(hit) / 8
				break
			}
			i += 8
		}
		for {
			if i >= len(b) {
				return cutJSON, escaped
			}
			if b[i] == '"' {
				return i, escaped
			}
			if b[i] == '\\' {
				i += 2
				escaped = true
				break
			}
			i++
		}
	}
}

// skipJSON returns the offset after the value at b[i], negative if there is
// no whole value. It does not recurse.
func skipJSON(b []byte, i int) int {
	var square uint64 // bit d: the bracket opened at depth d is a square one
	for depth := 0; ; {
		if uint(i) >= uint(len(b)) {
			return cutJSON
		}
		switch c := b[i]; c {
		case '"':
			if i, _ = stringEnd(b, i+1); i < 0 {
				return i
			}
			i++
		case '{', '[':
			if depth < 64 {
				square = square&^(1<<uint(depth)) | uint64(c>>5&1^1)<<uint(depth)
			}
			depth++
			i++
			continue
		case '}', ']':
			depth--
			if depth < 0 || depth < 64 && square>>uint(depth)&1 != uint64(c>>5&1^1) {
				return badJSON
			}
			i++
		case ' ', '\n', '\r', '\t', ',', ':':
			if depth == 0 {
				return badJSON
			}
			i++
			continue
		default:
			if i = bareEnd(b, i); i < 0 {
				return i
			}
		}
		if depth == 0 {
			return i
		}
	}
}

// bareEnd returns the offset after the number or word at b[i], negative if
// none starts there.
func bareEnd(b []byte, i int) int {
	start := i
	for i < len(b) {
		c := b[i]
		if c == ',' || c == '}' || c == ']' || c <= ' ' || c == ':' {
			break
		}
		if c == '"' || c == '{' || c == '[' {
			return badJSON
		}
		i++
	}
	if i == start {
		return badJSON
	}
	return i
}

// jsonKey reads a key and its colon at b[i], and returns its text without the
// quotes, with any escapes, and the offset of the value.
func jsonKey(b []byte, i int) (raw []byte, escaped bool, next int) {
	if i >= len(b) {
		return nil, false, cutJSON
	}
	if b[i] != '"' {
		return nil, false, badJSON
	}
	end, escaped := stringEnd(b, i+1)
	if end < 0 {
		return nil, false, end
	}
	next = space(b, end+1)
	if next >= len(b) {
		return nil, false, cutJSON
	}
	if b[next] != ':' {
		return nil, false, badJSON
	}
	return b[i+1 : end], escaped, space(b, next+1)
}

// after reads what follows an entry at b[i]: a comma, or the bracket that
// closes the container. It returns the offset after that. A negative i stays
// as it is.
func after(b []byte, i int, closing byte) int {
	if i < 0 {
		return i
	}
	i = space(b, i)
	switch {
	case i >= len(b):
		return cutJSON
	case b[i] == ',' || b[i] == closing:
		return i + 1
	}
	return badJSON
}

// appendUnescaped appends raw with its escapes resolved. An escape that JSON
// does not know stands for itself; half a surrogate pair becomes U+FFFD.
func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' || i+1 == len(raw) {
			dst = append(dst, c)
			continue
		}
		i++
		switch c = raw[i]; c {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'u':
			r, ok := hex4(raw, i+1)
			if !ok {
				dst = append(dst, '\\', 'u')
				continue
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if i+2 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
					low, ok = hex4(raw, i+3)
				}
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, '\\', c)
		}
	}
	return dst
}

// hex4 reads the four hexadecimal digits at b[i].
func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
