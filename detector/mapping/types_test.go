package mapping

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
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
			want, ok := typesByName[name]
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
		"http.response.status_code": record.Long, "user.name.text": record.Dynamic, "labels.env": record.Keyword, "process.parent.pid": record.Long,
		"o365.audit.Parameters.Identity": record.Keyword, "gcp.audit.request.spec.hostIPC": record.Keyword, "threat.enrichments": record.Nested,
		"event.ingested": record.Date, "tls.established": record.Boolean, "dll.pe.sections": record.Nested,
		"kubernetes.audit.annotations.k8s_io/deprecated":                            record.Keyword,
		"kubernetes.audit.requestObject.spec.volumes.hostPath.path":                 record.Keyword,
		"aws.cloudtrail.flattened.request_parameters.x.text":                        record.Keyword,
		"aws.cloudtrail.flattened.request_parameters":                               record.Flattened,
		"some.field.of.nobody":                                                      record.Dynamic,
		"threat.indicator.first_seen":                                               record.Date,
		"network.bytes":                                                             record.Long,
		"kubernetes.audit.responseObject.spec.containers.securityContext.runAsUser": record.Dynamic,
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
	if _, typ := rules.Field("message"); typ != record.Dynamic {
		t.Errorf("rules.message is of type %d", typ)
	}
}

// TestTables: every line of the tables is read, each name once.
func TestTables(t *testing.T) {
	seen := make(map[string]bool)
	for line := range strings.Lines(ecsFields + integrationFields) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		typ, name, _ := strings.Cut(line, " ")
		if _, ok := typesByName[typ]; !ok || name == "" || strings.ContainsAny(name, " \t,{}") {
			t.Errorf("%q is no line of a table", line)
		}
		if seen[name] {
			t.Errorf("%s is in the tables twice", name)
		}
		seen[name] = true
	}
	if len(seen) < 2500 {
		t.Errorf("%d fields", len(seen))
	}
}

var update = flag.Bool("update", false, "write the files that tests compare with")

// TestFieldsOfECS holds fields/ecs.txt against ECS's published list: the file
// generated/csv/fields.csv of github.com/elastic/ecs, named by ECS_FIELDS. With
// -update it writes fields/ecs.txt.
func TestFieldsOfECS(t *testing.T) {
	name := os.Getenv("ECS_FIELDS")
	if name == "" {
		t.Skip("ECS_FIELDS names no list of fields: take generated/csv/fields.csv of github.com/elastic/ecs")
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const version, field, typ = 0, 3, 4
	if got := rows[0][field] + rows[0][typ]; got != "FieldType" {
		t.Fatalf("the columns of %s are %q", name, rows[0])
	}
	published := make(map[string]string)
	for _, row := range rows[1:] {
		published[row[field]] = row[typ]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Fields of ECS %s and their types, but for objects and multi-fields.\n# Generated by TestFieldsOfECS from ECS's published list: see types.go.\n", rows[1][version])
	for _, path := range slices.Sorted(maps.Keys(published)) {
		typ := published[path]
		base, ok := strings.CutSuffix(path, ".text")
		if _, isMulti := published[base]; ok && isMulti && published[base] != "object" {
			continue
		}
		if _, known := typesByName[typ]; known {
			fmt.Fprintf(&b, "%s %s\n", typ, path)
		} else if typ != "object" && typ != "geo_point" {
			t.Errorf("%s is of type %s, which no type of ours stands for", path, typ)
		}
	}
	if *update {
		if err := os.WriteFile("fields/ecs.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if b.String() != ecsFields {
		t.Error("fields/ecs.txt is not ECS's published list: run this test with -update")
	}
}
