package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fluent-bit-newterms/test/fluentbit"
)

// source is a configuration in conf/sources: what is sent to it, in the form in
// which the source is shipped, and the alerts of a rule on these fields.
type source struct {
	dataset, terms string
	body           string // posted to the configuration's port, or written to its file
	path           string // where it is posted to
	want           []string
}

var shippedSources = map[string]source{
	"aws_cloudtrail": {dataset: "aws.cloudtrail", terms: "event.action, user.name, source.ip", path: "/", want: []string{"CreateAccessKey eve 192.0.2.7"},
		body: `{"version":"0","id":"6f0c","detail-type":"AWS API Call via CloudTrail","source":"aws.iam","account":"111122223333","time":"2026-11-01T10:00:00Z","region":"eu-central-1","resources":[],
			"detail":{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/eve","accountId":"111122223333","userName":"eve"},
			"eventTime":"2026-11-01T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateAccessKey","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2"}}`},
	"gcp_audit": {dataset: "gcp.audit", terms: "event.action, user.email, source.ip", path: "/",
		want: []string{"google.iam.admin.v1.CreateServiceAccountKey eve@example.com 192.0.2.7"},
		body: `{"message":{"attributes":{"logging.googleapis.com/timestamp":"2026-11-01T10:00:00Z"},"messageId":"1","publishTime":"2026-11-01T10:00:01Z","data":"BASE64{"insertId":"i1","timestamp":"2026-11-01T10:00:00Z","logName":"projects/p/logs/cloudaudit.googleapis.com%2Factivity","protoPayload":{"serviceName":"iam.googleapis.com","methodName":"google.iam.admin.v1.CreateServiceAccountKey","authenticationInfo":{"principalEmail":"eve@example.com"},"requestMetadata":{"callerIp":"192.0.2.7"}}}BASE64"},"subscription":"projects/p/subscriptions/newterms"}`},
	"okta_system": {dataset: "okta.system", terms: "event.action, okta.actor.alternate_id, source.ip", path: "/", want: []string{"user.session.access_admin_app eve@example.com 192.0.2.7"},
		body: `{"version":"0","id":"77","detail-type":"SystemLog","source":"aws.partner/okta.com/example/newterms","account":"111122223333","time":"2026-11-01T10:00:00Z","region":"eu-central-1","resources":[],
			"detail":{"uuid":"u1","published":"2026-11-01T10:00:00Z","eventType":"user.session.access_admin_app","actor":{"id":"a1","type":"User","alternateId":"eve@example.com","displayName":"Eve"},
			"outcome":{"result":"SUCCESS"},"client":{"ipAddress":"192.0.2.7","userAgent":{"rawUserAgent":"Mozilla/5.0"}}}}`},
	"o365_audit": {dataset: "o365.audit", terms: "event.action, user.id, source.ip", path: "/", want: []string{"New-InboxRule eve@example.com 192.0.2.7", "UserLoggedIn bob@example.com 198.51.100.4"},
		body: `[{"CreationTime":"2026-11-01T10:00:00","Id":"1","Operation":"New-InboxRule","RecordType":1,"ResultStatus":"True","UserId":"eve@example.com","Workload":"Exchange","ClientIP":"192.0.2.7:4711"},
			{"CreationTime":"2026-11-01T10:00:05","Id":"2","Operation":"UserLoggedIn","RecordType":15,"ResultStatus":"Success","UserId":"bob@example.com","Workload":"AzureActiveDirectory","ClientIP":"198.51.100.4"}]`},
	"google_workspace": {dataset: "google_workspace.login", terms: "event.action, user.email, source.ip", path: "/", want: []string{"login_success eve@example.com 192.0.2.7"},
		body: `{"kind":"admin#reports#activities","etag":"e","items":[{"kind":"admin#reports#activity","id":{"time":"2026-11-01T10:00:00Z","uniqueQualifier":"1","applicationName":"login","customerId":"C1"},
			"actor":{"email":"eve@example.com","profileId":"1"},"ipAddress":"192.0.2.7","events":[{"type":"login","name":"login_success","parameters":[{"name":"login_type","value":"google_password"}]}]}]}`},
	"github_audit": {dataset: "github.audit", terms: "event.action, user.name, github.repo", path: "/services/collector", want: []string{"git.clone eve acme/shop"},
		body: `{"time":1793527200,"host":"github.com","source":"github","sourcetype":"github:audit","event":{"@timestamp":1793527200000,"_document_id":"d1","action":"git.clone","actor":"eve","actor_ip":"192.0.2.7","hashed_token":"h1","org":"acme","repo":"acme/shop","user_agent":"git/2.47"}}`},
	"azure": {dataset: "azure.*", terms: "event.action, source.ip", want: []string{"MICROSOFT.COMPUTE/SNAPSHOTS/DELETE 192.0.2.7", "Sign-in activity 198.51.100.4"},
		body: `{"records":[{"time":"2026-11-01T10:00:00Z","category":"Administrative","operationName":"MICROSOFT.COMPUTE/SNAPSHOTS/DELETE","resourceId":"/SUBSCRIPTIONS/S/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.COMPUTE/SNAPSHOTS/S1","resultType":"Success","callerIpAddress":"192.0.2.7"},{"time":"2026-11-01T10:00:00Z","category":"SignInLogs","operationName":"Sign-in activity","properties":{"userPrincipalName":"bob@example.com","ipAddress":"198.51.100.4","status":{"errorCode":0}}}]}`},
	"linux_auth": {dataset: "system.auth", terms: "event.action, user.name, source.ip",
		want: []string{"ssh_login alice 192.0.2.7", "ssh_login bob 2001:db8::7", "ssh_login root 198.51.100.4"},
		body: "2026-11-01T10:00:00.123456+00:00 db1 sshd[4711]: Accepted publickey for alice from 192.0.2.7 port 50022 ssh2: ED25519 SHA256:q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq80\n" +
			"Nov  1 10:00:02 db1 sshd-session[4712]: Failed password for bob from 2001:db8::7 port 50023 ssh2\n" +
			"Nov  1 10:00:03 db1 CRON[4713]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)\n" +
			"Nov  1 10:00:04 db1 sshd[4714]: Accepted password for root from 198.51.100.4 port 50024 ssh2\n"},
	"tetragon": {dataset: "endpoint.events.process", terms: "process.parent.name, process.name, orchestrator.namespace", want: []string{"nginx sh shop"},
		body: `{"process_exec":{"process":{"exec_id":"bjE6MTox","pid":4711,"uid":33,"cwd":"/","binary":"/bin/sh","arguments":"-c \"id\"","flags":"execve clone","start_time":"2026-11-01T10:00:00.000000000Z","pod":{"namespace":"shop","name":"web-1","container":{"id":"containerd://c1","name":"web"}},"parent_exec_id":"bjE6MDox"},"parent":{"exec_id":"bjE6MDox","pid":4700,"uid":33,"binary":"/usr/sbin/nginx"}},"node_name":"node1","time":"2026-11-01T10:00:00.000000000Z"}` + "\n"},
	"falco": {dataset: "endpoint.events.process", terms: "process.parent.name, process.name, user.name", want: []string{"nginx sh www-data"},
		body: `{"hostname":"node1","output":"program started","output_fields":{"container.id":"c1","evt.type":"execve","proc.args":"-c id","proc.cmdline":"sh -c id","proc.cwd":"/","proc.exepath":"/bin/sh","proc.name":"sh","proc.pcmdline":"nginx -g daemon off;","proc.pexepath":"/usr/sbin/nginx","proc.pid":4711,"proc.pname":"nginx","user.name":"www-data","user.uid":33},"priority":"Debug","rule":"Program started","source":"syscall","tags":[],"time":"2026-11-01T10:00:00.000000000Z"}` + "\n"},
}

