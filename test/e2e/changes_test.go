package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/test/scripts"

	"fluent-bit-newterms/test/fluentbit"
)

// appRule is a rule on user.name for events of the dataset app.
func appRule(id, name, query, more string) string {
	return fmt.Sprintf(`[rule]
name = %q
rule_id = %q
type = "new_terms"
language = "kuery"
severity = "low"
risk_score = 21
query = '''%s'''
[rule.new_terms]
field = "new_terms_fields"
value = ["user.name"]
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-7d"
%s
`, name, id, query, more)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// swap publishes the files of a ConfigMap as the kubelet does: a link to the
// folder that they are links into is replaced at once.
func swap(t *testing.T, dir, version string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		write(t, filepath.Join(dir, version, name), text)
		_ = os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)) // there already, the second time
	}
	tmp := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(version, tmp); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

// TestRulesChange changes rules and exceptions under a running Fluent Bit, which
// passes every matching record along.
func TestRulesChange(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		log, out, cm, exceptions := filepath.Join(dir, "in.log"), filepath.Join(dir, "out"), filepath.Join(dir, "rules"), filepath.Join(dir, "exceptions.toml")
		write(t, log, "")
		write(t, exceptions, "[[exception]]\nquery = 'user.name: excepted'\n")
		swap(t, cm, "..1", map[string]string{"a.toml": appRule("r", "First", "event.dataset: app", "")})
		fb := fluentbit.Start(t, binary, dir, fluentbit.Prelude(dir)+fluentbit.Tail(log)+fluentbit.AlertsInput("alert.newterms")+
			fluentbit.Detector("kube.*", filepath.Join(dir, "state"), "Rules "+cm, "Exceptions "+exceptions, "Emit matched", "Mapping ecs", "Alias det")+fluentbit.ToFile("alert.*", out))
		fluentbit.Eventually(t, "the start", func() bool { return strings.Contains(fb.Log.String(), "1 rule; 0 tuples known") })

		told := 0
		// feed appends an event for each user, and wants these records.
		feed := func(users string, want ...string) {
			t.Helper()
			var text strings.Builder
			for user := range strings.FieldsSeq(users) {
				fmt.Fprintf(&text, `{"event":{"dataset":"app"},"user":{"name":%q}}`+"\n", user)
			}
			f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(text.String()); err != nil {
				t.Fatal(err)
			}
			f.Close()
			fluentbit.Settled(t, out, told+len(want))
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, line := range scripts.Lines(data)[told:] {
				var r struct {
					User     struct{ Name string }
					Name     string `json:"kibana.alert.rule.name"`
					Newterms struct {
						Verdict, Summary string
						RuleName         string `json:"rule_name"`
					}
				}
				if err := json.Unmarshal(line, &r); err != nil {
					t.Fatal(err)
				}
				got = append(got, r.User.Name+" "+r.Newterms.Verdict+" "+r.Name+r.Newterms.RuleName)
			}
			// Matching records do not wait for alerts, which go through the outbox.
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("records %q, want %q", got, want)
			}
			told += len(want)
		}
		said := func(what string, times int) {
			t.Helper()
			fluentbit.Eventually(t, fmt.Sprintf("%q %d times", what, times), func() bool { return strings.Count(fb.Log.String(), what) >= times })
		}
		feed("a a excepted", "a new First", "a known First")

		write(t, exceptions, "[[exception]]\nquery = 'user.name: other'\n")
		said("changed rules are in force: 1 rule; 1 tuple known", 1)
		feed("excepted other b", "excepted known First", "b new First")

		swap(t, cm, "..2", map[string]string{"a.toml": appRule("r", "Second", "event.dataset: app", "")})
		said("changed rules are in force", 2)
		feed("a c", "a known Second", "c new Second")

		swap(t, cm, "..3", map[string]string{"a.toml": appRule("r", "Third", "event.dataset: (app", "")})
		said("those from before stay: property rules: ", 1)
		said("a.toml:8:31: rule.query: expected \")\", found end of query", 1)
		feed("a d", "a known Second", "d new Second")

		swap(t, cm, "..4", map[string]string{"a.toml": appRule("r", "Fourth", "event.dataset: (app or web)", "")})
		said("its query or fields have changed, so it starts a new memory", 1)
		said("changed rules are in force", 3)
		feed("a", "a new Fourth")
		fb.Stop()
	})
}

// TestHostRestartKeepsPeriods restarts in the middle of a period of suppression
// and of one rule's learning.
func TestHostRestartKeepsPeriods(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rules := filepath.Join(dir, "rules")
	write(t, filepath.Join(rules, "s.toml"), appRule("suppresses", "Suppresses", "event.dataset: app",
		"[rule.alert_suppression]\ngroup_by = ['host.name']\nduration = { value = 8, unit = 's' }"))
	write(t, filepath.Join(rules, "l.toml"), appRule("learns", "Learns", "event.dataset: app", "[rule.newterms]\nlearn = '8s'"))
	config := fluentbit.AlertsInput("alert.newterms") + fluentbit.Detector("kube.*", filepath.Join(dir, "state"), "Rules "+rules, "Interval 1s")
	events := func(user string) string {
		path := filepath.Join(dir, user)
		write(t, path, fmt.Sprintf(`{"event":{"dataset":"app"},"host":{"name":"h"},"user":{"name":%q}}`+"\n", user))
		return "events=" + path
	}
	tell := func(r hostRun) (out []string) {
		for _, line := range r.bodies {
			doc := scripts.Decode(t, line)
			own := doc["newterms"].(map[string]any)
			out = append(out, fmt.Sprintf("%v %v %v %v", doc["kibana.alert.rule.rule_id"], doc["kibana.alert.new_terms"], own["summary"], own["terms"]))
		}
		slices.Sort(out)
		return out
	}
	began := time.Now()
	first := tell(runHost(t, config, events("a"), events("b"), "sleep=1000").well(t))
	if took := time.Since(began); took > 7*time.Second {
		t.Skipf("the first run took %v, and the periods are over", took)
	}
	second := tell(runHost(t, config, events("c"), "sleep=9000", events("d"), "records=4", "sleep=800").well(t))
	if want := []string{"suppresses [a] <nil> <nil>"}; !slices.Equal(first, want) {
		t.Errorf("at first %q, want %q", first, want)
	}
	want := []string{"learns <nil> learned [[a] [b] [c]]", "learns [d] <nil> <nil>", "suppresses <nil> suppressed [[b] [c]]", "suppresses [d] <nil> <nil>"}
	slices.Sort(want)
	if !slices.Equal(second, want) {
		t.Errorf("after the restart %q, want %q", second, want)
	}
}
