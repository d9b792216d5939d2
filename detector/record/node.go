package record

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// node stands for the value at one path of a Layout.
type node struct {
	slot slot // scalars go here; none if the value itself is not wanted
	span slot // the bytes of a map or array go here
	deep slot // every scalar here and below goes here

	above []slot // the deep slots of the nodes above
	deeps []slot // those and the node's own: scalars go to each

	// inside: something below a map at this node is wanted.
	inside bool
	// other is the node of every name that is no child: nil, or, where deeps
	// has any, a node that wants just those.
	other *node

	// underscore: in this map's keys a dot counts as an underscore, as the
	// ingest pipeline renames annotations. Elsewhere a key with dots is the
	// path that it spells.
	underscore bool

	// table finds children by name: open addressing, at most a quarter full,
	// so that a name which is not there mostly meets a free place at once.
	table []child
	shift uint // 64 - log2(len(table))
	// opens has the bit b&63 for the first byte b of every child under which
	// something is wanted: only keys that begin so can be paths with dots.
	opens uint64

	children []child
}

// child is a name in a table. Names of up to 16 bytes are told apart by their
// length, first and last 8 bytes alone.
type child struct {
	first uint64 // the name's first 8 bytes, little-endian, zeros after its end
	last  uint64 // of a name longer than 8 bytes: its last 8
	size  int    // the name's length, -1 in a free place
	node  *node
	name  string
}

func newNode(above []slot) *node {
	n := &node{slot: none, deep: none, span: none, above: above}
	n.rebuild()
	n.spread()
	return n
}

// spread tells the node and those below which deep slots they fill.
func (n *node) spread() {
	n.deeps = n.above
	if n.deep != none {
		n.deeps = append(n.above[:len(n.above):len(n.above)], n.deep)
	}
	n.inside = len(n.children) > 0 || len(n.deeps) > 0
	if len(n.deeps) > 0 {
		o := &node{slot: none, deep: none, span: none, deeps: n.deeps, inside: true}
		o.rebuild()
		o.other = o
		n.other = o
	}
	for _, c := range n.children {
		c.node.above = n.deeps
		c.node.spread()
	}
}

func (n *node) add(name string) *node {
	if c := n.find(name); c != nil {
		return c
	}
	c := newNode(n.deeps)
	n.children = append(n.children, child{firstWord(name), lastWord(name), len(name), c, name})
	n.inside = true
	n.rebuild()
	return c
}

// rebuild lays the children out in the table.
func (n *node) rebuild() {
	size := 4
	for size < 4*len(n.children) {
		size *= 2
	}
	n.table = make([]child, size)
	for i := range n.table {
		n.table[i].size = -1
	}
	n.shift = uint(64 - bits.TrailingZeros(uint(size)))
	n.opens = 0
	for _, c := range n.children {
		n.opens |= 1 << (firstWord(c.name+".") & 63)
		i := n.place(c.first, c.size)
		for n.table[i].size >= 0 {
			i = (i + 1) & (size - 1)
		}
		n.table[i] = c
	}
}

// place is where the search for a name starts.
func (n *node) place(first uint64, size int) int {
	return int((first + uint64(size)) * 0x9E3779B97F4A7C15 >> n.shift)
}

// find returns the child with exactly this name, nil if there is none.
func (n *node) find(name string) *node { return n.findWord(firstWord(name), name) }

// findWord is find for a name whose first word is known.
func (n *node) findWord(first uint64, name string) *node {
	for i := n.place(first, len(name)); ; i++ {
		c := &n.table[i&(len(n.table)-1)]
		if c.first == first && c.size == len(name) {
			if len(name) <= 8 {
				return c.node
			}
			if lastWord(name) == c.last && (len(name) <= 16 || name == c.name) {
				return c.node
			}
		}
		if c.size < 0 {
			return nil
		}
	}
}

// step returns the node for one name: the child, or what stands for others.
func (n *node) step(name string) *node {
	if c := n.find(name); c != nil {
		return c
	}
	return n.other
}

// findUnderscore is find with the dots of the key taken for underscores.
func (n *node) findUnderscore(key string) *node {
	if strings.IndexByte(key, '.') < 0 {
		return n.find(key)
	}
	for i := range n.children {
		if c := &n.children[i]; c.size == len(key) && sameButDots(c.name, key) {
			return c.node
		}
	}
	return nil
}

func sameButDots(name, key string) bool {
	for i := 0; i < len(key); i++ {
		if c := key[i]; c != name[i] && (c != '.' || name[i] != '_') {
			return false
		}
	}
	return true
}

// firstWord returns the first 8 bytes of s as a little-endian number, with
// zeros after its end.
func firstWord(s string) uint64 {
	if len(s) >= 8 {
		return load(s, 0)
	}
	var w uint64
	for i := len(s) - 1; i >= 0; i-- {
		w = w<<8 | uint64(s[i])
	}
	return w
}

// lastWord returns the last 8 bytes of s, 0 if it has no more than 8.
func lastWord(s string) uint64 {
	if len(s) <= 8 {
		return 0
	}
	return load(s, len(s)-8)
}

// load returns the 8 bytes at s[i:].
func load(s string, i int) uint64 {
	return binary.LittleEndian.Uint64(bytesOf(s)[i:])
}

// lookup returns the node for a map's key, nil if it is not wanted. A key with
// dots leads through the maps that it spells, which count as found.
func (v *View) lookup(at *node, first uint64, key string) *node {
	if c := at.findWord(first, key); c != nil {
		return c
	}
	if at.opens>>(first&63)&1 == 0 && !at.underscore || strings.IndexByte(key, '.') < 0 {
		return at.other
	}
	return v.dotted(at, key)
}

func (v *View) dotted(at *node, key string) *node {
	for at != nil {
		if at.underscore {
			if c := at.findUnderscore(key); c != nil {
				return c
			}
			return at.other
		}
		i := strings.IndexByte(key, '.')
		if i < 0 {
			return at.step(key)
		}
		if at = at.step(key[:i]); at != nil && at.slot != none {
			v.push(at.slot, Value{Kind: Object})
		}
		key = key[i+1:]
	}
	return nil
}