// TestSourceConfigurations runs each configuration in conf/sources on what its
// source ships. Only paths, ports and the rules are changed, and the input of
// Event Hubs, which is a http input here.
func TestSourceConfigurations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(fluentbit.Root, "conf/sources/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(shippedSources) {
		t.Errorf("%d configurations, and %d events for them", len(files), len(shippedSources))
	}
	kafka := regexp.MustCompile(`(?s)- name: kafka.*?\n\n`)
	rules := regexp.MustCompile(`/etc/newterms/rules/\S+`)
	log := regexp.MustCompile(`/var/(log|run)/\S+`)
	fluentbit.Each(t, func(t *testing.T, binary string) {
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".yaml")
			t.Run(name, func(t *testing.T) {
				s, ok := shippedSources[name]
				if !ok {
					t.Fatal("there is no event for it")
				}
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				dir, port := t.TempDir(), fluentbit.FreePort(t)
				rule, events := filepath.Join(dir, "rule.toml"), filepath.Join(dir, "events.log")
				write(t, rule, fmt.Sprintf("[rule]\nname = 'First'\nrule_id = 'first'\ntype = 'new_terms'\nlanguage = 'kuery'\nseverity = 'low'\nrisk_score = 21\n"+
					"query = 'data_stream.dataset: %s'\n[rule.new_terms]\nfield = 'new_terms_fields'\nvalue = ['%s']\n"+
					"[[rule.new_terms.history_window_start]]\nfield = 'history_window_start'\nvalue = 'now-7d'\n", s.dataset, strings.Join(strings.Split(s.terms, ", "), "', '")))
				config := string(text)
				if name == "azure" {
					s.path = "/"
					config = kafka.ReplaceAllString(config, "- name: http\n      listen: 127.0.0.1\n      port: 9880\n      tag: azure\n\n")
				}
				config = rules.ReplaceAllString(config, rule)
				config = log.ReplaceAllString(config, events)
				config = strings.NewReplacer(
					"/usr/local/lib/newterms/out_newterms.so", fluentbit.Plugin,
					"/var/lib/newterms", filepath.Join(dir, "lib"),
					"9880", port, "8088", port, "${SPLUNK_TOKEN}", "secret", "learn: 24h", "learn: off",
					"tag: linux.auth", "tag: linux.auth\n      read_from_head: on",
					"tag: tetragon", "tag: tetragon\n      read_from_head: on",
					"tag: falco", "tag: falco\n      read_from_head: on",
				).Replace(config)
				if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o755); err != nil {
					t.Fatal(err)
				}
				body := packed(s.body)
				if s.path == "" {
					fluentbit.NeedsDatabase(t, binary)
					write(t, events, body)
				}
				path := filepath.Join(dir, "fluent-bit.yaml")
				write(t, path, config)
				fb := fluentbit.StartFile(t, binary, path)
				if s.path != "" {
					fluentbit.Eventually(t, "the input", func() bool {
						req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:"+port+s.path, strings.NewReader(body))
						if err != nil {
							t.Fatal(err)
						}
						req.Header.Set("Content-Type", "application/json")
						req.Header.Set("Authorization", "Splunk secret")
						resp, err := http.DefaultClient.Do(req)
						if err != nil {
							return false
						}
						resp.Body.Close()
						return resp.StatusCode < 300
					})
				}
				var got []string
				fluentbit.Eventually(t, "alerts", func() bool { got = printedTerms(fb.Log.String()); return len(got) >= len(s.want) })
				fb.Stop()
				slices.Sort(got)
				if !slices.Equal(got, s.want) {
					t.Errorf("alerts %q, want %q", got, s.want)
				}
			})
		}
	})
}

// packed is a body on one line, with what stands between two BASE64 packed.
func packed(body string) string {
	body = regexp.MustCompile(`\n\t\s*`).ReplaceAllString(body, "")
	if parts := strings.Split(body, "BASE64"); len(parts) == 3 {
		body = parts[0] + base64.StdEncoding.EncodeToString([]byte(parts[1])) + parts[2]
	}
	return body
}

// printedTerms are the terms of the alerts in a log, a text for each alert.
func printedTerms(log string) (all []string) {
	for line := range strings.Lines(log) {
		var a struct {
			Terms []any `json:"kibana.alert.new_terms"`
		}
		if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &a) == nil && a.Terms != nil {
			all = append(all, strings.Trim(fmt.Sprint(a.Terms), "[]"))
		}
	}
	return all
}
