package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrJSON is what ScanJSON returns for text that is not JSON.
var ErrJSON = errors.New("not JSON")

// ScanJSON walks the JSON object at the start of b, fills v with the wanted
// values and returns the offset after it. Values point into b, or into v's
// scratch where they had escapes.
//
// What the layout does not want is skipped by its quotes and brackets alone:
// a mistake inside it (a missing colon, a bad number) passes unnoticed.
// Control characters that JSON would have escaped are taken as they are.
func (l *Layout) ScanJSON(b []byte, v *View) (int, error) {
	i := space(b, 0)
	if i >= len(b) {
		return 0, ErrTruncated
	}
	if b[i] != '{' {
		if skipJSON(b, i) < 0 {
			return 0, ErrJSON
		}
		return 0, ErrNotMap
	}
	end := v.jsonObject(l.root, b, i+1, 0)
	if end < 0 {
		if skipJSON(b, i) < 0 && balanced(b[i:]) {
			return 0, ErrTruncated
		}
		return 0, ErrJSON
	}
	return end, nil
}

// balanced tells whether text that does not scan could still have gone on.
func balanced(b []byte) bool {
	var stack []byte
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			if i = stringEnd(b, i+1); i < 0 {
				return true
			}
		case '{', '[':
			stack = append(stack, c+2) // the closing bracket, in ASCII
		case '}', ']':
			if len(stack) == 0 || stack[len(stack)-1] != c {
				return false
			}
			stack = stack[:len(stack)-1]
		}
	}
	return len(stack) > 0
}

// space returns the offset of the first byte from i that is not white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// stringEnd returns the offset of the quote that ends the string whose text
// starts at b[i], negative if there is none.
func stringEnd(b []byte, i int) int {
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
				return -1
			}
			if b[i] == '"' {
				return i
			}
			if b[i] == '\\' {
				i += 2
				break
			}
			i++
		}
	}
}

