package record

import (
	"math/bits"
	"strings"
)

// Layout is the set of paths that somebody wants of a record, as a trie over
// the names of their fields. A scanner walks a record and the trie together:
// what the trie does not name is skipped, not decoded.
//
// Build it with Want, WantDeep and WantSpan, then share it: scanning only
// reads it.
type Layout struct {
	root  *node
	slots int
}

// NewLayout returns a Layout that wants nothing.
func NewLayout() *Layout {
	return &Layout{root: newNode()}
}

// node stands for the value at one path.
type node struct {
	slot slot // scalars go here; none if the value itself is not wanted
	deep slot // every scalar below goes here
	span slot // the bytes of a map or array go here

	// underscore: in this map's keys a dot counts as an underscore, as the
	// ingest pipeline renames annotations. Elsewhere a key with dots is the
	// path that it spells.
	underscore bool

	lens  uint64  // bit min(len, 63) is set for every child's name
	mask  uint32  // of table
	table []child // open addressing, name "" is free

	children []child
}

type child struct {
	name string
	node *node
}

const none slot = -1

func newNode() *node { return &node{slot: none, deep: none, span: none} }

// Want returns the slot for the scalars at the path, a name a level. Asking
// again for the same path returns the same slot.
func (l *Layout) Want(path ...string) int32 {
	n := l.at(path)
	return l.give(&n.slot)
}

// WantDeep returns the slot for every scalar below the path, however deep.
func (l *Layout) WantDeep(path ...string) int32 {
	n := l.at(path)
	return l.give(&n.deep)
}

// WantSpan returns the slot for the undecoded bytes of the maps and arrays at
// the path, as values of kind Span.
func (l *Layout) WantSpan(path ...string) int32 {
	n := l.at(path)
	return l.give(&n.span)
}

// Underscore makes dots in the keys of the map at path count as underscores.
func (l *Layout) Underscore(path ...string) { l.at(path).underscore = true }

// NewSlot returns a slot that no path fills: for values derived from others.
func (l *Layout) NewSlot() int32 {
	l.slots++
	return slot(l.slots - 1)
}

func (l *Layout) give(s *slot) slot {
	if *s == none {
		*s = l.NewSlot()
	}
	return *s
}

func (l *Layout) at(path []string) *node {
	n := l.root
	for _, name := range path {
		n = n.add(name)
	}
	return n
}

func (n *node) add(name string) *node {
	if c := n.find(name); c != nil {
		return c
	}
	c := newNode()
	n.children = append(n.children, child{name, c})
	n.rebuild()
	return c
}

// rebuild lays the children out in a table at most half full.
func (n *node) rebuild() {
	size := 1 << bits.Len(uint(2*len(n.children)-1))
	n.table = make([]child, size)
	n.mask = uint32(size - 1)
	n.lens = 0
	for _, c := range n.children {
		n.lens |= lenBit(len(c.name))
		i := place(c.name) & n.mask
		for n.table[i].node != nil {
			i = (i + 1) & n.mask
		}
		n.table[i] = c
	}
}

func lenBit(n int) uint64 { return 1 << uint(min(n, 63)) }

// place is where a name's search starts: its length and three of its bytes
// tell most field names apart, and cost no loop.
func place(s string) uint32 {
	n := len(s)
	if n == 0 {
		return 0
	}
	return uint32(n)*0x9E37 + uint32(s[0])*31 + uint32(s[n/2])*7 + uint32(s[n-1])
}

// find returns the child with exactly this name.
func (n *node) find(name string) *node {
	if n.lens&lenBit(len(name)) == 0 {
		return nil
	}
	for i := place(name) & n.mask; ; i = (i + 1) & n.mask {
		c := &n.table[i]
		if c.node == nil {
			return nil
		}
		if c.name == name {
			return c.node
		}
	}
}

// lookup returns the node for a map's key: the child of that name, or, for a
// key with dots, the one that its path leads to. nil: not wanted.
func (n *node) lookup(key string) *node {
	if c := n.find(key); c != nil {
		return c
	}
	if strings.IndexByte(key, '.') < 0 {
		return nil
	}
	return n.dotted(key)
}

func (n *node) dotted(key string) *node {
	if n.underscore {
		var buf [128]byte
		if len(key) > len(buf) {
			return nil
		}
		b := buf[:copy(buf[:], key)]
		for i, c := range b {
			if c == '.' {
				b[i] = '_'
			}
		}
		return n.find(string(b))
	}
	for {
		i := strings.IndexByte(key, '.')
		if i < 0 {
			return n.find(key)
		}
		if n = n.find(key[:i]); n == nil {
			return nil
		}
		if key = key[i+1:]; n.underscore {
			return n.lookup(key)
		}
	}
}

// wantsInside tells whether anything below a map at this node is wanted.
func (n *node) wantsInside() bool { return len(n.children) > 0 || n.deep != none }

// NewView returns a View that a scanner can fill from this layout, with
// lazies fields from FirstLazy on that lazy fills. Say with SetTable which
// slot holds which field. Call it after the last Want.
func (l *Layout) NewView(lazies int, lazy Lazy) *View {
	v := &View{}
	v.init(l.slots, lazies, lazy)
	return v
}

// SetTable says which slot holds each Field in the shape of the record at
// hand. The View keeps t.
func (v *View) SetTable(t []int32) { v.table = t }

// Slot returns the index of the first value in a slot, 0 if it is empty.
func (v *View) Slot(s int32) int32 { return v.heads[s] }

// DropEmpty forgets empty strings, which the ingest pipeline of raw audit
// events removes.
func (v *View) DropEmpty() {
	for i := 1; i < len(v.cells); i++ {
		if c := &v.cells[i]; c.Kind == String && c.Str == "" {
			v.dropEmpty()
			return
		}
	}
}

func (v *View) dropEmpty() {
	for _, s := range v.used {
		prev := int32(0)
		for i := v.heads[s]; i != 0; i = v.cells[i].next {
			switch c := &v.cells[i]; {
			case c.Kind != String || c.Str != "":
				prev = i
			case prev == 0:
				v.heads[s] = c.next
			default:
				v.cells[prev].next = c.next
			}
		}
		v.tails[s] = prev
	}
}

// PushSlot adds a value to a slot.
func (v *View) PushSlot(s int32, val Value) { v.push(s, val) }

// AliasSlot makes the empty slot dst hold the values of src, without copying.
// Nothing may be pushed to either before the next Reset.
func (v *View) AliasSlot(dst, src int32) {
	if v.heads[dst] != 0 || v.heads[src] == 0 {
		return
	}
	v.heads[dst], v.tails[dst] = v.heads[src], v.tails[src]
	v.used = append(v.used, dst)
}
