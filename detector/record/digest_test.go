package record

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestDigest compares digests with the lists of what Views hold: they are the
// same if and only if the lists are equal.
func TestDigest(t *testing.T) {
	const slots = 6
	texts := []string{"", "a", "b", "ab", "abc", "abcdefg", "abcdefgh", "abcdefghi", "Xbcdefghi", "abcdXfghi",
		strings.Repeat("a", 40), strings.Repeat("a", 20) + "b" + strings.Repeat("a", 19), strings.Repeat("b", 1030)}
	draw := func(r *rand.Rand) Value {
		switch r.IntN(6) {
		case 0:
			return IntValue(int64(r.IntN(3)))
		case 1:
			return BoolValue(r.IntN(2) == 0)
		case 2:
			return FloatValue(float64(r.IntN(3)))
		case 3:
			return Value{Kind: Object}
		}
		return StringValue(texts[r.IntN(len(texts))])
	}
	r := rand.New(rand.NewPCG(3, 4))
	same, other := 0, 0
	for range 20_000 {
		but := make([]bool, slots)
		but[r.IntN(slots)] = true
		fill := func(seed uint64) (*View, []string) {
			r := rand.New(rand.NewPCG(seed, 0))
			v := NewView(slots, 0, nil)
			var list []string
			for range r.IntN(4) {
				f, val := Field(r.IntN(slots)), draw(r)
				v.Push(f, val)
				if !but[f] {
					list = append(list, fmt.Sprintf("%d %+v", f, val))
				}
			}
			return v, list
		}
		a, inA := fill(r.Uint64N(60))
		b, inB := fill(r.Uint64N(60))
		want := slices.Equal(inA, inB)
		sumA, okA := a.Digest(but)
		sumB, okB := b.Digest(but)
		if want && (sumA != sumB || okA != okB) {
			t.Fatalf("%q has the digests %x and %x", inA, sumA, sumB)
		}
		if !want && sumA == sumB && okA && okB {
			t.Fatalf("%q and %q have the same digest", inA, inB)
		}
		if okA && sumA == (Digest{}) {
			t.Fatalf("%q has the zero digest", inA)
		}
		if want {
			same++
		} else {
			other++
		}
	}
	if same < 1000 || other < 1000 {
		t.Errorf("%d pairs alike, %d not", same, other)
	}
}

// What is too much has no digest, unless it lies aside.
func TestNoDigest(t *testing.T) {
	fill := func(n int, val Value) *View {
		v := NewView(2, 0, nil)
		for range n {
			v.Push(1, val)
		}
		return v
	}
	for _, c := range []struct {
		v    *View
		want bool
	}{
		{fill(0, Value{}), true},
		{fill(10, StringValue("ten")), true},
		{fill(maxMarks, IntValue(1)), false},
		{fill(2, StringValue(strings.Repeat("x", maxText/2+1))), false},
	} {
		if _, ok := c.v.Digest([]bool{false, false}); ok != c.want {
			t.Errorf("%d values: a digest: %v", len(c.v.cells)-1, ok)
		}
		if _, ok := c.v.Digest([]bool{false, true}); !ok && len(c.v.cells) <= maxMarks {
			t.Errorf("%d values aside: no digest", len(c.v.cells)-1)
		}
	}
}

// Every byte of a text counts, and where it is.
func TestDigestOfTexts(t *testing.T) {
	seen := make(map[Digest]string)
	add := func(text string) {
		v := NewView(1, 0, nil)
		v.Push(0, StringValue(text))
		d, ok := v.Digest([]bool{false})
		if other, found := seen[d]; !ok || found {
			t.Fatalf("%q and %q: %v %v", text, other, d, ok)
		}
		seen[d] = text
	}
	for n := range 100 {
		text := []byte(strings.Repeat("x", n))
		add(string(text))
		for i := range n {
			text[i] = 'y'
			add(string(text))
			text[i] = 'x'
		}
	}
}

// Each pair of words has keys of its own: two numbers that change places are not
// the same as before, however much lies between them.
func TestDigestKeys(t *testing.T) {
	for far := 1; far <= 3*(maxMarks-3); far++ {
		digest := func(a, b int64) Digest {
			v := NewView(1, 0, nil)
			v.Push(0, IntValue(a))
			between := far - 1
			for ; between >= 3; between -= 3 {
				v.Push(0, StringValue("three pairs: 17 b"))
			}
			for ; between > 0; between-- {
				v.Push(0, IntValue(0))
			}
			v.Push(0, IntValue(b))
			d, ok := v.Digest([]bool{false})
			if !ok && len(v.cells) <= maxMarks {
				t.Fatalf("%d values have no digest", len(v.cells)-1)
			}
			return d
		}
		if d := digest(1, 2); d != (Digest{}) && d == digest(2, 1) {
			t.Errorf("%d pairs further on the keys are the same", far)
		}
	}
}
