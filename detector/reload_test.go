package detector

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ruleText is a rule on user.name for events of the dataset app.
func ruleText(name, query string, more ...string) string {
	return fmt.Sprintf(`[rule]
name = %q
rule_id = "reloaded"
type = "new_terms"
language = "kuery"
severity = "low"
risk_score = 21
query = '''%s'''
%s
[rule.new_terms]
field = "new_terms_fields"
value = ["user.name"]
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-7d"
`, name, query, strings.Join(more, "\n"))
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// lookTwice is a look that sees a change, and one that finds it settled.
func lookTwice(d *Detector) {
	d.look()
	d.look()
}

func TestReloadFiles(t *testing.T) {
	dir := t.TempDir()
	file, exceptions, out := filepath.Join(dir, "rules", "a.toml"), filepath.Join(dir, "except", "e.toml"), filepath.Join(dir, "alerts")
	put(t, file, ruleText("First", "event.dataset: app"))
	put(t, exceptions, "[[exception]]\nname = 'n'\nquery = 'user.name: excepted'\n")
	d, h := openDetector(t, settings{"rules": filepath.Dir(file), "exceptions": exceptions, "alert_file": out, "learn": "off"})
	flush := func(users ...string) {
		t.Helper()
		if code := d.Flush("kube.audit", chunkOf(time.Now(), users...)); code != OK {
			t.Fatalf("code %d", code)
		}
	}
	alerts := func(n int) {
		t.Helper()
		eventually(t, fmt.Sprint(n, " alerts"), func() bool { return len(linesOf(t, out)) >= n })
		if lines := linesOf(t, out); len(lines) != n {
			t.Fatalf("%d alerts, want %d:\n%s", len(lines), n, strings.Join(lines, "\n"))
		}
	}
	flush("a", "excepted")
	alerts(1)
	if d.look(); d.reloads.done.Load() != 0 {
		t.Error("taken up without a change")
	}

	// Words: the memory stays.
	put(t, file, ruleText("Second", "event.dataset: app"))
	d.look()
	if h.logged("changed rules are in force") {
		t.Error("taken up before it has settled")
	}
	d.look()
	if !h.logged("changed rules are in force: 1 rule; 1 tuple known") {
		t.Errorf("log %q", h.lines)
	}
	flush("a", "b")
	alerts(2)
	if last := linesOf(t, out)[1]; !strings.Contains(last, `"kibana.alert.rule.name":"Second"`) {
		t.Errorf("alert %s", last)
	}

	// A bad file: the old rules stay, said once, counted.
	put(t, file, ruleText("Third", "event.dataset: (app"))
	lookTwice(d)
	lookTwice(d)
	d.metrics.update()
	if !h.logged("those from before stay", "a.toml:8:") || h.value("rule_reload_errors_total") != 1 || h.value("rule_reloads_total") != 1 {
		t.Errorf("errors %v, log %q", h.value("rule_reload_errors_total"), h.lines)
	}
	flush("a", "c")
	alerts(3)

	// Mended, with another query: a new memory, and it says so.
	put(t, file, ruleText("Third", "event.dataset: app or event.dataset: web"))
	lookTwice(d)
	if !h.logged("its query or fields have changed") {
		t.Errorf("log %q", h.lines)
	}
	flush("a")
	alerts(4)

	// An exception gone: no flood.
	flush("excepted")
	put(t, exceptions, "[[exception]]\nname = 'n'\nquery = 'user.name: nobody'\n")
	lookTwice(d)
	flush("excepted", "d")
	alerts(5)

	// All rules gone is a mistake.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	lookTwice(d)
	if d.reloads.failed.Load() != 2 || len(d.engine.Rules()) != 1 {
		t.Errorf("%d errors, %d rules", d.reloads.failed.Load(), len(d.engine.Rules()))
	}

	// A second rule.
	put(t, file, ruleText("Third", "event.dataset: app or event.dataset: web"))
	put(t, filepath.Join(dir, "rules", "b.toml"), strings.ReplaceAll(ruleText("Fourth", "event.dataset: app"), `"reloaded"`, `"second"`))
	lookTwice(d)
	if !h.logged("1 rule new: Fourth") || len(d.engine.Rules()) != 2 {
		t.Errorf("log %q", h.lines)
	}
}

// TestReloadConfigMap swaps a ConfigMap as the kubelet does: the files are
// links into a folder behind a link that is replaced at once.
func TestReloadConfigMap(t *testing.T) {
	dir := t.TempDir()
	publish := func(version, text string) {
		t.Helper()
		put(t, filepath.Join(dir, version, "a.toml"), text)
		tmp := filepath.Join(dir, "..data_tmp")
		if err := os.Symlink(version, tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("..2026_1", ruleText("First", "event.dataset: app"))
	if err := os.Symlink("..data/a.toml", filepath.Join(dir, "a.toml")); err != nil {
		t.Fatal(err)
	}
	for name, spec := range map[string]string{"folder": dir, "file": filepath.Join(dir, "a.toml"), "glob": filepath.Join(dir, "*.toml")} {
		t.Run(name, func(t *testing.T) {
			d, h := openDetector(t, settings{"rules": spec, "alert_stdout": "on"})
			publish("..2026_2_"+name, ruleText("Swapped for a "+name, "event.dataset: app"))
			lookTwice(d)
			if rules := d.engine.Rules(); rules[0].Name != "Swapped for a "+name {
				t.Errorf("the rule is %q; log %q", rules[0].Name, h.lines)
			}
		})
	}
}

// TestReloadValueList: a value list is a part of the rules.
func TestReloadValueList(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.toml")
	put(t, file, ruleText("Rule", "event.dataset: app")+`
[[exception]]
name = "listed"
[[exception.entries]]
field = "user.name"
type = "list"
operator = "included"
list = { id = "users", type = "keyword" }
`)
	for _, list := range []string{filepath.Join(dir, "users.txt"), filepath.Join(dir, "lists", "users")} {
		put(t, list, "a\nb\n")
		out := filepath.Join(t.TempDir(), "alerts")
		d, _ := openDetector(t, settings{"rules": file, "alert_file": out, "learn": "off"})
		d.Flush("kube.audit", chunkOf(time.Now(), "a", "b"))
		put(t, list, "b\n# more\n")
		lookTwice(d)
		if d.reloads.done.Load() != 1 {
			t.Errorf("%s: %d reloads, want 1", list, d.reloads.done.Load())
		}
		d.Flush("kube.audit", chunkOf(time.Now(), "a", "b", "c"))
		eventually(t, "an alert", func() bool { return len(linesOf(t, out)) > 0 })
		if lines := linesOf(t, out); len(lines) != 1 || !strings.Contains(lines[0], `["c"]`) {
			t.Errorf("%s: alerts %q, want one of c: a was seen under the longer list", list, lines)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(list); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWatchIsBounded: something else in the folder, that never rests, does not
// keep changes from being seen, nor make any.
func TestWatchOthers(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.toml"), "x")
	w := newWatch([]string{filepath.Join(dir, "a.toml"), filepath.Join(dir, "gone"), filepath.Join(dir, "[")})
	for i := range 5 {
		put(t, filepath.Join(dir, "log"), strings.Repeat("x", i))
		if w.changed() {
			t.Fatal("a log is taken for a rule")
		}
	}
	put(t, filepath.Join(dir, "a.toml"), "longer")
	if w.changed() || !w.changed() || w.changed() {
		t.Error("a change is to be seen once, when it has settled")
	}
}
