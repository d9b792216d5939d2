package match

import (
	"slices"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/rule"
)

// TestDead: a rule that no loaded mapping gives events for, or whose events
// never have a field that it needs, is named with the way to mend it; one that can
// fire is not.
func TestDead(t *testing.T) {
	for _, tt := range []struct {
		mapping, query, terms string
		index                 []string
		covered               []string // data set, and the fields that are missing
		fault                 string   // what is in it, "" for none
	}{
		{"auto", "event.dataset: aws.cloudtrail", "user.name", nil, []string{"aws.cloudtrail"}, ""},
		{"auto", "event.action: GetObject", "user.name", []string{"logs-aws.cloudtrail-*"}, []string{"aws.cloudtrail"}, ""},
		{"kubernetes_audit", "event.dataset: aws.cloudtrail", "user.name", nil, nil, "no loaded mapping gives events of aws.cloudtrail. Add aws_cloudtrail to mapping"},
		{"gcp_audit,okta_system", "event.action: a", "user.name", []string{"logs-aws*-*"}, nil, "gives events of aws*, unless its events arrive as ECS documents. Add aws_cloudtrail to mapping"},
		{"ecs", "event.dataset: aws.cloudtrail", "user.nmae", nil, nil, ""},
		{"auto", "event.dataset: aws.cloudtrail", "user.nmae", nil, []string{"aws.cloudtrail user.nmae"}, "aws.cloudtrail (aws_cloudtrail) never has user.nmae, unless its events arrive as ECS documents. Look for a misspelt name"},
		{"auto", "event.dataset: aws.cloudtrail", "source.as.number", nil, []string{"aws.cloudtrail source.as.number"}, "set geoip_asn"},
		{"auto", "event.dataset: kubernetes.audit_logs and kubernetes.audit.verb.caseless: list", "kubernetes.audit.userr", nil, []string{"kubernetes.audit_logs kubernetes.audit.userr"}, "never has kubernetes.audit.userr"},
		{"auto", "event.dataset: kubernetes.audit_logs and orchestrator.cluster.name: x", "user.name", nil, []string{"kubernetes.audit_logs"}, ""},
		{"auto", "event.dataset: winlog.any and winlog.event_id: 1", "user.name", nil, nil, "Add a mapping file of your own"},
		{"auto", "kubernetes.audit.verb: list", "user.name", nil, []string{"kubernetes.audit_logs"}, ""},
		{"auto", "event.dataset: aws.cloudtrail and (user.nmae: x or user.name: y)", "user.name", nil, []string{"aws.cloudtrail user.nmae"}, ""},
		{"auto", "event.dataset: endpoint.events.process and process.name.caseless: SH", "process.name", nil, []string{"endpoint.events.process", "endpoint.events.process"}, ""},
	} {
		var o mapping.Options
		if err := o.Set(tt.mapping); err != nil {
			t.Fatal(err)
		}
		r, err := rule.Inline(rule.InlineConfig{Query: tt.query, NewTermsFields: tt.terms, HistoryWindow: "1d"})
		if err != nil {
			t.Fatal(err)
		}
		r.Index = tt.index
		list, fault := Dead(r, o)
		var covered []string
		for _, x := range list {
			covered = append(covered, strings.Join(append([]string{x.Dataset}, x.Missing...), " "))
		}
		if !slices.Equal(covered, tt.covered) || (fault == "") != (tt.fault == "") || !strings.Contains(fault, tt.fault) {
			t.Errorf("%s: %s [%s]: %q, %q", tt.mapping, tt.query, tt.terms, covered, fault)
		}
	}
}

// TestSharedRulesAreAlive: every rule of the reference data for Kubernetes can fire on
// raw audit events.
func TestSharedRulesAreAlive(t *testing.T) {
	set, err := rule.Load([]string{sharedFile(t, "rules")}, rule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range set.Rules {
		if slices.Contains(r.Uses().DataSets, mapping.Dataset) {
			n++
			if _, fault := Dead(r, mapping.Options{}); fault != "" {
				t.Errorf("%s: %s", r.Name, fault)
			}
		}
	}
	if n < 5 {
		t.Errorf("%d rules for %s", n, mapping.Dataset)
	}
}
