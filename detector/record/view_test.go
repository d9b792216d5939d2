package record

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestViewHoldsFieldsInOrder(t *testing.T) {
	v := NewView(4, 0, nil)
	for range 2 {
		v.Push(1, StringValue("x"))
		v.Push(2, IntValue(1))
		v.Push(1, StringValue("y"))
		if got := slotValues(v, 1); !slices.Equal(got, []Value{StringValue("x"), StringValue("y")}) {
			t.Errorf("field 1: %v", got)
		}
		if v.Head(3) != 0 || v.At(v.Head(2)).Num != 1 || v.Next(v.Head(2)) != 0 {
			t.Error("fields 2 and 3 are mixed up")
		}
		v.Reset()
		if v.Head(1) != 0 || v.Head(2) != 0 {
			t.Error("Reset left values behind")
		}
	}
}

func TestSetTable(t *testing.T) {
	l := NewLayout()
	a, b, empty := l.Want("a"), l.Want("b"), l.NewSlot()
	v := l.NewView(0, nil)
	if _, err := l.ScanJSON([]byte(`{"a":"1","b":"2"}`), v); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		table []int32
		want  string
	}{{[]int32{empty, a}, "1"}, {[]int32{empty, b}, "2"}} {
		v.SetTable(tt.table)
		if v.Head(0) != 0 || v.At(v.Head(1)).Str != tt.want {
			t.Errorf("table %v: %v", tt.table, v.At(v.Head(1)))
		}
	}
}

func TestAliasSlot(t *testing.T) {
	l := NewLayout()
	a, b, c := l.Want("a"), l.Want("b"), l.NewSlot()
	v := l.NewView(0, nil)
	v.AliasSlot(c, a) // a is empty: nothing
	if v.Slot(c) != 0 {
		t.Error("alias of an empty slot")
	}
	v.PushSlot(a, IntValue(1))
	v.PushSlot(b, IntValue(2))
	v.AliasSlot(c, a)
	v.AliasSlot(c, b) // c is taken
	if got := slotValues(v, c); !slices.Equal(got, []Value{IntValue(1)}) {
		t.Errorf("alias: %v", got)
	}
	if v.Reset(); v.Slot(a) != 0 || v.Slot(c) != 0 {
		t.Error("Reset left an alias behind")
	}
}

func TestDropEmpty(t *testing.T) {
	e, x, y := StringValue(""), StringValue("x"), IntValue(0)
	for _, tt := range []struct{ vals, want []Value }{
		{nil, nil}, {[]Value{e}, nil}, {[]Value{e, e}, nil}, {[]Value{x}, []Value{x}}, {[]Value{e, x}, []Value{x}},
		{[]Value{x, e}, []Value{x}}, {[]Value{x, e, e, y}, []Value{x, y}}, {[]Value{e, x, e, y, e}, []Value{x, y}},
	} {
		l := NewLayout()
		a, other := l.Want("a"), l.Want("b")
		v := l.NewView(0, nil)
		for _, val := range tt.vals {
			v.PushSlot(a, val)
			v.PushSlot(other, y)
		}
		v.DropEmpty()
		if got := slotValues(v, a); !slices.Equal(got, tt.want) {
			t.Errorf("%v: left %v", tt.vals, got)
		}
		if got := slotValues(v, other); len(got) != len(tt.vals) {
			t.Errorf("%v: the other slot has %v", tt.vals, got)
		}
		// A value pushed after it comes last.
		v.PushSlot(a, y)
		if got := slotValues(v, a); !slices.Equal(got, append(slices.Clone(tt.want), y)) {
			t.Errorf("%v: then %v", tt.vals, got)
		}
		if v.Reset(); v.Slot(a) != 0 {
			t.Error("Reset left values behind")
		}
	}
}

// lazyNames fills lazy fields with a value that tells which was asked for.
type lazyNames struct{ fills int }

func (l *lazyNames) Fill(v *View, f Field) {
	l.fills++
	v.Push(f, IntValue(int64(f-FirstLazy)))
}

