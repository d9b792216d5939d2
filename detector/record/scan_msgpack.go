package record

// maxDepth is how many levels of maps and arrays the walk follows. What lies
// deeper is skipped as if nobody wanted it, which needs no recursion: depth
// cannot be used to end a chunk, or the process. Elasticsearch takes 20
// levels, Fluent Bit's own reader of msgpack 32.
const maxDepth = 128

// ScanMsgpack walks the map at the start of b, fills v with the wanted values
// and returns the length of the map. Values point into b. On an error v holds
// what was found before it. ErrNotMap says that the value is whole, but not a
// map.
func (l *Layout) ScanMsgpack(b []byte, v *View) (int, error) {
	n, i, isMap := container(b, 0)
	switch {
	case i >= 0 && isMap:
		if i = v.walkMap(l.root, b, i, n, 0); i < 0 {
			return 0, broken(b)
		}
		return i, nil
	case skip(b, 0) < 0:
		return 0, broken(b)
	}
	return 0, ErrNotMap
}

// walkMap reads n entries at b[i] of the map at node, and returns the offset
// after them, negative if they are broken.
func (v *View) walkMap(at *node, b []byte, i, n, depth int) int {
	for ; n > 0; n-- {
		key, next := text(b, i)
		if next < 0 {
			// A key of another type names no field.
			if i = skip(b, i); i >= 0 {
				i = skip(b, i)
			}
		} else if c := v.lookup(at, firstWord(key), key); c != nil {
			i = v.walk(c, b, next, depth, false)
		} else {
			i = skip(b, next)
		}
		if i < 0 {
			return -1
		}
	}
	return i
}

// walk reads the value at b[i], which the layout has at node. It is an element
// of an array there, or the value itself.
func (v *View) walk(at *node, b []byte, i, depth int, element bool) int {
	if uint(i) >= uint(len(b)) {
		return -1
	}
	if isText(b[i]) {
		s, next := text(b, i)
		if next >= 0 {
			v.scalar(at, Value{Kind: String, Str: s})
		}
		return next
	}
	n, next, isMap := container(b, i)
	if next < 0 {
		val, end := number(b, i)
		if end >= 0 && val.Kind > Null {
			v.scalar(at, val)
		}
		return end
	}
	if isMap && at.slot != none && n > 0 {
		v.push(at.slot, Value{Kind: Object})
	}
	var end int
	switch {
	case depth >= maxDepth || !at.inside && (isMap || at.slot == none):
		end = skip(b, i)
	case isMap:
		end = v.walkMap(at, b, next, n, depth+1)
	default:
		// Each element counts as if it stood where the array stands.
		for end = next; n > 0 && end >= 0; n-- {
			end = v.walk(at, b, end, depth+1, true)
		}
	}
	if end >= 0 && at.span != none && !element {
		v.push(at.span, Value{Kind: Span, Str: view(b[i:end])})
	}
	return end
}

// scalar files a scalar under its node.
func (v *View) scalar(at *node, val Value) {
	if at.slot != none {
		v.push(at.slot, val)
	}
	for _, s := range at.deeps {
		v.push(s, val)
	}
}
