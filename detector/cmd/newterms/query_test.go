package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"fluent-bit-newterms/detector/kql"
)

func TestPointed(t *testing.T) {
	long := strings.Repeat("a: b or ", 40)
	for _, c := range []struct{ name, query, want string }{
		{"at the end", "a: (b", "a: (b\n       ^"},
		{"in the second line", "a: b and\nc: (d", "  c: (d\n       ^"},
		{"wide characters", "日本: (b", "  日本: (b\n          ^"},
		{"a long line", long + "c: )" + long, "^"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := kql.Parse(c.query)
			if err == nil {
				t.Fatal("the query is KQL")
			}
			got := pointed(c.query, err).Error()
			if !strings.Contains(got, c.want) {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
			for line := range strings.Lines(got) {
				if utf8.RuneCountInString(line) > 200 {
					t.Errorf("a line of %d characters", utf8.RuneCountInString(line))
				}
			}
		})
	}
}

// FuzzPointed wants a caret under some place of every query that is no KQL.
func FuzzPointed(f *testing.F) {
	for _, seed := range []string{"a: (b", "\xff(", "a:\n\n\"", "日本 and", strings.Repeat("x ", 200) + "(", "a: \x1b[31m ("} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		_, err := kql.Parse(query)
		if err == nil {
			return
		}
		text := pointed(query, err).Error()
		if !strings.Contains(text, "^") || strings.ContainsRune(text, '\x1b') || !utf8.ValidString(text) {
			t.Errorf("%q", text)
		}
	})
}
