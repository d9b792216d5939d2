package detector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/rule"
)

// TestExceptionsOfInlineRules: exceptions are attached to a rule that is written
// as properties, and what is wrong with them is said of their own property.
func TestExceptionsOfInlineRules(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "e.toml")
	if err := os.WriteFile(file, []byte("[[exception]]\nname = \"the controllers\"\nquery = 'user.name: system\\:*'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Config{Inline: rule.InlineConfig{Query: "event.action: *", NewTermsFields: "user.name", HistoryWindow: "10d"}, Exceptions: []string{file}}
	set, _, err := c.LoadRules()
	if err != nil || len(set.Rules) != 1 || len(set.Rules[0].Exceptions) != 1 {
		t.Fatalf("%+v, %v", set, err)
	}
	c.Exceptions = []string{filepath.Join(dir, "gone.toml")}
	if _, _, err := c.LoadRules(); err == nil || !strings.Contains(err.Error(), "property exceptions: "+c.Exceptions[0]+": there is no such file") {
		t.Errorf("a missing file of exceptions: %v", err)
	}
	bad := filepath.Join(dir, "rule.toml")
	if err := os.WriteFile(bad, []byte("[rule]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Rules = []string{bad}
	_, _, err = c.LoadRules()
	if err == nil || !strings.Contains(err.Error(), "property rules: "+bad) || !strings.Contains(err.Error(), "\nproperty exceptions: "+c.Exceptions[0]) {
		t.Errorf("both are wrong: %v", err)
	}
}
