package match

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/geoip"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/test/mmdb"
)

var update = flag.Bool("update", false, "write the tables of rules and sources into conf/sources")

const (
	sourcePages = "../../conf/sources"
	publicRules = "../../../shared/data/rules"
)

// pageOf is the page of each source: its name without .md.
var pageOf = map[string]string{
	"kubernetes_audit": "kubernetes_audit",
	"aws_cloudtrail":   "aws_cloudtrail", "gcp_audit": "gcp_audit", "github_audit": "github_audit", "okta_system": "okta_system",
	"o365_audit": "o365_audit", "linux_auth": "linux_auth", "tetragon": "tetragon", "falco": "falco",
	"azure_activity": "azure", "azure_signin": "azure", "azure_audit": "azure", "azure_graph": "azure", "azure_aadgraph": "azure", "azure_platform": "azure",
	"google_workspace_login": "google_workspace", "google_workspace_token": "google_workspace", "google_workspace_device": "google_workspace",
}

// TestSourcePages holds the tables in conf/sources to the public rules and the
// built-in mappings: which rules run on the raw events of which source.
func TestSourcePages(t *testing.T) {
	set, err := rule.Load([]string{publicRules}, rule.Options{})
	if err != nil {
		t.Skip("the public rules are not beside the checkout: ", err)
	}
	db, err := geoip.Open(
		mmdb.ASN(t, filepath.Join(t.TempDir(), "asn.mmdb"), map[string]uint32{"192.0.2.0/24": 64500}), "")
	if err != nil {
		t.Fatal(err)
	}
	o := mapping.Options{Geo: db}
	var table strings.Builder
	fmt.Fprintf(&table, "| source | rules that run | rules for its data stream that cannot |\n|---|---|---|\n")
	lists, runs := map[string]*strings.Builder{}, map[string]bool{}
	for _, s := range o.Sources() {
		page, ok := pageOf[s.Name]
		if !ok {
			t.Fatalf("no page for %s", s.Name)
		}
		var can, cannot []string
		for _, r := range set.Rules {
			file := strings.TrimSuffix(filepath.Base(r.Source.File), ".toml")
			c := Cover(r, &s)
			switch {
			case c.Runs:
				can = append(can, file)
				runs[r.ID] = true
			case c.Served && len(c.Missing) > 0:
				cannot = append(cannot, fmt.Sprintf("`%s` (%s)", file, strings.Join(c.Missing, ", ")))
			}
		}
		name := s.Name
		if page != "kubernetes_audit" {
			name = fmt.Sprintf("[%s](%s.md)", s.Name, page)
		}
		fmt.Fprintf(&table, "| %s | %d | %d |\n", name, len(can), len(cannot))
		if lists[page] == nil {
			lists[page] = &strings.Builder{}
		}
		b := lists[page]
		fmt.Fprintf(b, "`%s`, data set `%s`: %d of the public rules run.\n\n", s.Name, s.Dataset, len(can))
		for _, file := range can {
			fmt.Fprintf(b, "- `%s`\n", file)
		}
		if len(can) > 0 {
			b.WriteString("\n")
		}
		if s.Name == "tetragon" || s.Name == "falco" {
			fmt.Fprintf(b, "%d more are for this data stream and cannot run: they ask for other systems, for events of other\nkinds, or for fields that the source does not have.\n\n", len(cannot))
		} else if len(cannot) > 0 {
			b.WriteString("These are for the data stream and cannot run; in brackets the fields that the source does not have:\n\n")
			for _, text := range cannot {
				fmt.Fprintf(b, "- %s\n", text)
			}
			b.WriteString("\n")
		}
	}
	fmt.Fprintf(&table, "\nOf %d public rules of type new_terms, %d run on raw events of at least one source.\n", len(set.Rules), len(runs))
	lists["README"] = &table
	delete(lists, "kubernetes_audit")
	for page, b := range lists {
		path := filepath.Join(sourcePages, page+".md")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		const begin, end = "<!-- rules: written by go test ./detector/match -run TestSourcePages -update -->\n", "<!-- end of rules -->"
		before, rest, found := strings.Cut(string(text), begin)
		_, after, ends := strings.Cut(rest, end)
		if !found || !ends {
			t.Errorf("%s has no place for the rules", path)
			continue
		}
		want := before + begin + "\n" + b.String() + end + after
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if want != string(text) {
			t.Errorf("%s is not what the rules and mappings say: run go test ./detector/match -run TestSourcePages -update", path)
		}
	}
	t.Logf("%d of %d rules run on raw events", len(runs), len(set.Rules))
}

// TestCover: what a query needs, and what it does without.
func TestCover(t *testing.T) {
	o := mapping.Options{}
	sources := map[string]*mapping.Source{}
	for _, s := range o.Sources() {
		sources[s.Name] = &s
	}
	for _, test := range []struct {
		source, index, query, terms string
		served, runs                bool
		missing                     []string
	}{
		{"aws_cloudtrail", "logs-aws.cloudtrail-*", "event.provider: x and user.name: y", "source.ip", true, true, nil},
		{"aws_cloudtrail", "logs-gcp.audit-*", "event.provider: x", "source.ip", false, false, nil},
		{"aws_cloudtrail", "logs-aws.cloudtrail-*", "event.provider: x and source.as.number: *", "source.ip", true, false, []string{"source.as.number"}},
		{"aws_cloudtrail", "logs-aws.cloudtrail-*", "event.provider: x or source.as.number: *", "source.ip", true, true, []string{"source.as.number"}},
		{"aws_cloudtrail", "logs-aws.cloudtrail-*", "event.provider: x and not source.as.number: 5", "source.ip", true, true, []string{"source.as.number"}},
		{"aws_cloudtrail", "logs-aws.cloudtrail-*", "event.provider: x", "source.as.number", true, false, []string{"source.as.number"}},
		{"aws_cloudtrail", "logs-aws.cloudtrail-*", "event.dataset: aws.cloudtrail", "source.ip", true, true, nil},
		{"aws_cloudtrail", "logs-aws.cloudtrail-*", "event.dataset: other", "source.ip", true, false, nil},
		{"aws_cloudtrail", "logs-aws.cloudtrail-*", "not event.dataset: aws.cloudtrail", "source.ip", true, false, nil},
		{"tetragon", "logs-endpoint.events.*", "event.type: start and host.os.type: linux", "process.name", true, true, nil},
		{"tetragon", "logs-endpoint.events.*", "event.type: start and host.os.type: windows", "process.name", true, false, nil},
		{"kubernetes_audit", "logs-kubernetes.*", "kubernetes.audit.verb: get and event.outcome: success", "user_agent.original", true, true, nil},
		{"kubernetes_audit", "logs-kubernetes.*", "process.name: x", "user_agent.original", true, false, []string{"process.name"}},
	} {
		r, err := rule.Inline(rule.InlineConfig{Query: test.query, NewTermsFields: test.terms, HistoryWindow: "7d"})
		if err != nil {
			t.Fatal(err)
		}
		r.Index = []string{test.index}
		c := Cover(r, sources[test.source])
		if c.Served != test.served || c.Runs != test.runs || !slices.Equal(c.Missing, test.missing) {
			t.Errorf("%s, %s: %+v", test.source, test.query, c)
		}
	}
}
