// Package browsertest opens pages in a headless Chromium, for tests.
package browsertest

import (
	"context"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Browse opens a page in a browser without a window and returns the document
// as its programs left it. Without a browser the test is skipped.
func Browse(t testing.TB, page string) string {
	t.Helper()
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("SKIPPED: there is no Chromium on the PATH to look at the page with")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "report.html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser,
		"--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1280,1000", "--dump-dom", "file://"+file)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	return string(out)
}

var (
	policy   = regexp.MustCompile(`script-src '[^']*'`)
	resultOf = regexp.MustCompile(`data-result="([^"]*)"`)
)

// Use opens a page with a script at its end, which uses it as a person would,
// and returns what the script left in the body's data-result.
func Use(t testing.TB, page, script string) string {
	t.Helper()
	// The policy would not let a script in that the page does not know.
	page = policy.ReplaceAllString(page, "script-src 'unsafe-inline'")
	page = strings.Replace(page, "</body>", "<script>"+script+"</script></body>", 1)
	found := resultOf.FindStringSubmatch(Browse(t, page))
	if found == nil {
		t.Fatal("the script did not come to its end")
	}
	return html.UnescapeString(found[1])
}
