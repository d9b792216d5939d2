package alert

import (
	"fmt"
	"testing"
)

func TestSuppressionTerms(t *testing.T) {
	doc := map[string]any{
		"host": map[string]any{"name": "web"}, "user.name": "a",
		"n": []any{int64(2), int64(10), "b"}, "containers": []any{map[string]any{"image": "z"}, map[string]any{"image": "y"}},
		"null": nil, "empty": []any{},
	}
	tests := []struct {
		fields  []string
		want    string
		missing bool
	}{
		{[]string{"host.name"}, "[{host.name web}]", false},
		{[]string{"user.name", "host.name"}, "[{user.name a} {host.name web}]", false},
		{[]string{"containers.image"}, "[{containers.image [y z]}]", false},
		{[]string{"gone"}, "[{gone <nil>}]", true},
		{[]string{"null"}, "[{null <nil>}]", true},
		{[]string{"empty", "host.name"}, "[{empty <nil>} {host.name web}]", true},
	}
	for _, tt := range tests {
		got, _, missing := SuppressionTerms(doc, tt.fields)
		if fmt.Sprint(got) != tt.want || missing != tt.missing {
			t.Errorf("%v: %v, %v; want %s, %v", tt.fields, got, missing, tt.want, tt.missing)
		}
	}
}

func TestGroupKey(t *testing.T) {
	key := func(field string, val any) string {
		_, key, _ := SuppressionTerms(map[string]any{field: val}, []string{field})
		return key
	}
	same := key("a", "x")
	if same != key("a", "x") || key("a", []any{"y", "x"}) != key("a", []any{"x", "y"}) {
		t.Error("a key is not stable")
	}
	for _, other := range []string{key("b", "x"), key("a", "y"), key("a", nil), key("a", []any{"x", "x"}), key("a", []any{"x", "y"}), key("ax", "")} {
		if other == same {
			t.Error("two groups share a key")
		}
	}
	if key("a", int64(5)) == key("a", "5") {
		t.Error("5 and \"5\" share a key")
	}
}
