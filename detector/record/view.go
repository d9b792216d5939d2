package record

// Field names one field that somebody wants of each record: an index handed
// out when rules are loaded (see package mapping). The zero Field is never
// filled and never handed out.
type Field int32

// A slot is one place of the View that the scanner fills. Fields are mapped to
// slots by the shape of the record at hand: user_agent.original is one slot in
// a raw audit event, another in an ECS document.
type slot = int32

// cell is a value in the View's arena, chained to the next value of its slot.
type cell struct {
	Value
	next int32
	slot slot
}

// chain is the values of a slot: the indices of its first and last cell. first
// is 0 if there are none, and last then says nothing.
type chain struct{ first, last int32 }

// View holds the wanted values of one record. It is filled by a scanner, read
// by predicates, and reset for the next record; its memory is reused, so in
// the steady state nothing allocates.
//
// A field may have any number of values (arrays are flattened, as
// Elasticsearch does), in the order of the record:
//
//	for i := v.Head(f); i != 0; i = v.Next(i) {
//		use(v.At(i))
//	}
//
// A View is not safe for concurrent use.
type View struct {
	table []slot  // by Field: the slot that holds it in this record's shape
	slots []chain // by slot
	alias []slot  // the slots that share the values of others
	cells []cell  // cells[0] is never used

	// lazy fields (field-name patterns, nested objects) are found only when
	// a predicate asks for them. Fields at or above FirstLazy are lazy; the
	// slot of one is the same in every shape.
	lazy      Lazy
	lazyTable []slot // by Field - FirstLazy
	lazyDone  []bool // likewise
	scratch   []byte // unescaped strings of this record

	late func(Field) int32 // see Defer

	lead lead
	// heads are the first bytes of keys, by the keys before them: a guess, which
	// is checked, and costs time where it is wrong.
	heads [1024]byte
}

// Lazy finds what the plain walk of a record does not: the values of fields
// named by a pattern, and the elements of nested objects.
type Lazy interface {
	// Fill pushes the values of the lazy field f to v.
	Fill(v *View, f Field)
	// Elements calls yield with the elements of the nested field f, each as a
	// View over the sub-fields that is valid during the call, until yield
	// returns false.
	Elements(v *View, f Field, yield func(*View) bool)
}

// FirstLazy is the lowest lazy Field of every View: fields below it are
// filled by the scanner, fields from it on by a Lazy.
const FirstLazy Field = 1 << 20

// NewView returns a View for hand-made records: every Field below fields is a
// slot of its own, filled with Push. The lazies fields from FirstLazy on are
// asked of lazy, which may be nil if there are none.
func NewView(fields, lazies int, lazy Lazy) *View {
	table := make([]slot, fields)
	for i := range table {
		table[i] = slot(i)
	}
	v := &View{}
	v.init(fields, lazies, lazy)
	v.table = table
	return v
}

// init makes room for the slots of the layout, then one for each lazy field.
func (v *View) init(slots, lazies int, lazy Lazy) {
	v.slots = make([]chain, slots+lazies)
	v.cells = make([]cell, 1, 64)
	v.lazy = lazy
	v.lazyDone = make([]bool, lazies)
	v.lazyTable = make([]slot, lazies)
	for i := range v.lazyTable {
		v.lazyTable[i] = slot(slots + i)
	}
}

// What a View keeps for the next record, so that one huge record does not hold
// its memory for good.
const (
	keepCells   = 1 << 14
	keepScratch = 1 << 20 // bytes
)

// Reset forgets the record.
func (v *View) Reset() {
	for i := range v.cells[1:] {
		v.slots[v.cells[1+i].slot].first = 0
	}
	for _, s := range v.alias {
		v.slots[s].first = 0
	}
	v.alias = v.alias[:0]
	v.cells = v.cells[:1]
	v.scratch = v.scratch[:0]
	clear(v.lazyDone)
	if cap(v.cells) > keepCells || cap(v.scratch) > keepScratch {
		v.cells = make([]cell, 1, 64)
		v.scratch = nil
	}
}

// Head returns the index of f's first value, 0 if it has none.
func (v *View) Head(f Field) (i int32) {
	// Written so that it can just be inlined.
	if f < FirstLazy {
		if i = v.slots[v.table[f]].first; i >= 0 {
			return
		}
	}
	return v.slowHead(f)
}

// slowHead is Head for a field that no scan has filled yet.
func (v *View) slowHead(f Field) int32 {
	if f >= FirstLazy {
		return v.lazyHead(f)
	}
	return v.late(f)
}

