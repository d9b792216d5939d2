package engine

import (
	"fmt"
	"testing"

	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/seen"
)

// combination returns terms as bytes.
func combination(terms ...string) (b []byte) {
	for _, t := range terms {
		b = seen.AppendTerm(b, &record.Value{Kind: record.String, Str: t})
	}
	return b
}

// TestCrowd: whoever floods with a combination of terms makes that combination
// noisy, and not everybody who shares one of its terms.
func TestCrowd(t *testing.T) {
	const noisyFrom = 10
	for _, test := range []struct {
		name  string
		flood func(i int) []byte
	}{
		{"one user", func(i int) []byte { return combination("allow", "mallory", fmt.Sprint("agent/", i)) }},
		{"ten users", func(i int) []byte { return combination("allow", fmt.Sprint("mallory-", i%10), fmt.Sprint("agent/", i)) }},
		{"one agent", func(i int) []byte { return combination("allow", fmt.Sprint("user-", i), "kubelet/v1.35.1") }},
	} {
		var c crowd
		in := 0
		for i := range 1000 {
			if c.add(test.flood(i), noisyFrom) != 0 {
				in++
			}
		}
		if in < 850 {
			t.Errorf("%s: %d of 1,000 combinations are in a noisy group", test.name, in)
		}
		for i := range noisyFrom {
			if g := c.add(combination("allow", "ci", fmt.Sprint("STOLEN-", i)), noisyFrom); g != 0 {
				t.Errorf("%s: the stolen token's combination %d is in the flood's group", test.name, i)
			}
		}
	}
	// Nothing but the decision in common: then that is the group.
	var c crowd
	in := 0
	for i := range 1000 {
		if c.add(combination("allow", fmt.Sprint("user-", i), fmt.Sprint("agent/", i)), noisyFrom) != 0 {
			in++
		}
	}
	if in < 900 {
		t.Errorf("a flood with one term in common: %d of 1,000 combinations are in a noisy group", in)
	}
}
