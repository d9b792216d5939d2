package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fluent-bit-newterms/test/fluentbit"
)

// sample is one line of the Prometheus text format.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// exposition is what a scrape of Fluent Bit returns, of newterms alone.
type exposition struct {
	types, help map[string]string
	samples     []sample
}

var (
	sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$`)
	labelPair  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?`)
)

// scrape reads the metrics of a running Fluent Bit.
func scrape(t *testing.T, port string) exposition {
	t.Helper()
	e := exposition{types: map[string]string{}, help: map[string]string{}}
	resp, err := http.Get("http://127.0.0.1:" + port + "/api/v2/metrics/prometheus")
	if err != nil {
		return e
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		line := lines.Text()
		if words := strings.SplitN(line, " ", 4); len(words) == 4 && words[0] == "#" && strings.HasPrefix(words[2], "newterms_") {
			switch words[1] {
			case "TYPE":
				e.types[words[2]] = words[3]
			case "HELP":
				e.help[words[2]] = words[3]
			}
			continue
		}
		if !strings.HasPrefix(line, "newterms_") {
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a sample: %s", line)
		}
		s := sample{name: m[1], labels: map[string]string{}}
		for _, pair := range labelPair.FindAllStringSubmatch(m[2], -1) {
			s.labels[pair[1]] = pair[2]
		}
		if s.value, err = strconv.ParseFloat(m[3], 64); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		e.samples = append(e.samples, s)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return e
}

// value returns the sum of the samples of that name whose labels hold the
// pairs, and how many there are.
func (e exposition) value(name string, pairs ...string) (sum float64, n int) {
samples:
	for _, s := range e.samples {
		if s.name != name {
			continue
		}
		for i := 0; i < len(pairs); i += 2 {
			if s.labels[pairs[i]] != pairs[i+1] {
				continue samples
			}
		}
		sum += s.value
		n++
	}
	return sum, n
}

// metered is a Fluent Bit with two detectors over the audit log, which serves
// its metrics, and has raised some alerts; more are further lines of both.
func metered(t *testing.T, binary string, least int, more ...string) (fb *fluentbit.Process, port string) {
	t.Helper()
	dir := t.TempDir()
	log, out := fluentbit.AuditLog(t, dir), filepath.Join(dir, "alerts")
	port = fluentbit.FreePort(t)
	config := strings.Replace(fluentbit.Prelude(dir), "[SERVICE]\n", "[SERVICE]\n    HTTP_Server On\n    HTTP_Listen 127.0.0.1\n    HTTP_Port "+port+"\n", 1)
	fb = fluentbit.Start(t, binary, dir, config+fluentbit.Tail(log)+fluentbit.AlertsInput("alert.newterms")+
		fluentbit.Detector("kube.*", filepath.Join(dir, "state1"), append(slices.Clone(more), "Rules "+fluentbit.Rules, "Alias one")...)+
		fluentbit.Detector("kube.*", filepath.Join(dir, "state2"), append(slices.Clone(more), "Rules "+fluentbit.Rules, "Alias two", "Max_Alerts 5", "Max_Terms 20")...)+
		fluentbit.ToFile("alert.*", out))
	fluentbit.Eventually(t, "alerts", func() bool { return fluentbit.CountLines(out) >= least })
	return fb, port
}

// TestMetrics compares what Fluent Bit serves with what is known of the audit
// log.
func TestMetrics(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		fb, port := metered(t, binary, fluentbit.SeedAlerts+5)
		records := float64(fluentbit.CountLines(fluentbit.AuditLog(t, t.TempDir())))
		var e exposition
		fluentbit.Eventually(t, "metrics of an empty outbox", func() bool {
			e = scrape(t, port)
			left, n := e.value("newterms_outbox_bytes")
			read, _ := e.value("newterms_records_total")
			return n == 2 && left == 0 && read == 2*records
		})
		fb.Stop()
		for _, test := range []struct {
			name  string
			pairs []string
			want  float64
		}{
			{"newterms_records_total", []string{"name", "one"}, records},
			{"newterms_events_total", []string{"name", "two"}, records},
			{"newterms_malformed_chunks_total", []string{"name", "one"}, 0},
			{"newterms_alerts_total", []string{"name", "one", "rule_id", "seed", "rule_name", "Kubernetes Unusual Decision by User Agent"}, fluentbit.SeedAlerts},
			{"newterms_alerts_total", []string{"name", "two", "rule_id", "seed"}, 5},
			{"newterms_held_tuples_total", []string{"name", "one", "rule_id", "seed"}, 0},
			{"newterms_learned_tuples_total", []string{"name", "one", "rule_id", "seed"}, 0},
			{"newterms_suppressed_alerts_total", []string{"name", "one", "rule_id", "seed"}, 0},
			{"newterms_known_tuples", []string{"name", "one", "rule_id", "seed"}, fluentbit.SeedAlerts},
			{"newterms_known_tuples", []string{"name", "two", "rule_id", "seed"}, 20},
			{"newterms_rule_learning", []string{"name", "one", "rule_id", "seed"}, 0},
			{"newterms_evicted_inside_window_total", []string{"name", "one", "rule_id", "seed"}, 0},
			{"newterms_rules", []string{"name", "one"}, 1},
			{"newterms_rule_reload_errors_total", []string{"name", "one"}, 0},
			{"newterms_state_errors_total", []string{"name", "one"}, 0},
			{"newterms_outbox_alerts", []string{"name", "one"}, 0},
			{"newterms_outbox_age_seconds", []string{"name", "one"}, 0},
		} {
			if got, n := e.value(test.name, test.pairs...); n != 1 || got != test.want {
				t.Errorf("%s%q is %v (of %d series), want %v", test.name, test.pairs, got, n, test.want)
			}
		}
		for _, name := range []string{"newterms_matches_total", "newterms_state_commits_total", "newterms_state_commit_seconds_total"} {
			if got, _ := e.value(name, "name", "one"); got <= 0 {
				t.Errorf("%s is %v", name, got)
			}
		}
		for _, name := range []string{"newterms_held_tuples_total", "newterms_evicted_inside_window_total"} {
			if got, _ := e.value(name, "name", "two"); got < fluentbit.SeedAlerts-20 {
				t.Errorf("%s is %v", name, got)
			}
		}
		checkNames(t, e)
	})
}

// checkNames applies the conventions of Prometheus for names and labels.
func checkNames(t *testing.T, e exposition) {
	t.Helper()
	plain := regexp.MustCompile(`^newterms_[a-z]+(_[a-z]+)*$`)
	for name, kind := range e.types {
		if !plain.MatchString(name) {
			t.Errorf("%s is not in snake case", name)
		}
		if total := strings.HasSuffix(name, "_total"); total != (kind == "counter") {
			t.Errorf("%s is a %s", name, kind)
		}
		if h := e.help[name]; h == "" || !strings.HasSuffix(h, ".") {
			t.Errorf("%s: help %q is no sentence", name, h)
		}
	}
	series := map[string]bool{}
	for _, s := range e.samples {
		if e.types[s.name] == "" {
			t.Errorf("%s has no type", s.name)
		}
		if s.labels["name"] == "" {
			t.Errorf("%s does not say which instance it is of", s.name)
		}
		key := fmt.Sprint(s.name, s.labels)
		if series[key] {
			t.Errorf("%s is there twice", key)
		}
		series[key] = true
	}
}

// redis starts a server, if there is one on the PATH, and returns its URL.
func redis(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return ""
	}
	port := fluentbit.FreePort(t)
	cmd := exec.Command(path, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return "redis://127.0.0.1:" + port
}
