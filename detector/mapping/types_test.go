package mapping

import (
	"encoding/json"
	"testing"

	"fluent-bit-newterms/detector/record"
)

func mustMarshal(t testing.TB, val any) []byte {
	t.Helper()
	b, err := json.Marshal(val)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestHas: names that the table has are no multi-fields of another.
func TestHas(t *testing.T) {
	p := NewPlan(Options{})
	for path, want := range map[string]bool{"user.name": true, "process.name.caseless": false, "message": true, "x.text": false} {
		if p.Has(path) != want {
			t.Errorf("Has(%q) is %v", path, !want)
		}
	}
	_, rules := p.Nested("kubernetes.audit.requestObject.rules")
	if rules.Has("message") {
		t.Error("the elements of rules have no field message")
	}
	if _, typ := rules.Field("message"); typ != record.Dynamic {
		t.Errorf("rules.message is of type %d", typ)
	}
}
