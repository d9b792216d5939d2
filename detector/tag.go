package detector

import (
	"fmt"
	"regexp"
	"strings"
)

// placeholders are what alert_tag may hold.
var placeholders = []string{"{rule_id}", "{severity}", "{tag}"}

var placeholder = regexp.MustCompile(`\{[^{}]*\}?`)

// checkTagTemplate checks the value of alert_tag.
func checkTagTemplate(s string) error {
	for _, p := range placeholder.FindAllString(s, -1) {
		known := false
		for _, q := range placeholders {
			known = known || p == q
		}
		if !known {
			return fmt.Errorf("%q is not allowed in %q; %s", p, s, strings.Join(placeholders, ", "))
		}
	}
	return nil
}

// expandTag fills in alert_tag for one alert. What comes from outside loses
// what has no place in a tag.
func expandTag(template, ruleID, severity, tag string) string {
	if !strings.Contains(template, "{") {
		return template
	}
	return strings.NewReplacer("{rule_id}", tagSafe(ruleID), "{severity}", severity, "{tag}", tag).Replace(template)
}

func tagSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '*' {
			return '_'
		}
		return r
	}, s)
}

// caughtBy tells whether a Match pattern, in which * is any run of characters,
// takes a tag. The tag may be a template: each placeholder can be anything.
func caughtBy(match, tag string) bool {
	return globsMeet(match, placeholder.ReplaceAllString(tag, "*"))
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
