package mapping

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/record"
)

func mustMarshal(t testing.TB, val any) []byte {
	t.Helper()
	b, err := json.Marshal(val)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var typeNames = map[string]record.Type{
	"keyword": record.Keyword, "text": record.Text, "match_only_text": record.Text, "integer": record.Long, "long": record.Long,
	"boolean": record.Boolean, "date": record.Date, "flattened": record.Flattened, "nested": record.Nested, "ip": record.IP,
	"float": record.Double, "wildcard": record.Wildcard,
}

// TestTypesOfTheIntegration compares the table with the integration's
// fields.yml, its later state.
func TestTypesOfTheIntegration(t *testing.T) {
	compared := 0
	for _, line := range lines(reference(t, "elastic-k8s/fields.tsv")) {
		cols := strings.Split(string(line), "\t")
		if strings.HasPrefix(cols[0], "#") {
			continue
		}
		for _, path := range strings.Split(cols[0], ",") {
			name := cols[2]
			if inner, ok := strings.CutPrefix(name, "object("); ok {
				name, path = strings.TrimSuffix(inner, ")"), strings.ReplaceAll(path, "*", "any")
			}
			name, _, _ = strings.Cut(name, " ")
			want, ok := typeNames[name]
			if !ok {
				t.Fatalf("%s: no type %q", path, name)
			}
			if got := TypeOf(path); got != want {
				t.Errorf("%s is of type %d, want %d (%s)", path, got, want, name)
			}
			compared++
		}
	}
	if compared < 60 {
		t.Errorf("%d fields compared", compared)
	}
}

func TestTypeOf(t *testing.T) {
	tests := map[string]record.Type{
		"@timestamp": record.Date, "source.ip": record.IP, "host.ip": record.IP, "source.as.number": record.Long,
		"message": record.Text, "process.command_line": record.Wildcard, "process.args_count": record.Long,
		"process.code_signature.exists": record.Boolean, "event.risk_score": record.Double,
		"http.response.status_code": record.Long, "process.name.text": record.Keyword,
		"kubernetes.audit.annotations.k8s_io/deprecated":                            record.Keyword,
		"kubernetes.audit.requestObject.spec.volumes.hostPath.path":                 record.Keyword,
		"aws.cloudtrail.flattened.request_parameters.x.text":                        record.Keyword,
		"aws.cloudtrail.flattened.request_parameters":                               record.Flattened,
		"some.field.of.nobody":                                                      record.Keyword,
		"threat.indicator.first_seen":                                               record.Date,
		"network.bytes":                                                             record.Long,
		"kubernetes.audit.responseObject.spec.containers.securityContext.runAsUser": record.Long,
	}
	for path, want := range tests {
		if got := TypeOf(path); got != want {
			t.Errorf("%s is of type %d, want %d", path, got, want)
		}
	}
}

// TestHas: names that the table has are no multi-fields of another.
func TestHas(t *testing.T) {
	p := NewPlan(Options{})
	for path, want := range map[string]bool{"user.name": true, "process.name.caseless": false, "message": true, "x.text": false} {
		if p.Has(path) != want {
			t.Errorf("Has(%q) is %v", path, !want)
		}
	}
	_, rules := p.Nested("kubernetes.audit.requestObject.rules")
	if rules.Has("message") {
		t.Error("the elements of rules have no field message")
	}
	if _, typ := rules.Field("message"); typ != record.Keyword {
		t.Errorf("rules.message is of type %d", typ)
	}
}

// TestTable: braces are expanded, and no field has two types.
func TestTable(t *testing.T) {
	seen := make(map[string]record.Type)
	for typ, list := range namesByType {
		for path := range table(map[record.Type]string{typ: list}) {
			if other, ok := seen[path]; ok {
				t.Errorf("%s is of types %d and %d", path, typ, other)
			}
			seen[path] = typ
		}
	}
	for path := range fieldTypes {
		if strings.ContainsAny(path, "{},") {
			t.Errorf("%q is no path", path)
		}
	}
	got := table(map[record.Type]string{record.IP: "a.{b,c}.{d,e}", record.Long: "f"})
	want := map[string]record.Type{"a.b.d": record.IP, "a.b.e": record.IP, "a.c.d": record.IP, "a.c.e": record.IP, "f": record.Long}
	if !maps.Equal(got, want) {
		t.Errorf("table is %v, want %v", got, want)
	}
}