// Defer makes late return the first value of every field that lies in the slot
// s, which is never filled: fields that are read only if somebody asks.
func (v *View) Defer(s int32, late func(Field) int32) {
	v.slots[s].first, v.late = -1, late
}

// Next returns the index of the value after i, 0 if there is none.
func (v *View) Next(i int32) int32 { return v.cells[i].next }

// At returns the value at index i, valid until the next Push or Reset.
func (v *View) At(i int32) *Value { return &v.cells[i].Value }

// Push adds a value to f.
func (v *View) Push(f Field, val Value) {
	if f >= FirstLazy {
		v.push(v.lazyTable[f-FirstLazy], val)
		return
	}
	v.push(v.table[f], val)
}

// Elements calls yield with the elements of the nested field f, one after the
// other, each valid during the call, until yield returns false.
func (v *View) Elements(f Field, yield func(*View) bool) {
	if v.lazy != nil {
		v.lazy.Elements(v, f, yield)
	}
}

func (v *View) push(s slot, val Value) {
	c := v.grow(s)
	c.Str, c.Num, c.Kind, c.Type = val.Str, val.Num, val.Kind, val.Type
}

// pushText is push for a string.
func (v *View) pushText(s slot, text string) {
	c := v.grow(s)
	c.Str, c.Num, c.Kind, c.Type = text, 0, String, 0
}

// grow adds a cell to a slot. Its value is whatever it held for an earlier
// record.
func (v *View) grow(s slot) *cell {
	n := len(v.cells)
	if n == cap(v.cells) {
		v.cells = append(v.cells, cell{})[:n]
	}
	v.cells = v.cells[:n+1]
	c := &v.cells[n]
	c.next, c.slot = 0, s
	at := &v.slots[s]
	if at.first == 0 {
		at.first = int32(n)
	} else {
		v.cells[at.last].next = int32(n)
	}
	at.last = int32(n)
	return c
}

// lazyHead finds the values of a lazy field the first time that it is asked
// for in a record.
func (v *View) lazyHead(f Field) int32 {
	k := int(f - FirstLazy)
	if !v.lazyDone[k] {
		v.lazyDone[k] = true
		v.lazy.Fill(v, f)
	}
	return v.slots[v.lazyTable[k]].first
}

// SetTable says which slot holds each Field in the shape of the record at
// hand. The View keeps t.
func (v *View) SetTable(t []int32) { v.table = t }

// Slot returns the index of the first value in a slot, 0 if it is empty.
func (v *View) Slot(s int32) int32 { return v.slots[s].first }

// Holds tells whether any value is an Object, and whether any is an empty
// string.
func (v *View) Holds() (object, empty bool) {
	for i := 1; i < len(v.cells); i++ {
		switch c := &v.cells[i]; c.Kind {
		case Object:
			object = true
		case String:
			empty = empty || c.Str == ""
		}
	}
	return object, empty
}

// DropEmpty forgets empty strings, which the ingest pipeline of raw audit
// events removes.
func (v *View) DropEmpty() {
	for i := 1; i < len(v.cells); i++ {
		if s := v.cells[i].slot; v.slots[s].first == int32(i) {
			v.dropEmptyOf(s)
		}
	}
	for _, s := range v.alias {
		v.dropEmptyOf(s)
	}
}

func (v *View) dropEmptyOf(s slot) {
	at, prev := &v.slots[s], int32(0)
	for i := at.first; i != 0; i = v.cells[i].next {
		switch c := &v.cells[i]; {
		case c.Kind != String || c.Str != "":
			prev = i
		case prev == 0:
			at.first = c.next
		default:
			v.cells[prev].next = c.next
		}
	}
	at.last = prev
}

// PushSlot adds a value to a slot.
func (v *View) PushSlot(s int32, val Value) { v.push(s, val) }

// AliasSlot makes the empty slot dst hold the values of src, without copying.
// Nothing may be pushed to either before the next Reset.
func (v *View) AliasSlot(dst, src int32) {
	if v.slots[dst].first != 0 || v.slots[src].first == 0 {
		return
	}
	v.slots[dst] = v.slots[src]
	v.alias = append(v.alias, dst)
}

// Keep copies text to where it lives until the View is reset.
func (v *View) Keep(text []byte) string {
	start := len(v.scratch)
	v.scratch = append(v.scratch, text...)
	return view(v.scratch[start:])
}