func (l *lazyNames) Elements(_ *View, _ Field, yield func(*View) bool) { yield(NewView(1, 0, nil)) }

func TestLazyFieldsAreFilledOnceARecord(t *testing.T) {
	lazy := &lazyNames{}
	v := NewView(2, 2, lazy)
	for i := 1; i <= 3; i++ {
		for range 2 {
			if v.At(v.Head(FirstLazy)).Num != 0 || v.At(v.Head(FirstLazy+1)).Num != 1 {
				t.Error("lazy fields are mixed up")
			}
		}
		if lazy.fills != 2*i {
			t.Errorf("%d fills after %d records", lazy.fills, i)
		}
		v.Reset()
	}
	elements := 0
	count := func(*View) bool { elements++; return true }
	v.Elements(FirstLazy, count)
	NewView(1, 0, nil).Elements(FirstLazy, count)
	if elements != 1 {
		t.Errorf("%d elements, want 1, from the Lazy", elements)
	}
}

func TestLayoutGivesOneSlotAPath(t *testing.T) {
	l := NewLayout()
	a := l.Want("a", "b")
	slots := []int32{a, l.Want("a"), l.WantDeep("a", "b"), l.WantSpan("a", "b"), l.Want(), l.NewSlot()}
	if l.Want("a", "b") != a || l.WantDeep("a", "b") != slots[2] || l.WantSpan("a", "b") != slots[3] {
		t.Error("asking again gave another slot")
	}
	if slices.Sort(slots); len(slices.Compact(slots)) != 6 {
		t.Errorf("slots are shared: %v", slots)
	}
}

// Deep fields inside deep fields each have every scalar of theirs, whichever
// was asked for first.
func TestDeepInsideDeep(t *testing.T) {
	for name, order := range map[string][][]string{
		"outer first": {{"a"}, {"a", "b"}}, "inner first": {{"a", "b"}, {"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &wanted{layout: NewLayout()}
			for _, path := range order {
				w.add(path, 2)
			}
			w.add([]string{"a", "b", "c"}, 1)
			w.view = w.layout.NewView(0, nil)
			doc := object{{"a.b", object{{"c", int64(1)}, {"d", int64(2)}}}, {"a", object{{"e.f", int64(3)}, {"b.x.y", int64(4)}}}}
			if _, err := w.layout.ScanMsgpack(mp(doc), w.view); err != nil {
				t.Fatal(err)
			}
			if err := w.check(Msgpack, doc); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDropEmptyOfAlias(t *testing.T) {
	l := NewLayout()
	a, b := l.Want("a"), l.NewSlot()
	v := l.NewView(0, nil)
	v.PushSlot(a, StringValue(""))
	v.PushSlot(a, StringValue("x"))
	v.AliasSlot(b, a)
	v.DropEmpty()
	for _, s := range []int32{a, b} {
		if got := slotValues(v, s); !slices.Equal(got, []Value{StringValue("x")}) {
			t.Errorf("left %v", got)
		}
	}
}

// More children than a node's index can tell apart.
func TestLayoutOfManyFields(t *testing.T) {
	w := &wanted{layout: NewLayout()}
	doc := object{}
	for i := range 2000 {
		name := fmt.Sprintf("%s%d", strings.Repeat("x", i%40), i)
		w.add([]string{name}, 1)
		doc = append(doc, entry{name, name}, entry{name + "x", "not wanted"})
	}
	w.view = w.layout.NewView(0, nil)
	for f, b := range map[Format][]byte{Msgpack: mp(doc), JSON: appendJSON(nil, doc, func() int { return 0 })} {
		w.view.Reset()
		if n, err := f.Scan(w.layout, b, w.view); err != nil || n != len(b) {
			t.Fatalf("%d of %d, %v", n, len(b), err)
		}
		if err := w.check(f, doc); err != nil {
			t.Error(err)
		}
	}
}
