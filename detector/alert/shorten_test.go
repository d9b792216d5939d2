package alert

import (
	"slices"
	"testing"

	"fluent-bit-newterms/detector/limits"
)

// TestDepth: Fluent Bit drops records that are nested deeper than it reads, and
// an attacker chooses the body of his request. So what lies deep is left out of the
// alert, which names it; everything else stays.
func TestDepth(t *testing.T) {
	nested := func(levels int) any {
		var v any = "x"
		for range levels {
			v = map[string]any{"a": []any{v}}
		}
		return v
	}
	for _, test := range []struct {
		levels int
		cut    bool
	}{{1, false}, {9, false}, {10, true}, {100, true}} {
		e := NewEvent(map[string]any{"user": map[string]any{"name": "mallory"}, "requestObject": nested(test.levels)})
		doc, cut := e.document(false)
		if deep(doc, limits.AlertDepth) {
			t.Errorf("%d: the document is deeper than %d levels", test.levels, limits.AlertDepth)
		}
		if len(cut) > 0 != test.cut || test.cut && !slices.ContainsFunc(cut, func(name string) bool { return len(name) > 13 && name[:13] == "requestObject" }) {
			t.Errorf("%d: %q is named as shortened", test.levels, cut)
		}
		if Find(doc, "user.name") != "mallory" {
			t.Errorf("%d: the other fields are gone: %v", test.levels, doc)
		}
	}
}
