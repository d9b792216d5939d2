package record

import (
	"encoding/binary"
	"unsafe"
)

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
		i, known := v.lead.pass(l.root, b, i, n)
		if i = v.walkMap(l.root, b, i, n-known, 0); i < 0 {
			return 0, broken(b)
		}
		return i, nil
	case skip(b, 0) < 0:
		return 0, broken(b)
	}
	return 0, ErrNotMap
}

// cursor is where a walk of maps stands: in the map at node, before the last
// left of its entries; and, further out, in the maps on the stack.
type cursor struct {
	node  *node
	left  int
	outer int // frames in use
	most  int // frames that may be
	stack [8]frame
}

// frame is a map that the walk comes back to.
type frame struct {
	node *node
	left int
}

// walkMap reads n entries at b[i] of the map at node, and returns the offset
// after them, negative if they are broken.
func (v *View) walkMap(at *node, b []byte, i, n, depth int) int {
	c := cursor{node: at, left: n}
	c.most = min(len(c.stack), maxDepth-depth)
	for {
		var below *node
		if i, below = v.pass(&c, b, i); below != nil {
			i = v.walk(below, b, i, depth+c.outer, false)
		} else if c.left > 0 {
			i = v.walkEntry(c.node, b, i, depth+c.outer)
			c.left--
		} else {
			break
		}
		if i < 0 {
			return -1
		}
	}
	if i > len(b) {
		return -1
	}
	return i
}

// pass reads the entries at b[i] that are plain: keys of up to 31 bytes, with
// values that nobody wants, short texts, or small maps of which nothing is
// wanted but what is in them. It returns where it stopped: at the value of a
// wanted child, which is returned and no longer counted; at an entry that
// walkEntry has to read; or, no entry being left, at the end, which may lie
// beyond b.
//
// This is where a scan spends its time. The loop calls nothing, so that all it
// needs stays in registers: what it files, it files by itself, and where it
// goes into a map, it keeps the way back. It reads bytes without asking each
// time whether they are there: an entry, and each value in it, begins at limit
// or before, and of what begins there nothing is looked at from ahead bytes on,
// but for a text that is filed, which is checked. The last entries of b are left
// to walkEntry.
func (v *View) pass(at *cursor, b []byte, i int) (next int, below *node) {
	n, left, trail := at.node, at.left, uint(at.left)%uint(len(v.heads))
	base, limit := unsafe.Pointer(unsafe.SliceData(b)), len(b)-ahead
	for {
		if left == 0 {
			if at.outer == 0 {
				at.left = 0
				return i, nil
			}
			at.outer--
			f := &at.stack[at.outer&(len(at.stack)-1)]
			n, left = f.node, f.left
			continue
		}
		if i > limit {
			break
		}
		key := unsafe.Add(base, i)
		if !isFixStr(*(*byte)(key)) {
			break
		}
		// The key that comes next is mostly as long as the one that came next
		// the last time. Where it is, the processor need not wait for its first
		// byte to go on behind it.
		guess := v.heads[trail]
		if head := *(*byte)(key); head != guess {
			v.heads[trail], guess = head, head
		}
		trail = (trail<<3 ^ uint(guess)) % uint(len(v.heads))
		size := int(guess & 0x1f)
		first := wordAt(key, 1) & wordMask[size]
		if n.underscore {
			first = undot(first)
		}
		end := i + 1 + size
		if k := n.index[hash(first, size)>>56]; k != 0 {
			if k == ambiguous {
				break
			}
			c := &n.children[k-1]
			same := c.first == first && c.size == size
			if same && size > 8 {
				// The words may overlap: together they are the whole key.
				last, mid, mid2 := wordAt(key, size-7), c.mid, c.mid2
				if size > 16 {
					mid, mid2 = wordAt(key, 9), wordAt(key, size-15)
				}
				if n.underscore {
					last, mid, mid2 = undot(last), undot(mid), undot(mid2)
				}
				same = last == c.last && mid == c.mid && mid2 == c.mid2
			}
			if same {
				below := c.node
				left--
				head := byteAt(base, end)
				s, start, place := below.plain, end+1, len(v.cells)
				switch {
				case s == none && head&0xf0 == 0x80 && below.through && at.outer < at.most:
					f := &at.stack[at.outer&(len(at.stack)-1)]
					f.node, f.left = n, left
					at.outer++
					n, left, i = below, int(head&0x0f), start
					continue
				case s == none || place == cap(v.cells):
					at.node, at.left = n, left
					return end, below
				case isFixStr(head):
					end = start + int(head&0x1f)
				case head == mpStr8:
					start++
					end = start + int(byteAt(base, start-1))
				default:
					at.node, at.left = n, left
					return end, below
				}
				// A short text, which most wanted values are, is filed here.
				if end > limit+ahead {
					at.left, at.outer = 0, 0
					return len(b) + 1, nil
				}
				cells := v.cells[:place+1]
				v.cells = cells
				cell := &cells[place]
				cell.Str = unsafe.String((*byte)(unsafe.Add(base, start)), end-start)
				cell.Num, cell.Kind, cell.Type = 0, String, 0
				cell.next, cell.slot = 0, s
				chain := &v.slots[s]
				if chain.first == 0 {
					chain.first = int32(place)
				} else {
					cells[chain.last].next = int32(place)
				}
				chain.last = int32(place)
				i = end
				continue
			}
		}
		if n.opens>>(first&63)&1 != 0 {
			if n.other != nil || size > 16 || hasDot(first) || size > 8 && hasDot(wordAt(key, size-7)) {
				break
			}
		}
		for values := 1; values > 0; values-- {
			if end > limit {
				at.node, at.left = n, left
				return i, nil
			}
			c := byteAt(base, end)
			switch {
			case isFixStr(c):
				end += int(c&0x1f) + 1
			case fixedSize[c] != 0:
				end += int(fixedSize[c])
			case c == mpStr8:
				end += int(byteAt(base, end+1)) + 2
			case c < 0x90:
				values += 2 * int(c&0x0f)
				end++
			case c < 0xa0:
				values += int(c & 0x0f)
				end++
			default:
				at.node, at.left = n, left
				return i, nil
			}
		}
		i = end
		left--
	}
	at.node, at.left = n, left
	return i, nil
}

// ahead is how many bytes after the first of an entry or a value pass may look
// at: a key of 31 bytes, and the two bytes that a value after it may begin with.
const ahead = 1 + 31 + 2

// byteAt returns the byte at an offset from p, and wordAt 8 bytes as a
// little-endian number. The caller knows that they are there.
func byteAt(p unsafe.Pointer, i int) byte { return *(*byte)(unsafe.Add(p, i)) }

func wordAt(p unsafe.Pointer, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(p, i))[:])
}

// walkEntry reads the entry at b[i] of the map at node.
func (v *View) walkEntry(at *node, b []byte, i, depth int) int {
	key, next := text(b, i)
	if next < 0 {
		// A key of another type names no field.
		if i = skip(b, i); i >= 0 {
			i = skip(b, i)
		}
		return i
	}
	if c := v.lookup(at, firstWord(key), key); c != nil {
		return v.walk(c, b, next, depth, false)
	}
	return skip(b, next)
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
			v.text(at, s)
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

// text files a text under its node.
func (v *View) text(at *node, s string) {
	if at.slot != none {
		v.pushText(at.slot, s)
	}
	for _, deep := range at.deeps {
		v.pushText(deep, s)
	}
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
