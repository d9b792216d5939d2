package record

import "testing"

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
