package e2e

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// seedAlerts is how many tuples of the seed rule the audit log holds.
const seedAlerts = 45

var rules = filepath.Join(root, "conf/rules")

// tail is an input of the audit log.
func tail(path string) string {
	return `
[INPUT]
    Name             tail
    Path             ` + path + `
    Tag              kube.audit
    Parser           audit
    Read_from_Head   On
    Buffer_Max_Size  1M
`
}

// alertsInput is an input of alerts; more are further lines of its section.
func alertsInput(tag string, more ...string) string {
	return section("INPUT", append([]string{"Name newterms_alerts", "Tag " + tag}, more...)...)
}

// detector is an output with learning off; more are further lines.
func detector(match, state string, more ...string) string {
	return section("OUTPUT", append([]string{"Name newterms", "Match " + match, "State_Path " + state, "Learn off", "Workers 1"}, more...)...)
}

// toFile is a file output.
func toFile(match, path string) string {
	return section("OUTPUT", "Name file", "Match "+match, "Path "+filepath.Dir(path), "File "+filepath.Base(path), "Format plain")
}

func section(kind string, lines ...string) string {
	return "\n[" + kind + "]\n    " + strings.Join(lines, "\n    ") + "\n"
}

// TestAlertsReenter is the main job: a real audit log through a real Fluent
// Bit gives each of the seed rule's tuples once, a second run none, and a run
// without the state all of them again.
func TestAlertsReenter(t *testing.T) {
	eachFluentBit(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		log, out, state := auditLog(t, dir), filepath.Join(dir, "alerts"), filepath.Join(dir, "state")
		config := prelude(dir) + tail(log) + alertsInput("alert.newterms") + detector("kube.*", state, "Rules "+rules) + toFile("alert.*", out)
		want := replayed(t, rules, log)

		fb := start(t, binary, dir, config)
		settled(t, out, seedAlerts)
		fb.stop()
		same(t, names(alerts(t, out)), want)
		first := alerts(t, out)

		fb = start(t, binary, dir, config)
		eventually(t, "the start", func() bool { return strings.Contains(fb.log.String(), "45 tuples known") })
		time.Sleep(3 * time.Second)
		fb.stop()
		if n := countLines(out); n != seedAlerts {
			t.Errorf("%d alerts after a second run, want none more than %d", n, seedAlerts)
		}

		if err := os.RemoveAll(state); err != nil {
			t.Fatal(err)
		}
		fb = start(t, binary, dir, config)
		settled(t, out, 2*seedAlerts)
		fb.stop()
		again := alerts(t, out)[seedAlerts:]
		same(t, names(again), want)
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
	eachFluentBit(t, func(t *testing.T, binary string) {
		for _, name := range []string{"fluent-bit.conf", "fluent-bit.yaml"} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				log, out := auditLog(t, dir), filepath.Join(dir, "alerts.json")
				for _, file := range []string{name, "parsers.conf", "plugins.conf"} {
					text, err := os.ReadFile(filepath.Join(root, "conf", file))
					if err != nil {
						t.Fatal(err)
					}
					changed := strings.NewReplacer(
						"/usr/local/lib/newterms/out_newterms.so", built.plugin,
						"/etc/newterms/rules", rules,
						"/var/log/kubernetes/audit/audit.log", log,
						"/var/lib/newterms", filepath.Join(dir, "state"),
						"/var/log/newterms", dir,
						"24h", "off",
					).Replace(string(text))
					if err := os.WriteFile(filepath.Join(dir, file), []byte(changed), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				fb := startFile(t, binary, filepath.Join(dir, name))
				settled(t, out, seedAlerts)
				fb.stop()
				same(t, names(alerts(t, out)), replayed(t, rules, log))
			})
		}
	})
}

// TestWebhook posts the bodies of an API server's audit webhook to the http
// input.
func TestWebhook(t *testing.T) {
	bodies := filepath.Join(root, "../shared/data/k8s-audit/webhook.jsonl.gz")
	if _, err := os.Stat(bodies); err != nil {
		t.Skip("the bodies of the webhook are not here")
	}
	eachFluentBit(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		out, port := filepath.Join(dir, "alerts"), freePort(t)
		want := replayed(t, rules, bodies)
		fb := start(t, binary, dir, prelude(dir)+
			section("INPUT", "Name http", "Listen 127.0.0.1", "Port "+port, "Tag kube.audit", "Buffer_Max_Size 32M")+
			alertsInput("alert.newterms")+detector("kube.*", filepath.Join(dir, "state"), "Rules "+rules)+toFile("alert.*", out))
		for _, body := range bytes.Split(bytes.TrimSpace(gunzip(t, bodies)), []byte("\n")) {
			eventually(t, "the http input", func() bool {
				resp, err := http.Post("http://127.0.0.1:"+port+"/kube.audit", "application/json", bytes.NewReader(body))
				if err != nil {
					return false
				}
				resp.Body.Close()
				return resp.StatusCode < 300
			})
		}
		settled(t, out, len(want))
		fb.stop()
		same(t, names(alerts(t, out)), want)
	})
}

