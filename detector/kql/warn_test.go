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
		{"a = b", []string{`"a = b" has no field`}},
		{"x: y and a == b", []string{`"a == b" has no field`}},
		{"a: b && c", []string{`the value "b && c" holds &&`}},
		{"a: b || c", []string{`the value "b || c" holds ||`}},
		{"a: /b.+/", []string{`the value "/b.+/" looks like a regular expression`}},
		{"a && b", []string{`the value "a && b" holds &&`}},
		{"/regex/", []string{`the value "/regex/" looks like a regular expression`}},
		{"a: b and !c", []string{`the value "!c" begins with !`}},
		{"a: b and", []string{`the value "b and" ends with a keyword`}},
		{"a: b and or c", []string{`the value "or c" begins with a keyword`}},
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
			if !strings.HasPrefix(got[i].Msg, want) {
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
