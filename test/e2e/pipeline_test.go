package e2e

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/test/fluentbit"
)

// TestAlertsReenter is the main job: a real audit log through a real Fluent
// Bit gives each of the seed rule's tuples once, a second run none, and a run
// without the state all of them again.
func TestAlertsReenter(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		log, out, state := fluentbit.AuditLog(t, dir), filepath.Join(dir, "alerts"), filepath.Join(dir, "state")
		config := fluentbit.Prelude(dir) + fluentbit.Tail(log) + fluentbit.AlertsInput("alert.newterms") + fluentbit.Detector("kube.*", state, "Rules "+fluentbit.Rules) + fluentbit.ToFile("alert.*", out)
		want := fluentbit.Replayed(t, fluentbit.Rules, log)

		fb := fluentbit.Start(t, binary, dir, config)
		fluentbit.Settled(t, out, fluentbit.SeedAlerts)
		fb.Stop()
		fluentbit.Same(t, fluentbit.Names(fluentbit.Alerts(t, out)), want)
		first := fluentbit.Alerts(t, out)

		fb = fluentbit.Start(t, binary, dir, config)
		fluentbit.Eventually(t, "the start", func() bool { return strings.Contains(fb.Log.String(), "45 tuples known") })
		time.Sleep(3 * time.Second)
		fb.Stop()
		if n := fluentbit.CountLines(out); n != fluentbit.SeedAlerts {
			t.Errorf("%d alerts after a second run, want none more than %d", n, fluentbit.SeedAlerts)
		}

		if err := os.RemoveAll(state); err != nil {
			t.Fatal(err)
		}
		fb = fluentbit.Start(t, binary, dir, config)
		fluentbit.Settled(t, out, 2*fluentbit.SeedAlerts)
		fb.Stop()
		again := fluentbit.Alerts(t, out)[fluentbit.SeedAlerts:]
		fluentbit.Same(t, fluentbit.Names(again), want)
		uuids := make(map[string]string)
		for _, a := range first {
			uuids[a.String()] = a.UUID
		}
		for _, a := range again {
			if uuids[a.String()] != a.UUID {
				t.Errorf("%s has another uuid the second time", a)
			}
		}
	})
}

// TestConfigurations runs the configurations that the project ships, with
// nothing but their paths changed.
func TestConfigurations(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		for _, name := range []string{"fluent-bit.conf", "fluent-bit.yaml"} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				log, out := fluentbit.AuditLog(t, dir), filepath.Join(dir, "alerts.json")
				for _, file := range []string{name, "parsers.conf", "plugins.conf"} {
					text, err := os.ReadFile(filepath.Join(fluentbit.Root, "conf", file))
					if err != nil {
						t.Fatal(err)
					}
					changed := strings.NewReplacer(
						"/usr/local/lib/newterms/out_newterms.so", fluentbit.Plugin,
						"/etc/newterms/rules", fluentbit.Rules,
						"/var/log/kubernetes/audit", filepath.Dir(log),
						"/var/lib/newterms", filepath.Join(dir, "lib"), // which is not there yet
						"/var/log/newterms", dir,
						"24h", "off",
					).Replace(string(text))
					if err := os.WriteFile(filepath.Join(dir, file), []byte(changed), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				fb := fluentbit.StartFile(t, binary, filepath.Join(dir, name))
				fluentbit.Settled(t, out, fluentbit.SeedAlerts)
				fb.Stop()
				fluentbit.Same(t, fluentbit.Names(fluentbit.Alerts(t, out)), fluentbit.Replayed(t, fluentbit.Rules, log))
			})
		}
	})
}

// TestWebhook posts the bodies of an API server's audit webhook to the http
// input.
func TestWebhook(t *testing.T) {
	t.Parallel()
	bodies := filepath.Join(fluentbit.Root, "../shared/data/k8s-audit/webhook.jsonl.gz")
	if _, err := os.Stat(bodies); err != nil {
		t.Skip("the bodies of the webhook are not here")
	}
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		out, port := filepath.Join(dir, "alerts"), fluentbit.FreePort(t)
		want := fluentbit.Replayed(t, fluentbit.Rules, bodies)
		fb := fluentbit.Start(t, binary, dir, fluentbit.Prelude(dir)+
			fluentbit.Section("INPUT", "Name http", "Listen 127.0.0.1", "Port "+port, "Tag kube.audit", "Buffer_Max_Size 32M")+
			fluentbit.AlertsInput("alert.newterms")+fluentbit.Detector("kube.*", filepath.Join(dir, "state"), "Rules "+fluentbit.Rules)+fluentbit.ToFile("alert.*", out))
		for _, body := range bytes.Split(bytes.TrimSpace(fluentbit.Gunzip(t, bodies)), []byte("\n")) {
			fluentbit.Eventually(t, "the http input", func() bool {
				resp, err := http.Post("http://127.0.0.1:"+port+"/kube.audit", "application/json", bytes.NewReader(body))
				if err != nil {
					return false
				}
				resp.Body.Close()
				return resp.StatusCode < 300
			})
		}
		fluentbit.Settled(t, out, len(want))
		fb.Stop()
		fluentbit.Same(t, fluentbit.Names(fluentbit.Alerts(t, out)), want)
	})
}

