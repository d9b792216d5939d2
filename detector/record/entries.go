package record

// Form is what a value is, before it is read.
type Form uint8

// The forms of a value.
const (
	Scalar Form = iota // null, a boolean, a number, an extension
	AText
	AnArray
	AMap
)

// FormOf tells what the value at the start of b is.
func (f Format) FormOf(b []byte) Form {
	if f == JSON {
		switch i := space(b, 0); {
		case i == len(b):
		case b[i] == '"':
			return AText
		case b[i] == '[':
			return AnArray
		case b[i] == '{':
			return AMap
		}
		return Scalar
	}
	if len(b) > 0 && isText(b[0]) {
		return AText
	}
	switch _, i, isMap := container(b, 0); {
	case i < 0:
		return Scalar
	case isMap:
		return AMap
	}
	return AnArray
}

// Text returns the text that b is, its escapes resolved. It shares b's memory
// or, if copied is true, buf's, which it may have grown. ok is false if b is no
// text.
func (f Format) Text(b, buf []byte) (_ []byte, copied, ok bool) {
	if f == Msgpack {
		s, next := text(b, 0)
		return bytesOf(s), false, next >= 0
	}
	i := space(b, 0)
	if i == len(b) || b[i] != '"' {
		return nil, false, false
	}
	end, escaped := stringEnd(b, i+1)
	switch {
	case end < 0:
		return nil, false, false
	case escaped:
		return appendUnescaped(buf[:0], b[i+1:end]), true, true
	}
	return b[i+1 : end], false, true
}

// Unescaped appends b to dst with the escapes of a JSON text resolved.
func Unescaped(dst, b []byte) []byte { return appendUnescaped(dst, b) }

// Entries calls fn with each entry of the map b, in order: the key, and the
// undecoded bytes of the value. Both are valid during the call. It stops when
// fn returns false. Keys that are no text are passed over. It returns false if
// b is no map or is broken; entries before the break have been seen.
func (f Format) Entries(b []byte, fn func(key string, value []byte) bool) bool {
	if f == JSON {
		return entriesJSON(b, fn)
	}
	n, i, isMap := container(b, 0)
	if i < 0 || !isMap {
		return false
	}
	for ; n > 0; n-- {
		key, next := text(b, i)
		named := next >= 0
		if !named {
			next = skip(b, i)
		}
		if next < 0 {
			return false
		}
		if i = skip(b, next); i < 0 {
			return false
		}
		if named && !fn(key, b[next:i]) {
			return true
		}
	}
	return true
}

func entriesJSON(b []byte, fn func(key string, value []byte) bool) bool {
	i := space(b, 0)
	if i == len(b) || b[i] != '{' {
		return false
	}
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return true
	}
	for {
		raw, escaped, next := jsonKey(b, i)
		if next < 0 {
			return false
		}
		if escaped {
			raw = appendUnescaped(nil, raw)
		}
		end := skipJSON(b, next)
		if end < 0 {
			return false
		}
		if !fn(view(raw), b[next:end]) {
			return true
		}
		if i = after(b, end, '}'); i < 0 {
			return false
		}
		if b[i-1] == '}' {
			return true
		}
		i = space(b, i)
	}
}
