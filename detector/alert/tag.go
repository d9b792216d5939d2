package alert

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// tagPlaceholders are what a tag template may hold.
var tagPlaceholders = []string{"{rule_id}", "{severity}", "{tag}"}

var tagPlaceholder = regexp.MustCompile(`\{[^{}]*\}?`)

// CheckTag checks the template of the tag of alerts.
func CheckTag(template string) error {
	for _, p := range tagPlaceholder.FindAllString(template, -1) {
		if !slices.Contains(tagPlaceholders, p) {
			return fmt.Errorf("%q is not allowed in %q; %s", p, template, strings.Join(tagPlaceholders, ", "))
		}
	}
	return nil
}

// TagPattern returns a template as a pattern in which * is any run of
// characters: it takes every tag that the template can give.
func TagPattern(template string) string {
	return tagPlaceholder.ReplaceAllString(template, "*")
}

// ExpandTag returns the tag of one alert. Spaces, control characters and * have
// no place in a tag; in a rule's id they become _.
func ExpandTag(template, ruleID, severity, tag string) string {
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
