package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fluent-bit-newterms/test/fluentbit"
)

// TestLinks follows every link to a file or a heading in the project's pages.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pages, links := 0, 0
	err := filepath.WalkDir(fluentbit.Root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && strings.HasPrefix(e.Name(), ".") && path != fluentbit.Root, e.Name() == "testdata", e.Name() == "build":
			return fs.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pages++
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			links++
			file, heading, _ := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			rel, _ := filepath.Rel(fluentbit.Root, path)
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", rel, m[1])
			} else if heading != "" && !headings(t, target)[heading] {
				t.Errorf("%s: %s has no heading for %s", rel, file, heading)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if pages < 10 || links < 30 {
		t.Errorf("%d links in %d pages", links, pages)
	}
}

// headings returns the anchors of a page: its headings in lower case, without
// signs, with hyphens for spaces.
func headings(t *testing.T, path string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	signs := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	out := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		out[strings.ReplaceAll(signs.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return out
}

// TestAlertRules has the alert rules for Prometheus, and the page that lists
// them, ask for metrics that the plugin has, and for the same ones.
func TestAlertRules(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(fluentbit.Root, "conf/kubernetes", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	rules, listed := read("prometheus-rules.yaml"), read("monitoring.md")
	var known strings.Builder
	err := filepath.WalkDir(filepath.Join(fluentbit.Root, "detector"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			text, _ := os.ReadFile(path)
			known.Write(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	exprs := regexp.MustCompile(`(?m)expr: (.*)$`).FindAllStringSubmatch(rules, -1)
	if len(exprs) < 6 {
		t.Errorf("%d alert rules", len(exprs))
	}
	for _, m := range exprs {
		if !strings.Contains(listed, "`"+m[1]+"`") {
			t.Errorf("monitoring.md does not list %s", m[1])
		}
		for _, metric := range regexp.MustCompile(`newterms_\w+`).FindAllString(m[1], -1) {
			if name := strings.TrimPrefix(metric, "newterms_"); !strings.Contains(known.String(), `"`+name+`"`) {
				t.Errorf("the plugin has no metric %s", metric)
			}
		}
	}
}

// TestReadme runs the configuration that the README shows: alerts arrive.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(fluentbit.Root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for i, part := range strings.Split(string(text), "```") {
		if i%2 == 1 && strings.Contains(part, "\n[") {
			shown = append(shown, part)
		}
	}
	if len(shown) != 2 {
		t.Fatalf("%d configurations", len(shown))
	}
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		log := fluentbit.AuditLog(t, dir)
		replace := strings.NewReplacer("/usr/local/lib/newterms/out_newterms.so", fluentbit.Plugin, "/etc/newterms/rules", fluentbit.Rules,
			"/var/log/kubernetes/audit/audit.log", log, "/var/lib/newterms", dir, "    Workers     1\n", "    Workers     1\n    Learn off\n")
		if err := os.WriteFile(filepath.Join(dir, "plugins.conf"), []byte(replace.Replace(shown[1])), 0o600); err != nil {
			t.Fatal(err)
		}
		fb := fluentbit.Start(t, binary, dir, replace.Replace(shown[0]))
		fluentbit.Eventually(t, "alerts on the standard output", func() bool {
			return strings.Count(fb.Log.String(), `"kibana.alert.uuid"`) >= fluentbit.SeedAlerts
		})
		fb.Stop()
	})
}
