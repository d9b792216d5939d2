package match

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fluent-bit-newterms/detector/seen"
)

// TestTypedTerms: terms have the form of their field's type, alone and in arrays;
// two spellings of one value are one combination.
func TestTypedTerms(t *testing.T) {
	for _, c := range []struct{ field, values, want string }{
		{"source.ip", `"::ffff:10.0.0.1","10.0.0.1"`, `[10.0.0.1]`},
		{"source.ip", `"2001:DB8:0:0::1","2001:db8::1"`, `[2001:db8::1]`},
		{"source.ip", `"foo"`, `[foo]`},
		{"destination.port", `"443",443,443.0`, `[443]`},
		{"dll.code_signature.valid", `"true",true`, `[true]`},
		{"user.name", `1,"1"`, `[1]`},
		{"user.name", `true,"true"`, `[true]`},
		{"event.start", `"2026-01-01T00:00:00Z","2026-01-01T01:00:00+01:00",1767225600000`, `[2026-01-01T00:00:00.000Z]`},
		{"no.such.field", `1,"1"`, `[1 1]`},
	} {
		t.Run(c.field+" "+c.values, func(t *testing.T) {
			w := compiled(t, Options{}, ruleOf(t, c.field+": *", c.field)).NewWorker(nil)
			w.Begin(time.Now())
			found := func() (out []any) {
				for i := range w.Batch().Combinations {
					x := &w.Batch().Combinations[i]
					terms, err := seen.DecodeTerms(w.Batch().Terms(x))
					if err != nil {
						t.Fatal(err)
					}
					out = append(out, terms...)
				}
				return out
			}
			var alone []string
			for i, start := 0, 0; i <= len(c.values); i++ {
				if i == len(c.values) || c.values[i] == ',' {
					alone = append(alone, c.values[start:i])
					start = i + 1
				}
			}
			for _, lines := range [][]string{{"[" + c.values + "]"}, alone} {
				w.Begin(time.Now())
				for _, v := range lines {
					if err := w.Line(fmt.Appendf(nil, `{"%s":%s}`, c.field, v), time.Now().UnixNano(), 0); err != nil {
						t.Fatal(err)
					}
				}
				if got := found(); fmt.Sprint(got) != c.want {
					t.Errorf("%s: %v, want %s", slices.Clone(lines), got, c.want)
				}
			}
		})
	}
}
