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

	// plain is slot where deeps has none: the one place that scalars go to.
	plain slot

	// through: of a map at this node nothing is wanted but what is in it.
	through bool

	// inside: something below a map at this node is wanted.
	inside bool
	// other is the node of every name that is no child: nil, or, where deeps
	// has any, a node that wants just those.
	other *node

	// underscore: in this map's keys a dot counts as an underscore, as the
	// ingest pipeline renames annotations. Elsewhere a key with dots is the
	// path that it spells.
	underscore bool

	// snake: this map's names, and those below, count in snake case. Every name
	// that is no child's is looked at again that way.
	snake bool

	// table finds children by name: open addressing, at most a quarter full,
	// so that a name which is not there mostly meets a free place at once.
	table []child
	shift uint // 64 - log2(len(table))
	// opens has the bit b&63 for every byte b with which a key can begin that
	// is no child's name and is wanted all the same: as a path with dots, or
	// because every key is.
	opens uint64

	children []child
	// index has, by the upper byte of a name's hash, one more than the place
	// of the child that it can only be, 0 if it is none.
	index [256]uint8
}

// ambiguous stands in a node's index for several children, or one further
// back than a byte can tell.
const ambiguous = 255

// child is a name in a table. Names of up to 31 bytes, which msgpack writes
// shortest, are told apart by their length and four words alone.
type child struct {
	first uint64 // the name's first 8 bytes, little-endian, zeros after its end
	last  uint64 // of a name longer than 8 bytes: its last 8
	mid   uint64 // of one longer than 16: the 8 after the first
	mid2  uint64 // and the 8 before the last
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
		o.settle()
		n.other = o
	}
	for _, c := range n.children {
		c.node.above = n.deeps
		c.node.spread()
	}
	n.settle()
}

// settle works out what follows from the rest of the node, when that changed.
func (n *node) settle() {
	n.plain = none
	if len(n.deeps) == 0 {
		n.plain = n.slot
	}
	n.through = n.slot == none && n.span == none && len(n.deeps) == 0 && len(n.children) > 0
	n.opens = 0
	for _, c := range n.children {
		n.opens |= 1 << (firstWord(c.name+".") & 63)
	}
	if n.other == nil && n.snake {
		n.other = nothing
	}
	if n.other != nil {
		n.opens = ^uint64(0)
	} else if n.underscore {
		n.opens = 0
	}
}

// nothing stands for names of which nothing is wanted.
var nothing = &node{slot: none, deep: none, span: none, plain: none, table: []child{{size: -1}, {size: -1}, {size: -1}, {size: -1}}, shift: 62}

func (n *node) add(name string) *node {
	if n.snake {
		name = Snake(name)
	}
	if c := n.find(name); c != nil {
		return c
	}
	c := newNode(n.deeps)
	if n.snake {
		c.snake = true
		c.settle()
	}
	n.children = append(n.children, newChild(name, c))
	n.inside = true
	n.rebuild()
	n.settle()
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
	for _, c := range n.children {
		i := int(hash(c.first, c.size) >> n.shift)
		for n.table[i].size >= 0 {
			i = (i + 1) & (size - 1)
		}
		n.table[i] = c
	}
	n.index = [256]uint8{}
	for i, c := range n.children {
		if k := &n.index[hash(c.first, c.size)>>56]; *k == 0 && i+1 < ambiguous {
			*k = uint8(i + 1)
		} else {
			*k = ambiguous
		}
	}
}

// hash mixes a name's first word and length; its upper bits are the best.
func hash(first uint64, size int) uint64 { return (first + uint64(size)) * 0x9E3779B97F4A7C15 }

func newChild(name string, n *node) child {
	c := child{first: firstWord(name), size: len(name), node: n, name: name}
	if len(name) > 8 {
		c.last = load(name, len(name)-8)
	}
	if len(name) > 16 {
		c.mid, c.mid2 = load(name, 8), load(name, len(name)-16)
	}
	return c
}

// ends tells whether key is c's name, when it is longer than 8 bytes and has
// the same first 8 and the same length.
func (c *child) ends(key string, underscore bool) bool {
	last := load(key, len(key)-8)
	if underscore {
		last = undot(last)
	}
	switch {
	case last != c.last:
		return false
	case len(key) <= 16 || key == c.name:
		return true
	}
	return underscore && sameButDots(c.name, key)
}

