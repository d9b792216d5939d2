package record

import "bytes"

// ScanJSON walks the JSON object at the start of b, fills v with the wanted
// values and returns the offset after it. Values point into b, or into v's
// scratch where they had escapes. On an error v holds what was found before
// it.
//
// What the layout does not want is skipped by its quotes and brackets alone:
// a mistake inside it (a missing colon, a bad number) passes unnoticed.
// Control characters that JSON would have escaped are taken as they are.
func (l *Layout) ScanJSON(b []byte, v *View) (int, error) {
	i := space(b, 0)
	if i >= len(b) {
		return 0, ErrTruncated
	}
	var end int
	if b[i] == '{' {
		end = v.jsonObject(l.root, b, i+1, 0)
	} else if end = skipJSON(b, i); end >= 0 {
		return 0, ErrNotMap
	}
	switch {
	case end >= 0:
		return end, nil
	case end == cutJSON:
		return 0, ErrTruncated
	}
	return 0, ErrJSON
}

// jsonObject reads the object at node whose first key, or closing brace, is
// at or after b[i]; it returns the offset after the brace, negative if broken.
func (v *View) jsonObject(at *node, b []byte, i, depth int) int {
	i = space(b, i)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		raw, escaped, next := jsonKey(b, i)
		if next < 0 {
			return next
		}
		var c *node
		if escaped {
			mark := len(v.scratch)
			key := v.unescaped(raw)
			c = v.lookup(at, firstWord(key), key)
			v.scratch = v.scratch[:mark]
		} else {
			key := view(raw)
			c = v.lookup(at, firstWord(key), key)
		}
		if c != nil {
			i = v.jsonValue(c, b, next, depth, false)
		} else {
			i = skipJSON(b, next)
		}
		if i = after(b, i, '}'); i < 0 {
			return i
		}
		if b[i-1] == '}' {
			return i
		}
		i = space(b, i)
	}
}

// jsonValue reads the value at b[i], which the layout has at node. It is an
// element of an array there, or the value itself.
func (v *View) jsonValue(at *node, b []byte, i, depth int, element bool) int {
	if uint(i) >= uint(len(b)) {
		return cutJSON
	}
	switch b[i] {
	case '"':
		end, escaped := stringEnd(b, i+1)
		if end < 0 {
			return end
		}
		if at.slot != none || len(at.deeps) > 0 {
			s := view(b[i+1 : end])
			if escaped {
				s = v.unescaped(b[i+1 : end])
			}
			v.text(at, s)
		}
		return end + 1
	case '{', '[':
		return v.jsonContainer(at, b, i, depth, element)
	}
	end := bareEnd(b, i)
	if end < 0 {
		return end
	}
	val, ok := bare(view(b[i:end]))
	if !ok {
		if end == len(b) {
			return cutJSON
		}
		return badJSON
	}
	if val.Kind > Null {
		v.scalar(at, val)
	}
	return end
}

// jsonContainer reads the object or array at b[i], which the layout has at
// node.
func (v *View) jsonContainer(at *node, b []byte, i, depth int, element bool) int {
	isMap := b[i] == '{'
	first := space(b, i+1)
	if isMap && at.slot != none && first < len(b) && b[first] != '}' {
		v.push(at.slot, Value{Kind: Object})
	}
	var end int
	switch {
	case depth >= maxDepth || !at.inside && (isMap || at.slot == none):
		end = skipJSON(b, i)
	case isMap:
		end = v.jsonObject(at, b, first, depth+1)
	default:
		end = v.jsonArray(at, b, first, depth+1)
	}
	if end >= 0 && at.span != none && !element {
		v.push(at.span, Value{Kind: Span, Str: view(b[i:end])})
	}
	return end
}

// jsonArray reads the elements of an array from b[i], each as if it stood
// where the array stands.
func (v *View) jsonArray(at *node, b []byte, i, depth int) int {
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = after(b, v.jsonValue(at, b, i, depth, true), ']'); i < 0 {
			return i
		}
		if b[i-1] == ']' {
			return i
		}
		i = space(b, i)
	}
}

// unescaped returns the text of a JSON string that has escapes, in v's
// scratch.
func (v *View) unescaped(raw []byte) string {
	start := len(v.scratch)
	esc := bytes.IndexByte(raw, '\\')
	v.scratch = appendUnescaped(append(v.scratch, raw[:esc]...), raw[esc:])
	return view(v.scratch[start:])
}
