package kql

import (
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	tests := []struct {
		query string
		want  []string // the beginnings
	}{
		{"a: b and not c: (d or e*) and nginx", nil},
		{`a: "b && c" and d: "x = y"`, nil},
		{"a: /usr/bin/ or a: /x or b: k=v or c: android", nil},
		{"a = b", []string{"a = b: this text is searched for in every field"}},
		{"x: y and a == b", []string{"a == b: this text is searched for in every field"}},
		{"a: b && c", []string{"a: b && c: && is part of the value"}},
		{"a: b || c", []string{"a: b || c: || is part of the value"}},
		{"a: /b.+/", []string{"a: /b.+/: KQL has no regular expressions"}},
		{"a: b and", []string{`a: b \and: the keyword is part of the value`}},
		{"a: b and or c", []string{`\or c: the keyword is part of the value`}},
	}
	for _, test := range tests {
		n, err := Parse(test.query)
		if err != nil {
			t.Fatal(err)
		}
		got := Warnings(n)
		if len(got) != len(test.want) {
			t.Errorf("%s: got %q, want %q", test.query, got, test.want)
			continue
		}
		for i, want := range test.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: got %q, want %q", test.query, got[i], want)
			}
		}
	}
}

// TestRuleWarnings: the public rules raise no doubts.
func TestRuleWarnings(t *testing.T) {
	for id, query := range ruleQueries(t) {
		n, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if warnings := Warnings(n); len(warnings) > 0 {
			t.Errorf("%s: %q", id, warnings)
		}
	}
}
