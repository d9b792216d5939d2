package match

import (
	"strings"

	"fluent-bit-newterms/detector/kql"
)

// indexAllows tells whether a rule's index patterns let a data stream through.
// A document that names none is let through: Fluent Bit's Match has chosen it.
// Patterns of whole indices (filebeat-*) say nothing about a document that has
// only event.dataset, as Beats write it.
func indexAllows(patterns []string, ds stream) bool {
	if ds.dataset == "" || len(patterns) == 0 {
		return true
	}
	beat := ds.typ == ""
	name := ds
	if name.typ == "" {
		name.typ = "logs"
	}
	if name.namespace == "" {
		name.namespace = "default"
	}
	index := name.typ + "-" + name.dataset + "-" + name.namespace
	allowed := false
	for _, p := range patterns {
		if rest, ok := strings.CutPrefix(p, "-"); ok {
			if kql.MatchStars(rest, index) {
				return false
			}
			continue
		}
		if i := strings.IndexByte(p, ':'); i >= 0 { // a remote cluster's
			p = p[i+1:]
		}
		if kql.MatchStars(p, index) || kql.MatchStars(p, index+"-") || beat && !strings.HasPrefix(p, "logs-") && !strings.HasPrefix(p, "metrics-") && !strings.HasPrefix(p, ".") {
			allowed = true
		}
	}
	return allowed
}