// TestSeveral has two outputs and three inputs: each alert goes where it
// belongs.
func TestSeveral(t *testing.T) {
	eachFluentBit(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		log := auditLog(t, dir)
		file := func(name string) string { return filepath.Join(dir, name) }
		fb := start(t, binary, dir, prelude(dir)+tail(log)+
			alertsInput("alert.all")+
			alertsInput("alert.seed", "Rules seed")+
			alertsInput("alert.high", "Min_Severity high")+
			detector("kube.*", file("state1"), "Rules "+rules)+
			detector("kube.*", file("state2"), `Query kubernetes.audit.verb:*`, "New_Terms_Fields kubernetes.audit.verb",
				"History_Window 7d", "Rule_Name New verb", "Severity high", "Risk_Score 73", "Alert_File "+file("direct"))+
			toFile("alert.all", file("all"))+toFile("alert.seed", file("seed"))+toFile("alert.high", file("high")))
		eventually(t, "the verbs", func() bool { return countLines(file("direct")) > 0 })
		settled(t, file("seed"), seedAlerts)
		fb.stop()
		verbs := countLines(file("direct"))
		for name, want := range map[string]int{"all": seedAlerts + verbs, "seed": seedAlerts, "high": verbs} {
			if n := countLines(file(name)); n != want {
				t.Errorf("%d alerts in %s, want %d", n, name, want)
			}
		}
		for _, a := range alerts(t, file("high")) {
			if a.Severity != "high" {
				t.Errorf("an alert of severity %s came under alert.high", a.Severity)
			}
		}
		for _, a := range alerts(t, file("seed")) {
			if a.RuleID != "seed" {
				t.Errorf("an alert of rule %s came under alert.seed", a.RuleID)
			}
		}
	})
}

// TestRefused are configurations that stop Fluent Bit at start-up, each with
// a message that says what to do.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name, config, message string
	}{
		{"nowhere", detector("kube.*", "DIR/state", "Rules "+rules), "alerts have nowhere to go: add an [INPUT] with Name newterms_alerts"},
		{"no input for a rule", alertsInput("alert.x", "Min_Severity critical") + detector("kube.*", "DIR/state", "Rules "+rules), "have nowhere to go: no newterms_alerts input takes them"},
		{"loop by the input's tag", alertsInput("kube.alerts") + detector("kube.*", "DIR/state", "Rules "+rules), `alerts would raise alerts`},
		{"loop by match all", alertsInput("alert.newterms") + detector("*", "DIR/state", "Rules "+rules), `alerts would raise alerts`},
		{"loop by alert_tag", alertsInput("alert.x") + detector("kube.*", "DIR/state", "Rules "+rules, "Alert_Tag kube.{rule_id}"), `property alert_tag`},
		{"misspelt", detector("kube.*", "DIR/state", "Rulse "+rules, "Alert_Stdout on"), "rules"},
		{"no rule", detector("kube.*", "DIR/state", "Alert_Stdout on"), "no rule"},
		{"missing rule", detector("kube.*", "DIR/state", "Rules DIR/none.toml", "Alert_Stdout on"), "none.toml"},
		{"bad KQL", detector("kube.*", "DIR/state", "Query a:(b", "New_Terms_Fields a", "History_Window 1d", "Alert_Stdout on"), "column"},
		{"bad value", detector("kube.*", "DIR/state", "Rules "+rules, "Alert_Stdout maybe"), "property alert_stdout"},
		{"bad severity", alertsInput("alert.x", "Min_Severity awful") + detector("kube.*", "DIR/state", "Rules "+rules), "property min_severity"},
		{"state cannot be written", detector("kube.*", "/proc/newterms", "Rules "+rules, "Alert_Stdout on"), "property state_path"},
		{"one state twice", detector("kube.*", "DIR/state", "Rules "+rules, "Alert_Stdout on") + detector("x.*", "DIR/state", "Rules "+rules, "Alert_Stdout on"), "in use by output newterms.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachFluentBit(t, func(t *testing.T, binary string) {
				dir := t.TempDir()
				dummy := section("INPUT", "Name dummy", "Tag kube.dummy")
				fb := start(t, binary, dir, prelude(dir)+dummy+strings.ReplaceAll(test.config, "DIR", dir))
				fb.refused(test.message)
			})
		})
	}
}

// TestLogLevel has an output say nothing below its own log_level, and look
// like core where it speaks.
func TestLogLevel(t *testing.T) {
	eachFluentBit(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		dummy := section("INPUT", "Name dummy", "Tag kube.dummy")
		fb := start(t, binary, dir, prelude(dir)+dummy+
			detector("kube.*", filepath.Join(dir, "state1"), "Rules "+rules, "Alert_Stdout on", "Log_Level error")+
			detector("kube.*", filepath.Join(dir, "state2"), "Rules "+rules, "Alert_Stdout on", "Alias loud"))
		eventually(t, "the start of the second output", func() bool {
			return strings.Contains(fb.log.String(), "[ info] [output:newterms:loud] 1 rule")
		})
		fb.stop()
		if strings.Contains(fb.log.String(), "[output:newterms:newterms.0] 1 rule") {
			t.Error("the first output speaks below its log_level")
		}
	})
}
