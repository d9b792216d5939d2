package detector

import (
	"fmt"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/delivery"
	"fluent-bit-newterms/detector/rule"
)

// inputProperties are all that an alerts input takes.
var inputProperties = []string{"rules", "min_severity"}

// InputProperties returns the names of the alerts input's properties.
func InputProperties() []string { return slices.Clone(inputProperties) }

// OpenInput starts an alerts input from its properties.
func OpenInput(reg *Registry, g Getter, host Host, where InputWhere) (*Input, error) {
	o := delivery.InputOptions{Tag: where.Tag, Rules: rule.SplitList(g.Get("rules"))}
	if s := strings.ToLower(strings.TrimSpace(g.Get("min_severity"))); s != "" {
		if !slices.Contains(rule.Severities, s) {
			return nil, fmt.Errorf("property min_severity: %q is not allowed; %s", s, strings.Join(rule.Severities, ", "))
		}
		o.MinSeverity = rule.SeverityRank(s)
	}
	return delivery.OpenInput(reg, host, o)
}
