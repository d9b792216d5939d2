package detector

import "fluent-bit-newterms/detector/alert"

// caughtBy tells whether a Match pattern, in which * is any run of characters,
// takes a tag that a template can give.
func caughtBy(match, template string) bool {
	return globsMeet(match, alert.TagPattern(template))
}

// globsMeet tells whether some text fits both patterns.
func globsMeet(a, b string) bool {
	// meet[j] is whether a[i:] and b[j:] meet, i counting down.
	meet := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		below := meet // of i+1
		meet = make([]bool, len(b)+1)
		for j := len(b); j >= 0; j-- {
			endA, endB := i == len(a), j == len(b)
			switch {
			case endA && endB:
				meet[j] = true
			case !endA && a[i] == '*':
				meet[j] = below[j] || !endB && meet[j+1]
			case !endB && b[j] == '*':
				meet[j] = meet[j+1] || !endA && below[j]
			case !endA && !endB:
				meet[j] = a[i] == b[j] && below[j+1]
			}
		}
	}
	return meet[0]
}
