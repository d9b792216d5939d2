package detector

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const shared = "../../shared/data"

// expectation is one line of the reference data: an alert that must come.
type expectation struct {
	RuleID   string `json:"rule_id"`
	NewTerms []any  `json:"new_terms"`
	Line     int    `json:"line"`
}

func (e expectation) String() string {
	terms, _ := json.Marshal(e.NewTerms)
	return fmt.Sprintf("%d %s %s", e.Line, e.RuleID, terms)
}

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

func expectations(t testing.TB, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e expectation
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		out = append(out, e.String())
	}
	slices.Sort(out)
	return out
}
