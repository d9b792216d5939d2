package match

import (
	"fmt"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/rule"
)

// SourceCoverage is what a rule finds in the raw events of one source.
type SourceCoverage struct {
	Mapping string   `json:"mapping"`
	Dataset string   `json:"dataset"`
	Runs    bool     `json:"runs"`    // an event of the source can match the rule
	Missing []string `json:"missing"` // fields that the rule asks for and no such event has
}

// Dead looks at a rule and the sources whose raw events its index patterns let
// through. why says what keeps it from matching any raw event, and what to do; it
// is "" if one can match, and in mode ECS, where there are only documents.
func Dead(r *rule.Rule, o mapping.Options) (list []SourceCoverage, why string) {
	if o.Mode == mapping.ECS {
		return nil, ""
	}
	runs := false
	for _, s := range o.Sources() {
		c := Cover(r, &s)
		if !c.Served || !c.Runs && len(c.Missing) == 0 {
			continue // events of another kind
		}
		if c.Missing == nil {
			c.Missing = []string{}
		}
		runs = runs || c.Runs
		list = append(list, SourceCoverage{s.Name, s.Dataset, c.Runs, c.Missing})
	}
	uses := r.Uses()
	if runs || len(uses.DataSets) == 0 {
		// Other sources are not what a rule for any data set means.
		list = slices.DeleteFunc(list, func(x SourceCoverage) bool { return !x.Runs })
	} else if len(uses.DataSets) > 0 {
		list = slices.DeleteFunc(list, func(x SourceCoverage) bool {
			return !slices.ContainsFunc(uses.DataSets, func(set string) bool { return kql.MatchStars(set, x.Dataset) })
		})
	}
	if runs {
		return list, ""
	}
	unless := ""
	if o.Mode == mapping.Auto {
		unless = ", unless its events arrive as ECS documents"
	}
	if len(list) > 0 {
		return list, lacking(list, unless)
	}
	return nil, unserved(uses.DataSets, unless)
}

// lacking says which fields keep a rule from matching the events of sources.
func lacking(list []SourceCoverage, unless string) string {
	hint := "Look for a misspelt name, or add the field in a mapping file of your own"
	var lacks []string
	for _, x := range list {
		lacks = append(lacks, fmt.Sprintf("%s (%s) never has %s", x.Dataset, x.Mapping, listed(x.Missing)))
		if slices.ContainsFunc(x.Missing, func(f string) bool {
			return strings.HasPrefix(f, "source.as.") || strings.HasPrefix(f, "source.geo.")
		}) {
			hint = "source.as and source.geo come from databases of addresses: set geoip_asn, geoip_city"
		}
	}
	return fmt.Sprintf("%s%s. %s", strings.Join(lacks, "; "), unless, hint)
}

// unserved says that no source gives events of data sets.
func unserved(dataSets []string, unless string) string {
	what := "no loaded mapping gives events of " + listed(dataSets)
	if len(dataSets) == 0 {
		what = "no loaded mapping gives events that its index and query let through"
	}
	var names []string
	all := mapping.Options{}
	for _, s := range all.Sources() {
		if slices.ContainsFunc(dataSets, func(set string) bool { return kql.MatchStars(set, s.Dataset) }) {
			names = append(names, s.Name)
		}
	}
	hint := "Add a mapping file of your own for them to mapping"
	if len(names) > 0 {
		hint = fmt.Sprintf("Add %s to mapping", strings.Join(names, ", "))
	}
	return fmt.Sprintf("%s%s. %s", what, unless, hint)
}

// listed names the first of many.
func listed(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