// skipJSON returns the offset after the value at b[i], negative if there is
// no whole value.
func skipJSON(b []byte, i int) int {
	var square uint64 // bit d: the bracket opened at depth d is a square one
	for depth := 0; ; {
		if uint(i) >= uint(len(b)) {
			return -1
		}
		switch c := b[i]; c {
		case '"':
			if i = stringEnd(b, i+1); i < 0 {
				return -1
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
				return -1
			}
			i++
		case ' ', '\n', '\r', '\t', ',', ':':
			if depth == 0 {
				return -1
			}
			i++
			continue
		default:
			if i = bareEnd(b, i); i < 0 {
				return -1
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
			return -1
		}
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// jsonObject reads the object at node whose first key, or closing brace, is
// at or after b[i]; it returns the offset after the brace, negative if broken.
func (v *View) jsonObject(at *node, b []byte, i, depth int) int {
	if depth > maxDepth {
		return -1
	}
	i = space(b, i)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		key, next := v.jsonKey(b, i)
		if next < 0 {
			return -1
		}
		if c := at.lookup(key); c != nil {
			i = v.jsonValue(c, b, next, depth)
		} else {
			i = skipJSON(b, next)
		}
		if i = after(b, i, '}'); i < 0 {
			return -1
		}
		if b[i-1] == '}' {
			return i
		}
		i = space(b, i)
	}
}

// jsonKey reads a key and its colon at b[i], and returns the offset of the
// value.
func (v *View) jsonKey(b []byte, i int) (key string, next int) {
	if i >= len(b) || b[i] != '"' {
		return "", -1
	}
	end := stringEnd(b, i+1)
	if end < 0 {
		return "", -1
	}
	raw := b[i+1 : end]
	i = space(b, end+1)
	if i >= len(b) || b[i] != ':' {
		return "", -1
	}
	return v.unescaped(raw), space(b, i+1)
}

// after reads what follows an entry at b[i]: a comma, or the bracket that
// closes the container. It returns the offset after that.
func after(b []byte, i int, closing byte) int {
	if i < 0 {
		return -1
	}
	i = space(b, i)
	if i < len(b) && (b[i] == ',' || b[i] == closing) {
		return i + 1
	}
	return -1
}

// jsonValue reads the value at b[i], which the layout has at node.
func (v *View) jsonValue(at *node, b []byte, i, depth int) int {
	if uint(i) >= uint(len(b)) {
		return -1
	}
	start := i
	switch c := b[i]; c {
	case '"':
		end := stringEnd(b, i+1)
		if end < 0 {
			return -1
		}
		if at.slot != none || at.deep != none {
			v.scalar(at, Value{Kind: String, Str: v.unescaped(b[i+1 : end])})
		}
		return end + 1
	case '{':
		first := space(b, i+1)
		if at.slot != none && first < len(b) && b[first] != '}' {
			v.push(at.slot, Value{Kind: Object})
		}
		switch {
		case !at.wantsInside():
			i = skipJSON(b, i)
		case at.deep != none:
			i = v.jsonDeep(at, b, first, depth+1)
		default:
			i = v.jsonObject(at, b, first, depth+1)
		}
		if i >= 0 && at.span != none {
			v.push(at.span, Value{Kind: Span, Str: view(b[start:i])})
		}
		return i
	case '[':
		if depth > maxDepth {
			return -1
		}
		if at.span == none {
			return v.jsonArray(at, b, i+1, depth+1)
		}
		if i = skipJSON(b, i); i < 0 {
			return -1
		}
		v.push(at.span, Value{Kind: Span, Str: view(b[start:i])})
		if at.slot == none && !at.wantsInside() {
			return i
		}
		inner := *at
		inner.span = none
		return v.jsonArray(&inner, b, start+1, depth+1)
	}
	end := bareEnd(b, i)
	if end < 0 {
		return -1
	}
	val, ok := bare(view(b[i:end]))
	if !ok {
		return -1
	}
	if val.Kind > Null {
		v.scalar(at, val)
	}
	return end
}

// jsonArray reads the elements of an array from b[i], each as if it stood
// where the array stands.
func (v *View) jsonArray(at *node, b []byte, i, depth int) int {
	i = space(b, i)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = after(b, v.jsonValue(at, b, i, depth), ']'); i < 0 {
			return -1
		}
		if b[i-1] == ']' {
			return i
		}
		i = space(b, i)
	}
}

// jsonDeep reads an object whose every scalar is wanted, on top of what the
// layout names below it.
func (v *View) jsonDeep(at *node, b []byte, i, depth int) int {
	if depth > maxDepth {
		return -1
	}
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		key, next := v.jsonKey(b, i)
		if next < 0 {
			return -1
		}
		below := node{slot: none, deep: at.deep, span: none}
		if c := at.lookup(key); c != nil {
			below = *c
			below.deep = at.deep
		}
		if i = after(b, v.jsonValue(&below, b, next, depth), '}'); i < 0 {
			return -1
		}
		if b[i-1] == '}' {
			return i
		}
		i = space(b, i)
	}
}

// bare reads a number, true, false or null.
func bare(s string) (Value, bool) {
	switch s {
	case "true":
		return BoolValue(true), true
	case "false":
		return BoolValue(false), true
	case "null":
		return Value{Kind: Null}, true
	}
	if c := s[0]; c != '-' && (c < '0' || c > '9') {
		return Value{}, false
	}
	if len(s) <= 18 {
		if n, ok := smallInt(s); ok {
			return IntValue(n), true
		}
	}
	return bareNumber(s)
}

// smallInt reads an integer of at most 18 characters, which cannot overflow.
func smallInt(s string) (int64, bool) {
	neg := s[0] == '-'
	if neg {
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	var n int64
	for i := 0; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	if neg {
		n = -n
	}
	return n, true
}

func bareNumber(s string) (Value, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return IntValue(n), true
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return UintValue(n), true
	}
	for i := 0; i < len(s); i++ { // no hex, Inf, NaN or underscores
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
		default:
			return Value{}, false
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return Value{}, false
	}
	return FloatValue(f), true
}

// unescaped returns the text of a JSON string. Without escapes it shares raw;
// with escapes it lies in v's scratch.
func (v *View) unescaped(raw []byte) string {
	esc := bytes.IndexByte(raw, '\\')
	if esc < 0 {
		return view(raw)
	}
	start := len(v.scratch)
	v.scratch = appendUnescaped(append(v.scratch, raw[:esc]...), raw[esc:])
	return view(v.scratch[start:len(v.scratch):len(v.scratch)])
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
