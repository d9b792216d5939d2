package record

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// names are short of choice, so that documents and paths meet, and of all the
// lengths that a node tells apart.
var names = []string{
	"a", "b", "a_b", "kind", "username", "usernama", "userAgent", "userBgent", "",
	"annotations", "annotatioms", "requestReceivedTimestamp", "requestReceivedTimestamq",
	"requestReceixedTimestamp", "authorization_k8s_io/decision", strings.Repeat("n", 70),
}

// drawTree draws a document's value. Only msgpack can hold odd ones.
func drawTree(t *rapid.T, odd bool, depth int) any {
	top := 11
	if depth == 0 {
		top = 7
	}
	switch k := rapid.IntRange(0, top).Draw(t, "kind"); k {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.Int64().Draw(t, "int")
	case 3:
		return rapid.Uint64Min(1<<63).Draw(t, "uint")
	case 4:
		return rapid.Float64().Draw(t, "float")
	case 5, 6:
		return drawText(t)
	case 7:
		if odd {
			if rapid.Bool().Draw(t, "ext") {
				return ext("\xc7\x02\x05\xc1\xc1")
			}
			return binary8(drawText(t))
		}
		return int64(rapid.IntRange(-200, 200).Draw(t, "small"))
	case 8:
		list := []any{}
		for range rapid.IntRange(0, 4).Draw(t, "elements") {
			list = append(list, drawTree(t, odd, depth-1))
		}
		return list
	}
	return drawObject(t, odd, depth-1)
}

func drawText(t *rapid.T) string {
	if rapid.Bool().Draw(t, "plain") {
		return rapid.StringMatching(`[a-z "\\/.é\n\x00]{0,40}`).Draw(t, "text")
	}
	return string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes"))
}

func drawObject(t *rapid.T, odd bool, depth int) object {
	obj := object{}
	for range rapid.IntRange(0, 5).Draw(t, "entries") {
		var key any
		switch rapid.IntRange(0, 9).Draw(t, "key") {
		case 0:
			key = drawText(t)
		case 1:
			if key = "x"; odd {
				key = drawTree(t, true, 1)
			}
		case 2, 3:
			key = strings.Join(rapid.SliceOfN(rapid.SampledFrom(names), 2, 4).Draw(t, "dotted"), ".")
		default:
			key = rapid.SampledFrom(names).Draw(t, "name")
		}
		obj = append(obj, entry{key, drawTree(t, odd, depth)})
	}
	return obj
}

// wanted is a layout with the paths that it wants, and a View to fill.
type wanted struct {
	pathSet
	layout            *Layout
	view              *View
	plain, deep, span []int32 // by path; -1 for what is not wanted
}

func drawWanted(t *rapid.T) *wanted {
	path := rapid.SliceOfN(rapid.SampledFrom(names), 1, 4)
	w := &wanted{layout: NewLayout()}
	for range rapid.IntRange(0, 2).Draw(t, "underscores") {
		u := path.Draw(t, "underscore")
		w.underscores = append(w.underscores, u)
		w.layout.Underscore(u...)
	}
	for range rapid.IntRange(1, 12).Draw(t, "paths") {
		w.add(path.Draw(t, "path"), rapid.IntRange(1, 7).Draw(t, "how"))
	}
	w.view = w.layout.NewView(0, nil)
	return w
}

// add wants a path, in the ways that bits 0 to 2 of how say.
func (w *wanted) add(path []string, how int) {
	give := func(bit int, want func(...string) int32) int32 {
		if how>>bit&1 == 0 {
			return -1
		}
		return want(path...)
	}
	w.paths = append(w.paths, path)
	w.plain = append(w.plain, give(0, w.layout.Want))
	w.deep = append(w.deep, give(1, w.layout.WantDeep))
	w.span = append(w.span, give(2, w.layout.WantSpan))
}

// check compares what a scan has filled with what the oracle finds in doc.
func (w *wanted) check(f Format, doc any) error {
	for i, path := range w.paths {
		if err := w.compare(path, "plain", w.plain[i], w.want(doc, path)); err != nil {
			return err
		}
		if err := w.compare(path, "deep", w.deep[i], w.pathSet.deep(doc, path)); err != nil {
			return err
		}
		if s := w.span[i]; s >= 0 {
			var got []any
			for _, val := range slotValues(w.view, s) {
				doc, err := f.Decode([]byte(val.Str))
				if err != nil || val.Kind != Span {
					return fmt.Errorf("span of %q: kind %d, %v: %q", path, val.Kind, err, val.Str)
				}
				got = append(got, doc)
			}
			if diff := cmp.Diff(w.pathSet.span(doc, path), got); diff != "" {
				return fmt.Errorf("spans of %q (-want +got):\n%s", path, diff)
			}
		}
	}
	return nil
}

func (w *wanted) compare(path []string, how string, s int32, want []Value) error {
	if s < 0 {
		return nil
	}
	if got := slotValues(w.view, s); !slices.Equal(got, want) {
		return fmt.Errorf("%s %q: got %+v, want %+v", how, path, got, want)
	}
	return nil
}

func slotValues(v *View, s int32) (vals []Value) {
	for i := v.Slot(s); i != 0; i = v.Next(i) {
		vals = append(vals, *v.At(i))
	}
	return vals
}

func TestScanMsgpackFindsWhatADecodeFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWanted(t)
		for range 3 {
			doc := drawObject(t, true, 4)
			wide := func() int { return max(0, rapid.IntRange(-3, 3).Draw(t, "wide")) }
			b := appendMsgpack(nil, doc, wide)
			tail := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "tail")
			w.view.Reset()
			n, err := w.layout.ScanMsgpack(slices.Concat(b, tail), w.view)
			if err != nil || n != len(b) {
				t.Fatalf("length %d, %v; want %d: % x", n, err, len(b), b)
			}
			if err := w.check(Msgpack, doc); err != nil {
				t.Fatalf("%v\nin %v", err, doc)
			}
			if got, err := Msgpack.Decode(b); err != nil || !reflect.DeepEqual(got, decoded(doc)) {
				t.Fatalf("decoded %v, %v; want %v", got, err, decoded(doc))
			}
			if cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); true {
				w.view.Reset()
				if n, err := w.layout.ScanMsgpack(b[:cut], w.view); err != ErrTruncated {
					t.Fatalf("cut at %d: %d, %v", cut, n, err)
				}
			}
		}
	})
}

func TestScanJSONFindsWhatADecodeFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWanted(t)
		for range 3 {
			doc := drawObject(t, false, 4)
			vary := func() int { return max(0, rapid.IntRange(-6, 3).Draw(t, "vary")) }
			b := appendJSON(nil, doc, vary)
			size := len(strings.TrimRight(string(b), " \t\r\n"))
			tail := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "tail")
			w.view.Reset()
			n, err := w.layout.ScanJSON(slices.Concat(b, tail), w.view)
			if err != nil || n != size {
				t.Fatalf("length %d, %v; want %d: %q", n, err, size, b)
			}
			if err := w.check(JSON, doc); err != nil {
				t.Fatalf("%v\nin %s", err, b)
			}
			if got, err := JSON.Decode(b); err != nil || !reflect.DeepEqual(got, decoded(doc)) {
				t.Fatalf("decoded %v, %v; want %v", got, err, decoded(doc))
			}
			cut := rapid.IntRange(0, size-1).Draw(t, "cut")
			w.view.Reset()
			if n, err := w.layout.ScanJSON(b[:cut], w.view); err != ErrTruncated {
				t.Fatalf("cut at %d: %d, %v: %q", cut, n, err, b[:cut])
			}
		}
	})
}
