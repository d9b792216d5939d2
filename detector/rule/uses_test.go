package rule

import (
	"reflect"
	"testing"
)

func TestUses(t *testing.T) {
	const head = "[rule]\nrule_id = \"x\"\nname = \"X\"\ntype = \"new_terms\"\nhistory_window_start = \"now-10d\"\nnew_terms_fields = [\"user.name\"]\n"
	tests := map[string]struct {
		rule string
		want Uses
	}{
		"a query": {`query = "event.action: (a or b) and not host.name: c and list: { x: 1 } and u*r.id: 5"`,
			Uses{[]string{"event.action", "host.name", "list", "list.x", "u*r.id", "user.name"}, []string{"event.action", "list.x", "user.name"}, nil}},
		"either": {`query = "(a: 1 and b: 2) or (b: 3 and c: 4)"`, Uses{[]string{"a", "b", "c", "user.name"}, []string{"b", "user.name"}, nil}},
		"missing fields alert": {"query = \"a: 1\"\n[rule.alert_suppression]\ngroup_by = [\"g\"]\n[rule.newterms]\nmissing_fields = \"null\"",
			Uses{[]string{"a", "g", "user.name"}, []string{"a"}, nil}},
		"index":               {"query = \"*\"\nindex = [\"logs-aws.cloudtrail-*\", \"logs-okta*\"]", Uses{[]string{"user.name"}, []string{"user.name"}, []string{"aws.cloudtrail", "okta*"}}},
		"index of beats":      {"query = \"*\"\nindex = [\"logs-aws.cloudtrail-*\", \"filebeat-*\"]", Uses{[]string{"user.name"}, []string{"user.name"}, nil}},
		"index and query":     {"query = \"a: 1 and event.dataset: (x.y or z*)\"\nindex = [\"filebeat-*\"]", Uses{[]string{"a", "event.dataset", "user.name"}, []string{"a", "event.dataset", "user.name"}, []string{"x.y", "z*"}}},
		"a data set, or else": {"query = \"a: 1 or event.dataset: x.y\"", Uses{[]string{"a", "event.dataset", "user.name"}, []string{"user.name"}, nil}},
	}
	for name, test := range tests {
		set, err := Parse("r.toml", []byte(head+test.rule), Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := set.Rules[0].Uses()
		for _, list := range []*[]string{&got.Fields, &got.Required, &got.DataSets} {
			if len(*list) == 0 {
				*list = nil
			}
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestNearField(t *testing.T) {
	for word, want := range map[string]string{"kubernetes.audit.usr.username": "kubernetes.audit.user.username", "user.nmae": "user.name", "some.thing.else": "", "user.name": ""} {
		if got := nearField(word); got != want {
			t.Errorf("nearField(%q) is %q, want %q", word, got, want)
		}
	}
}

// TestQueryRules: rules of type query in KQL are taken. Those in another language,
// and of other types, are counted by type.
func TestQueryRules(t *testing.T) {
	const file = `{"rule_id":"q","name":"Q","type":"query","language":"kuery","severity":"low","query":"a: b","index":["logs-*"]}
{"rule_id":"l","name":"L","type":"query","language":"lucene","severity":"low","query":"a:b"}
{"rule_id":"e","name":"E","type":"eql","language":"eql","severity":"low","query":"any where true"}
{"rule_id":"t","name":"T","type":"threshold","language":"kuery","severity":"low","query":"a: b"}
`
	set, err := Parse("r.ndjson", []byte(file), Options{})
	if err != nil || len(set.Rules) != 1 || !set.Rules[0].IsQuery() || set.Rules[0].Filter.String() != "a: b" {
		t.Fatalf("%+v, %v", set.Rules, err)
	}
	if _, has := set.Rules[0].Raw["new_terms_fields"]; has {
		t.Error("parameters hold new_terms_fields")
	}
	if got, want := set.SkippedSummary(), "passed over 3 rules of other types: 1 eql, 1 query (lucene), 1 threshold"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