// TestSeveral has two outputs and three inputs: each alert goes where it
// belongs.
func TestSeveral(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		log := fluentbit.AuditLog(t, dir)
		file := func(name string) string { return filepath.Join(dir, name) }
		fb := fluentbit.Start(t, binary, dir, fluentbit.Prelude(dir)+fluentbit.Tail(log)+
			fluentbit.AlertsInput("alert.all")+
			fluentbit.AlertsInput("alert.seed", "Rules seed")+
			fluentbit.AlertsInput("alert.high", "Min_Severity high")+
			fluentbit.Detector("kube.*", file("state1"), "Rules "+fluentbit.Rules)+
			fluentbit.Detector("kube.*", file("state2"), `Query kubernetes.audit.verb:*`, "New_Terms_Fields kubernetes.audit.verb",
				"History_Window 7d", "Rule_Name New verb", "Severity high", "Risk_Score 73", "Alert_File "+file("direct"))+
			fluentbit.ToFile("alert.all", file("all"))+fluentbit.ToFile("alert.seed", file("seed"))+fluentbit.ToFile("alert.high", file("high")))
		fluentbit.Eventually(t, "the verbs", func() bool { return fluentbit.CountLines(file("direct")) > 0 })
		fluentbit.Settled(t, file("seed"), fluentbit.SeedAlerts)
		fb.Stop()
		verbs := fluentbit.CountLines(file("direct"))
		for name, want := range map[string]int{"all": fluentbit.SeedAlerts + verbs, "seed": fluentbit.SeedAlerts, "high": verbs} {
			if n := fluentbit.CountLines(file(name)); n != want {
				t.Errorf("%d alerts in %s, want %d", n, name, want)
			}
		}
		for _, a := range fluentbit.Alerts(t, file("high")) {
			if a.Severity != "high" {
				t.Errorf("an alert of severity %s came under alert.high", a.Severity)
			}
		}
		for _, a := range fluentbit.Alerts(t, file("seed")) {
			if a.RuleID != "seed" {
				t.Errorf("an alert of rule %s came under alert.seed", a.RuleID)
			}
		}
	})
}

// TestRefused are configurations that stop Fluent Bit at start-up, each with
// a message that says what to do.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, config, message string
	}{
		{"nowhere", fluentbit.Detector("kube.*", "DIR/state", "Rules "+fluentbit.Rules), "alerts have nowhere to go: add an [INPUT] with Name newterms_alerts"},
		{"no input for a rule", fluentbit.AlertsInput("alert.x", "Min_Severity critical") + fluentbit.Detector("kube.*", "DIR/state", "Rules "+fluentbit.Rules), "have nowhere to go: no newterms_alerts input takes them"},
		{"loop by the input's tag", fluentbit.AlertsInput("kube.alerts") + fluentbit.Detector("kube.*", "DIR/state", "Rules "+fluentbit.Rules), `alerts would raise alerts`},
		{"loop by match all", fluentbit.AlertsInput("alert.newterms") + fluentbit.Detector("*", "DIR/state", "Rules "+fluentbit.Rules), `alerts would raise alerts`},
		{"loop by alert_tag", fluentbit.AlertsInput("alert.x") + fluentbit.Detector("kube.*", "DIR/state", "Rules "+fluentbit.Rules, "Alert_Tag kube.{rule_id}"), `property alert_tag`},
		{"misspelt", fluentbit.Detector("kube.*", "DIR/state", "Rulse "+fluentbit.Rules, "Alert_Stdout on"), "rules"},
		{"no rule", fluentbit.Detector("kube.*", "DIR/state", "Alert_Stdout on"), "no rule"},
		{"missing rule", fluentbit.Detector("kube.*", "DIR/state", "Rules DIR/none.toml", "Alert_Stdout on"), "none.toml"},
		{"bad KQL", fluentbit.Detector("kube.*", "DIR/state", "Query a:(b", "New_Terms_Fields a", "History_Window 1d", "Alert_Stdout on"), "column"},
		{"bad value", fluentbit.Detector("kube.*", "DIR/state", "Rules "+fluentbit.Rules, "Alert_Stdout maybe"), "property alert_stdout"},
		{"bad severity", fluentbit.AlertsInput("alert.x", "Min_Severity awful") + fluentbit.Detector("kube.*", "DIR/state", "Rules "+fluentbit.Rules), "property min_severity"},
		{"state cannot be written", fluentbit.Detector("kube.*", "/proc/newterms", "Rules "+fluentbit.Rules, "Alert_Stdout on"), "property state_path"},
		{"one state twice", fluentbit.Detector("kube.*", "DIR/state", "Rules "+fluentbit.Rules, "Alert_Stdout on") + fluentbit.Detector("x.*", "DIR/state", "Rules "+fluentbit.Rules, "Alert_Stdout on"), "in use by output newterms.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fluentbit.Each(t, func(t *testing.T, binary string) {
				dir := t.TempDir()
				dummy := fluentbit.Section("INPUT", "Name dummy", "Tag kube.dummy")
				fb := fluentbit.Start(t, binary, dir, fluentbit.Prelude(dir)+dummy+strings.ReplaceAll(test.config, "DIR", dir))
				fb.Refused(test.message)
			})
		})
	}
}

// TestLogLevel has an output say nothing below its own log_level, and look
// like core where it speaks.
func TestLogLevel(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		dummy := fluentbit.Section("INPUT", "Name dummy", "Tag kube.dummy")
		fb := fluentbit.Start(t, binary, dir, fluentbit.Prelude(dir)+dummy+
			fluentbit.Detector("kube.*", filepath.Join(dir, "state1"), "Rules "+fluentbit.Rules, "Alert_Stdout on", "Log_Level error")+
			fluentbit.Detector("kube.*", filepath.Join(dir, "state2"), "Rules "+fluentbit.Rules, "Alert_Stdout on", "Alias loud"))
		fluentbit.Eventually(t, "the start of the second output", func() bool {
			return strings.Contains(fb.Log.String(), "[ info] [output:newterms:loud] newterms ")
		})
		fb.Stop()
		if strings.Contains(fb.Log.String(), "[output:newterms:newterms.0] newterms ") {
			t.Error("the first output speaks below its log_level")
		}
	})
}