// find returns the child with exactly this name, or, in a map where dots count
// as underscores, this name with dots; nil if there is none.
func (n *node) find(name string) *node { return n.findWord(firstWord(name), name) }

// findWord is find for a name whose first word is known.
func (n *node) findWord(first uint64, name string) *node {
	if n.underscore {
		first = undot(first)
	}
	for i := int(hash(first, len(name)) >> (n.shift & 63)); ; i++ {
		c := &n.table[i&(len(n.table)-1)]
		if c.first == first && c.size == len(name) && (len(name) <= 8 || c.ends(name, n.underscore)) {
			return c.node
		}
		if c.size < 0 {
			return nil
		}
	}
}

// dotted8 returns a word with 1 in the bytes where w has a dot, else 0.
func dotted8(w uint64) uint64 {
	const low7, dots = 0x7f7f7f7f7f7f7f7f, 0x0101010101010101 * '.'
	w ^= dots
	return ^((w&low7 + low7) | w | low7) >> 7
}

// undot returns a word of a name with underscores for dots.
func undot(w uint64) uint64 { return w ^ dotted8(w)*('.'^'_') }

func hasDot(w uint64) bool { return dotted8(w) != 0 }

// step returns the node for one name: the child, or what stands for others.
func (n *node) step(name string) *node {
	if c := n.find(name); c != nil {
		return c
	}
	return n.other
}

// sameButDots tells whether a key of more than 8 bytes is name, which is as
// long, when its dots count as underscores.
func sameButDots(name, key string) bool {
	for i := 0; i < len(key)-8; i += 8 {
		if undot(load(key, i)) != load(name, i) {
			return false
		}
	}
	i := len(key) - 8
	return undot(load(key, i)) == load(name, i)
}

// wordMask keeps the bytes of a word that belong to a name of so many bytes.
var wordMask = func() (m [32]uint64) {
	for n := range m {
		m[n] = 1<<(8*min(n, 8)) - 1
	}
	return m
}()

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

// load returns the 8 bytes at s[i:].
func load(s string, i int) uint64 { return word(bytesOf(s), i) }

// word returns the 8 bytes at b[i:].
func word(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// lookup returns the node for a map's key, nil if it is not wanted.
func (v *View) lookup(at *node, first uint64, key string) *node {
	if c := at.findWord(first, key); c != nil {
		return c
	}
	if at.opens>>(first&63)&1 == 0 {
		return nil
	}
	return v.unlisted(at, key)
}

// unlisted returns the node for a key that is no child's name. A key with dots
// leads through the maps that it spells, which count as found.
func (v *View) unlisted(at *node, key string) *node {
	if at.snake {
		return at.snaked(key)
	}
	if at.underscore || strings.IndexByte(key, '.') < 0 {
		return at.other
	}
	return v.dotted(at, key)
}

// dotted follows a key with dots, a name at a time. It ends where nothing is
// wanted any more.
func (v *View) dotted(at *node, key string) *node {
	for at != nil {
		i := strings.IndexByte(key, '.')
		if i < 0 || at.underscore {
			return at.step(key)
		}
		if at = at.step(key[:i]); at != nil && at.slot != none {
			v.push(at.slot, Value{Kind: Object})
		}
		key = key[i+1:]
	}
	return nil
}

// only returns a copy of the node with those of its slots that keep tells it
// to, nil if nothing is left. above are the deep slots kept above it.
func (n *node) only(keep func(slot) bool, above []slot) *node {
	kept := func(s slot) slot {
		if s == none || !keep(s) {
			return none
		}
		return s
	}
	c := &node{slot: kept(n.slot), span: kept(n.span), deep: kept(n.deep), above: above, underscore: n.underscore, snake: n.snake}
	deeps := above
	if c.deep != none {
		deeps = append(above[:len(above):len(above)], c.deep)
	}
	for _, k := range n.children {
		if below := k.node.only(keep, deeps); below != nil {
			c.children = append(c.children, newChild(k.name, below))
		}
	}
	if c.slot == none && c.span == none && len(deeps) == 0 && len(c.children) == 0 {
		return nil
	}
	c.rebuild()
	c.spread()
	return c
}
