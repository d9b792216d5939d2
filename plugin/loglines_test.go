package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestLogLines(t *testing.T) {
	tests := []struct {
		name, msg, want string
	}{
		{"plain", "3 rules", "3 rules"},
		{"empty", "", ""},
		{"other scripts and spaces", "naïve 猫\u00a0.", "naïve 猫\u00a0."},
		{"a second line", "a\n[2026/01/01 00:00:00] [ info] fake", `a\n[2026/01/01 00:00:00] [ info] fake`},
		{"terminal escapes", "\x1b[2J\a", `\x1b[2J\a`},
		{"C1 controls", "\u009b31m", `\u009b31m`},
		{"line separators", "a\u2028b\u2029c\u0085d", `a\u2028b\u2029c\u0085d`},
		{"bidirectional override", "user\u202egnp.exe", `user\u202egnp.exe`},
		{"zero width", "ad\u200bmin\ufeff", `ad\u200bmin\ufeff`},
		{"a NUL, which would end a C string", "a\x00b", `a\x00b`},
		{"not UTF-8", "a\xff\xc3", `a\xff\xc3`},
		{"the replacement character itself", "a\ufffd", "a\ufffd"},
		{"quotes and backslashes stay", `C:\new "x" 'y'`, `C:\new "x" 'y'`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := []string{"[p] " + test.want}
			if diff := cmp.Diff(want, logLines("[p] ", test.msg)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func FuzzLogLines(f *testing.F) {
	f.Add("[output:newterms:newterms.0] ", "a\nb")
	f.Add("", strings.Repeat("猫\x1b", maxLogLine))
	f.Add(strings.Repeat("p", maxLogLine+1), "longer than its line")
	f.Fuzz(func(t *testing.T, prefix, msg string) {
		text := ""
		for _, line := range logLines(prefix, msg) {
			rest, ok := strings.CutPrefix(line, prefix)
			if !ok {
				t.Fatalf("line without its prefix: %q", line)
			}
			if len(line) > max(maxLogLine, len(prefix)+32) {
				t.Fatalf("a line of %d bytes", len(line))
			}
			for _, r := range rest {
				if !harmless(r) {
					t.Fatalf("%q is left in %q", r, rest)
				}
			}
			text += rest
		}
		if !utf8.ValidString(text) {
			t.Fatalf("not UTF-8: %q", text)
		}
		if clean := logLines("", text); strings.Join(clean, "") != text {
			t.Fatalf("what is clean changes again: %q", text)
		}
	})
}
