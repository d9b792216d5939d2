package record

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestOnly compares a scan for some of a layout's slots with a scan for all of
// them, over the same View: those have the same values, the others none.
func TestOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWanted(t)
		kept := make(map[int32]bool)
		for s := range int32(w.layout.slots) {
			kept[s] = rapid.Bool().Draw(t, "kept")
		}
		only := w.layout.Only(func(s int32) bool { return kept[s] })
		for range 3 {
			doc := drawObject(t, true, 4)
			b := appendMsgpack(nil, doc, func() int { return max(0, rapid.IntRange(-3, 3).Draw(t, "wide")) })
			w.view.Reset()
			n, err := w.layout.ScanMsgpack(b, w.view)
			if err != nil {
				t.Fatal(err)
			}
			want := make([][]Value, w.layout.slots)
			for s := range want {
				if kept[int32(s)] {
					want[s] = slotValues(w.view, int32(s))
				}
			}
			w.view.Reset()
			if m, err := only.ScanMsgpack(b, w.view); err != nil || m != n {
				t.Fatalf("length %d, %v; want %d", m, err, n)
			}
			for s := range want {
				if got := slotValues(w.view, int32(s)); !slices.Equal(got, want[s]) {
					t.Fatalf("slot %d: got %+v, want %+v, in %v", s, got, want[s], doc)
				}
			}
		}
	})
}

// A field that is deferred is asked for until the table says where it is.
func TestDefer(t *testing.T) {
	l := NewLayout()
	slot, later := l.Want("a"), l.NewSlot()
	v := l.NewView(0, nil)
	asked := 0
	v.Defer(later, func(f Field) int32 {
		asked++
		if f != 1 {
			t.Errorf("asked for field %d, want 1", f)
		}
		v.SetTable([]int32{slot, slot})
		return v.Slot(slot)
	})
	for round := range 2 {
		v.Reset()
		v.SetTable([]int32{slot, later})
		if _, err := l.ScanJSON([]byte(`{"a":"x"}`), v); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if i := v.Head(1); i == 0 || v.At(i).Str != "x" {
				t.Fatal("the deferred field is not there")
			}
		}
		if asked != round+1 {
			t.Errorf("asked %d times in %d records", asked, round+1)
		}
	}
}
