package rule

import (
	"slices"
	"strings"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/place"
	"fluent-bit-newterms/detector/record"
)

// warnOfMisspelt names the fields of a rule that no table of fields knows and
// that look like a misspelling of one that it does.
func warnOfMisspelt(t table, r *Rule) {
	termsAt := t.at("new_terms_fields")
	if t.m["new_terms"] != nil {
		termsAt = place.Child(t.at("new_terms"), "value")
	}
	for i, term := range r.Terms {
		if known := nearField(term); known != "" {
			t.warn(place.Element(termsAt, i), "did you mean "+known+"?", "no table of fields knows %s", shorten(term))
		}
	}
	for _, f := range kql.Fields(r.Filter) {
		if f.IsBare() || f.IsPattern() || slices.Contains(r.Terms, f.Name) {
			continue
		}
		if known := nearField(f.Name); known != "" {
			t.warn(t.at("query"), "did you mean "+known+"?", "no table of fields knows %s", shorten(f.Name))
		}
	}
}

// nearField returns the field that path is most likely a misspelling of, "" if
// path is known or looks like none.
func nearField(path string) string {
	if strings.Contains(path, "*") || ecs.TypeOf(path) != record.Dynamic || multiFieldOfKnown(path) {
		return ""
	}
	first, _, ok := strings.Cut(path, ".")
	if !ok {
		return ""
	}
	near := slices.DeleteFunc(ecs.Names(), func(name string) bool {
		return !strings.HasPrefix(name, first+".") || len(name) > len(path)+3 || len(path) > len(name)+3
	})
	slices.Sort(near)
	return Suggest(path, near)
}

func multiFieldOfKnown(path string) bool {
	for _, suffix := range []string{".text", ".caseless", ".keyword"} {
		if base, ok := strings.CutSuffix(path, suffix); ok && ecs.TypeOf(base) != record.Dynamic {
			return true
		}
	}
	return false
}
