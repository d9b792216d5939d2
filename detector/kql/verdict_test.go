package kql

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/BurntSushi/toml"
)

// Reference data lies beside the checkout and is not part of the project.
const referenceData = "../../../shared/data"

// ruleQueries returns the queries of the public rules by rule id, and skips
// the test where they are not at hand.
func ruleQueries(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(referenceData, "rules", "*.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("skipped: the public rules are not beside the checkout, in " + referenceData)
	}
	queries := make(map[string]string)
	for _, file := range files {
		var rule struct {
			Rule struct {
				ID    string `toml:"rule_id"`
				Query string
			}
		}
		if _, err := toml.DecodeFile(file, &rule); err != nil {
			t.Fatal(err)
		}
		queries[rule.Rule.ID] = rule.Rule.Query
	}
	return queries
}

type verdict struct {
	RuleID string `json:"rule_id"`
	Doc    map[string]any
	Match  bool
}

func verdicts(t testing.TB) []verdict {
	t.Helper()
	f, err := os.Open(filepath.Join(referenceData, "kql", "verdicts.jsonl.gz"))
	if err != nil {
		t.Skip("skipped: the verdicts are not beside the checkout, in " + referenceData)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []verdict
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var v verdict
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRuleQueries: every query of the public rules is read, and printed in a
// form that is read as the same tree.
func TestRuleQueries(t *testing.T) {
	for id, query := range ruleQueries(t) {
		n, err := Parse(query)
		if err != nil {
			t.Errorf("%s: %v\n%s", id, err, query)
			continue
		}
		printed := n.String()
		again, err := Parse(printed)
		if err != nil {
			t.Errorf("%s: printed form: %v\n%s", id, err, printed)
			continue
		}
		if !reflect.DeepEqual(n, again) {
			t.Errorf("%s: printed form is another tree:\n%s\n%s", id, printed, again)
		}
	}
}

// TestVerdicts: every document of the reference data gets its verdict.
func TestVerdicts(t *testing.T) {
	queries, cases := ruleQueries(t), verdicts(t)
	env := newTestEnv(ecsTypes)
	c := NewCompiler(env)
	predicates := make(map[string]*Predicate)
	for id, query := range queries {
		n, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if predicates[id], err = c.Compile(n); err != nil {
			t.Fatal(err)
		}
	}
	m := c.NewMemo()
	wrong := 0
	for i, v := range cases {
		p := predicates[v.RuleID]
		if p == nil {
			t.Errorf("verdict %d: no rule %s", i+1, v.RuleID)
			continue
		}
		m.Reset()
		if got := p.Match(env.view(v.Doc), m); got != v.Match {
			if wrong++; wrong <= 20 {
				doc, _ := json.Marshal(v.Doc)
				t.Errorf("verdict %d: got %t, want %t\n%s\n%s", i+1, got, v.Match, queries[v.RuleID], doc)
			}
		}
	}
	t.Logf("%d verdicts, %d wrong", len(cases), wrong)
}
