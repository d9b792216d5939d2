package record

// Layout is the set of paths that somebody wants of a record, as a trie over
// the names of their fields. A scanner walks a record and the trie together:
// what the trie does not name is skipped, not decoded.
//
// Build it with Want, WantDeep and WantSpan, then share it: scanning only
// reads it. Names in paths hold no dots, since a key with dots is the path
// that it spells.
type Layout struct {
	root  *node
	slots int
}

// NewLayout returns a Layout that wants nothing.
func NewLayout() *Layout {
	return &Layout{root: newNode(nil)}
}

const none slot = -1

// Want returns the slot for the scalars at the path, a name a level. Asking
// again for the same path returns the same slot. A map at the path that has
// something in it is there as one value of kind Object.
func (l *Layout) Want(path ...string) int32 {
	n := l.at(path)
	l.give(&n.slot)
	n.settle()
	return n.slot
}

// WantDeep returns the slot for every scalar at the path or below, however
// deep.
func (l *Layout) WantDeep(path ...string) int32 {
	n := l.at(path)
	l.give(&n.deep)
	n.spread()
	return n.deep
}

// WantSpan returns the slot for the undecoded bytes of the maps and arrays at
// the path, as values of kind Span. A map in an array is in the array's span
// and has none of its own; a map that only keys with dots spell has none.
func (l *Layout) WantSpan(path ...string) int32 {
	n := l.at(path)
	l.give(&n.span)
	n.settle()
	return n.span
}

// Underscore makes dots in the keys of the map at path count as underscores.
// Ask for what is in it with underscores.
func (l *Layout) Underscore(path ...string) {
	n := l.at(path)
	n.underscore = true
	n.settle()
}

// NewSlot returns a slot that no path fills: for values derived from others.
func (l *Layout) NewSlot() int32 {
	l.slots++
	return slot(l.slots - 1)
}

// NewView returns a View that a scanner can fill from this layout, with
// lazies fields from FirstLazy on that lazy fills. Say with SetTable which
// slot holds which field. Call it after the last Want.
func (l *Layout) NewView(lazies int, lazy Lazy) *View {
	v := &View{}
	v.init(l.slots, lazies, lazy)
	return v
}

// Slots returns how many slots there are, which are counted from 0.
func (l *Layout) Slots() int { return l.slots }

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

// Only returns a layout that fills just those of l's slots that keep tells it
// to. The slots are the same, so that a View made for l takes a scan of it
// too: what a narrower layout does not fill stays empty.
func (l *Layout) Only(keep func(slot int32) bool) *Layout {
	root := l.root.only(keep, nil)
	if root == nil {
		root = newNode(nil)
	}
	return &Layout{root: root, slots: l.slots}
}
