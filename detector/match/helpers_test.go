package match

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fluent-bit-newterms/detector/rule"
)

// compiled compiles rules.
func compiled(t testing.TB, o Options, rules ...*rule.Rule) *Rules {
	t.Helper()
	set, err := Compile(rules, o, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const shared = "../../../shared/data"

// sharedFile returns a file of the reference data, and skips the test where
// there is none.
func sharedFile(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(shared, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("reference data is not here: %v", err)
	}
	return path
}

func gunzip(t testing.TB, path string) [][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
}

// inlineRule is a rule on user.name for events of the dataset app.
func inlineRule(t testing.TB, edit func(r *rule.Rule)) *rule.Rule {
	t.Helper()
	r, err := rule.Inline(rule.InlineConfig{
		RuleID: "test", RuleName: "New user", Query: "event.dataset: app",
		NewTermsFields: "user.name", HistoryWindow: "7d",
	})
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	return r
}

func exceptionsOf(t testing.TB, queries ...string) []rule.Exception {
	t.Helper()
	var list []rule.Exception
	for _, q := range queries {
		r, err := rule.Inline(rule.InlineConfig{Query: q, NewTermsFields: "x", HistoryWindow: "1d"})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rule.Exception{Name: q, Node: r.Filter})
	}
	return list
}
