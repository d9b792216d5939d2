package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fluent-bit-newterms/test/fluentbit"
)

// queriesOf returns every query of a Grafana dashboard.
func queriesOf(t *testing.T, path string) (queries []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Definition string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] {
			t.Errorf("panel %d is there twice", p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d shows nothing", p.ID)
		}
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d reaches over the edge", p.ID)
		}
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
		}
	}
	for _, v := range dashboard.Templating.List {
		if v.Definition != "" {
			queries = append(queries, v.Definition)
		}
	}
	return queries
}

// Tokens of PromQL, as far as these queries need it: the parser of Prometheus
// would bring half of Prometheus along.
var promToken = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][a-zA-Z0-9_:]*|=~|!~|!=|[0-9.]+|\S`)

var promWords = []string{
	"sum", "min", "max", "avg", "count", "by", "without", "on", "ignoring", "group_left", "and", "or", "unless",
	"increase", "rate", "histogram_quantile", "label_values",
}

// use is a metric that a query uses, with the labels that it names.
type use struct {
	metric string
	labels []string
}

// uses returns the metrics of a query. Labels in by (…) belong to every metric
// that follows in its operand: here, to all of the query.
func uses(t *testing.T, query string) (list []use) {
	t.Helper()
	tokens := promToken.FindAllString(query, -1)
	var grouped []string
	depth := 0
	for i := 0; i < len(tokens); i++ {
		switch tok := tokens[i]; {
		case tok == "(":
			depth++
		case tok == ")":
			depth--
		case tok == "by":
			for i += 2; tokens[i] != ")"; i++ {
				if tokens[i] != "," {
					grouped = append(grouped, tokens[i])
				}
			}
		case strings.HasPrefix(tok, "newterms_"):
			u := use{metric: tok}
			if i+1 < len(tokens) && tokens[i+1] == "{" {
				for i += 2; tokens[i] != "}"; i++ {
					if next := tokens[i+1]; slices.Contains([]string{"=", "=~", "!=", "!~"}, next) {
						u.labels = append(u.labels, tokens[i])
					}
				}
			}
			if tokens[0] == "label_values" {
				u.labels = append(u.labels, tokens[i+2])
				return append(list, u)
			}
			list = append(list, u)
		case regexp.MustCompile(`^[a-zA-Z_]`).MatchString(tok) && !slices.Contains(promWords, tok):
			t.Errorf("%s: %q is no function that this test knows, and no metric of newterms", query, tok)
		}
	}
	if depth != 0 {
		t.Errorf("%s: parentheses do not match", query)
	}
	for i := range list {
		list[i].labels = append(list[i].labels, grouped...)
	}
	return list
}

// alarm is an expression that the guide for Kubernetes proposes.
var alarm = regexp.MustCompile("(?m)^\\| `([^`]*newterms_[^`]*)` \\|")

// TestDashboard checks that every metric and label that the dashboard and the
// guide's alarms use is exported by a real Fluent Bit, and a counter only in a
// rate.
func TestDashboard(t *testing.T) {
	t.Parallel()
	queries := queriesOf(t, filepath.Join(fluentbit.Root, "conf/dashboard/newterms.json"))
	if len(queries) < 20 {
		t.Fatalf("%d queries", len(queries))
	}
	guide, err := os.ReadFile(filepath.Join(fluentbit.Root, "conf/kubernetes/monitoring.md"))
	if err != nil {
		t.Fatal(err)
	}
	alarms := alarm.FindAllStringSubmatch(string(guide), -1)
	if len(alarms) < 5 {
		t.Errorf("%d alarms in the guide", len(alarms))
	}
	for _, m := range alarms {
		queries = append(queries, m[1])
	}
	fluentbit.Each(t, func(t *testing.T, binary string) {
		var more []string
		if url := redis(t); url != "" {
			more = append(more, "State_Store "+url)
		} else {
			t.Log("there is no redis-server on the PATH, so the metrics of the shared store are not looked at")
		}
		fb, port := metered(t, binary, 5, more...)
		var e exposition
		fluentbit.Eventually(t, "metrics", func() bool {
			e = scrape(t, port)
			n, _ := e.value("newterms_alerts_total")
			return n > 0
		})
		fb.Stop()
		for _, query := range queries {
			for _, u := range uses(t, query) {
				if len(more) == 0 && strings.HasPrefix(u.metric, "newterms_store_") {
					continue
				}
				i := slices.IndexFunc(e.samples, func(s sample) bool { return s.name == u.metric })
				if i < 0 {
					t.Errorf("%s: nothing is exported as %s", query, u.metric)
					continue
				}
				for _, label := range u.labels {
					if _, ok := e.samples[i].labels[label]; !ok {
						t.Errorf("%s: %s has no label %s", query, u.metric, label)
					}
				}
				if counted := strings.Contains(query, "rate(") || strings.Contains(query, "increase("); counted != (e.types[u.metric] == "counter") {
					t.Errorf("%s: %s is a %s", query, u.metric, e.types[u.metric])
				}
			}
		}
	})
}
