package normalize

import (
	"strconv"
	"strings"
)

// Change says how a variant's part differs from the parts that are known.
type Change uint8

// Changes.
const (
	// Newer: a version above every known one, or a part that has no order.
	Newer Change = iota
	// Older: a version below every known one. A release goes forward; a step
	// back is a rollback, or an old tool that somebody brought along.
	Older
	// Odd: the part is written as no known one is, with other digits or words:
	// v1.35 beside v1.35.0, 40 digits of a hash beside 7.
	Odd
)

// Compare holds a part against the known parts in the same place. Without any
// known part the answer is Newer.
func Compare(part Part, known []Part) Change {
	if len(known) == 0 {
		return Newer
	}
	odd, older := true, part.Kind == kindVersion
	for _, k := range known {
		if shape(k) == shape(part) {
			odd = false
		}
		if older && compareVersions(part.Text, k.Text) >= 0 {
			older = false
		}
	}
	switch {
	case odd:
		return Odd
	case older:
		return Older
	}
	return Newer
}

// shape is how a part is written. Versions keep their words and their number of
// numbers, hashes their length; of what is generated nothing is expected.
func shape(p Part) string {
	switch p.Kind {
	case kindHash:
		return strconv.Itoa(len(p.Text))
	case kindVersion:
		release, more, _ := cutRelease(p.Text)
		words := numberRE.ReplaceAllString(more, "9")
		return numberRE.ReplaceAllString(release, "9") + hexRE.ReplaceAllString(words, "h")
	}
	return ""
}

// compareVersions compares the numbers of two releases, and holds a pre-release
// to come before its release.
func compareVersions(a, b string) int {
	ra, ma, prea := cutRelease(a)
	rb, mb, preb := cutRelease(b)
	if c := compareNumbers(ra, rb); c != 0 {
		return c
	}
	switch {
	case prea && !preb:
		return -1
	case preb && !prea:
		return 1
	}
	return compareNumbers(ma, mb)
}

// cutRelease cuts a version into its release and what follows, and tells whether
// that makes it a pre-release.
func cutRelease(v string) (release, more string, pre bool) {
	i := strings.IndexAny(v, "-+~")
	if i < 0 {
		return v, "", false
	}
	release, more = v[:i], v[i:]
	for _, word := range []string{"alpha", "beta", "rc", "pre", "dev"} {
		pre = pre || strings.HasPrefix(more[1:], word)
	}
	return release, more, pre
}

func compareNumbers(a, b string) int {
	x, y := numberRE.FindAllString(a, -1), numberRE.FindAllString(b, -1)
	for i := range max(len(x), len(y)) {
		var m, n uint64
		if i < len(x) {
			m, _ = strconv.ParseUint(x[i], 10, 64)
		}
		if i < len(y) {
			n, _ = strconv.ParseUint(y[i], 10, 64)
		}
		if m != n {
			if m < n {
				return -1
			}
			return 1
		}
	}
	return 0
}
