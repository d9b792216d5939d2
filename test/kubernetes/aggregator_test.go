package kubernetes

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fluent-bit-newterms/test/fluentbit"
)

// TestAggregator runs the configuration of the aggregator: the first half of
// the audit log comes from an API server's webhook, the second from another
// Fluent Bit. Who has no certificate, or not the key, gets nothing in. Fluent
// Bit before 5.1 cannot ask a client for its certificate, and refuses to start
// when told to; there the rest of the configuration is run.
func TestAggregator(t *testing.T) {
	r := render(t, "overlays/aggregator")
	data := fluentbit.Gunzip(t, filepath.Join(fluentbit.Root, "test/testdata/k8s-audit.jsonl.gz"))
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	half := len(lines) / 2
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		certs := issue(t, filepath.Join(dir, "conf/tls"))
		webhook, forward := fluentbit.FreePort(t), fluentbit.FreePort(t)
		rules := lay(t, filepath.Join(dir, "rules"), r.config(t, "newterms-rules"))
		replacements := append([]string{"8443", webhook, "24224", forward}, here(dir, "", fluentbit.FreePort(t), rules)...)
		lay(t, filepath.Join(dir, "conf"), r.config(t, "newterms-aggregator-config"), replacements...)
		if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("FORWARD_SHARED_KEY", "a key")
		mutual := asksForCertificates(binary)
		if !mutual {
			t.Logf("%s cannot ask for client certificates: that line of the configuration is left out", fluentbit.Version(binary))
			without(t, filepath.Join(dir, "conf/fluent-bit.yaml"), verifyClient)
		}
		fb := fluentbit.StartFile(t, binary, filepath.Join(dir, "conf/fluent-bit.yaml"))

		for i := 0; i < half; i += 400 {
			body := append([]byte(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[`), bytes.Join(lines[i:min(i+400, half)], []byte(","))...)
			body = append(body, "]}"...)
			fluentbit.Eventually(t, "the webhook's port", func() bool { return certs.post(webhook, body, true) == nil })
		}
		if mutual && certs.post(webhook, []byte(`{"items":[]}`), false) == nil {
			t.Error("the webhook takes events from somebody without a certificate")
		}

		there := t.TempDir()
		log := filepath.Join(there, "audit.log")
		if err := os.WriteFile(log, append(bytes.Join(lines[half:], []byte("\n")), '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		to := func(key string) string {
			return fluentbit.Section("OUTPUT", "Name forward", "Match kube.audit", "Host 127.0.0.1", "Port "+forward, "Shared_Key "+key, "Self_Hostname node-1",
				"Require_Ack_Response On", "Retry_Limit 2", "tls On", "tls.verify On", "tls.ca_file "+certs.ca, "tls.vhost newterms-aggregator.newterms-aggregator.svc")
		}
		stranger := fluentbit.Start(t, binary, there, fluentbit.Prelude(there)+fluentbit.Section("INPUT", "Name dummy", "Tag kube.audit",
			`Dummy {"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete","verb":"get","userAgent":"intruder","user":{"username":"x"},"annotations":{"authorization.k8s.io/decision":"allow"}}`)+to("not the key"))
		node := fluentbit.Start(t, binary, t.TempDir(), fluentbit.Prelude(there)+fluentbit.Tail(log)+to("a key"))

		fluentbit.Eventually(t, "alerts", func() bool { return len(printed(t, fb)) >= fluentbit.SeedAlerts })
		node.Stop()
		_ = stranger.Cmd.Process.Kill()
		fb.Stop()
		whole := filepath.Join(dir, "whole.log")
		if err := os.WriteFile(whole, data, 0o600); err != nil {
			t.Fatal(err)
		}
		fluentbit.Same(t, fluentbit.Names(printed(t, fb)), fluentbit.Replayed(t, rules, whole))
	})
}

// TestAggregatorLongLine posts an event of 2.4 MB to the aggregator's webhook.
func TestAggregatorLongLine(t *testing.T) {
	r := render(t, "overlays/aggregator")
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		certs := issue(t, filepath.Join(dir, "conf/tls"))
		webhook := fluentbit.FreePort(t)
		lay(t, filepath.Join(dir, "conf"), r.config(t, "newterms-aggregator-config"),
			append([]string{"8443", webhook, "24224", fluentbit.FreePort(t)}, here(dir, "", fluentbit.FreePort(t), fluentbit.Rules)...)...)
		if !asksForCertificates(binary) {
			without(t, filepath.Join(dir, "conf/fluent-bit.yaml"), verifyClient)
		}
		if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("FORWARD_SHARED_KEY", "a key")
		fb := fluentbit.StartFile(t, binary, filepath.Join(dir, "conf/fluent-bit.yaml"))
		events := [][]byte{event(1, "alice", "before/1", "/api"), event(2, "mallory", "kubectl/v1.35.0", "/api/v1/secrets?"+strings.Repeat("&", 400_000)), event(3, "alice", "after/1", "/api")}
		body := append([]byte(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[`), bytes.Join(events, []byte(","))...)
		body = append(body, "]}"...)
		fluentbit.Eventually(t, "the webhook's port", func() bool { return certs.post(webhook, body, true) == nil })
		fluentbit.Eventually(t, "three alerts", func() bool { return len(printed(t, fb)) >= 3 })
		fb.Stop()
		fluentbit.Same(t, fluentbit.Names(printed(t, fb)), []string{
			`seed ["allow","alice","after/1"]`, `seed ["allow","alice","before/1"]`, `seed ["allow","mallory","kubectl/v1.35.0"]`})
	})
}

// verifyClient is the line that has the webhook's input ask for certificates.
const verifyClient = "tls.verify_client_cert: on"

func asksForCertificates(binary string) bool {
	help, _ := exec.Command(binary, "-i", "http", "-h").CombinedOutput()
	name, _, _ := strings.Cut(verifyClient, ":")
	return strings.Contains(string(help), name)
}

// without takes a line out of a file, which must have it.
func without(t *testing.T, path, line string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(line)) {
		t.Fatalf("%s has no %q", path, line)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(line), nil, 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificates are those of the aggregator's secret, and the client's.
type certificates struct {
	ca     string
	client tls.Certificate
	pool   *x509.CertPool
}

// post sends a body as an API server does, with or without a certificate.
func (c *certificates) post(port string, body []byte, certificate bool) error {
	config := &tls.Config{RootCAs: c.pool, ServerName: "newterms-aggregator.newterms-aggregator.svc"}
	if certificate {
		config.Certificates = []tls.Certificate{c.client}
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	resp, err := client.Post("https://127.0.0.1:"+port+"/kube.audit", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode >= 300 {
		return os.ErrInvalid
	}
	return nil
}

// issue makes certificates with the recipe that ships.
func issue(t *testing.T, dir string, clients ...string) *certificates {
	t.Helper()
	script := filepath.Join(manifests, "overlays/aggregator/certificates.sh")
	for range 2 { // the second run finds all there, and changes nothing
		if out, err := exec.Command("sh", append([]string{script, dir}, clients...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	c := &certificates{ca: filepath.Join(dir, "ca.crt"), pool: x509.NewCertPool()}
	text, err := os.ReadFile(c.ca)
	if err != nil {
		t.Fatal(err)
	}
	if !c.pool.AppendCertsFromPEM(text) {
		t.Fatalf("no certificate: %s", text)
	}
	name := "kube-apiserver"
	if len(clients) > 0 {
		name = clients[0]
	}
	if c.client, err = tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "ca.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("ca.key: %v, %v", info.Mode(), err)
	}
	return c
}

// snippets returns the configurations that the pages for Kubernetes show.
func snippets(t *testing.T) (list []string) {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(manifests, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		guide, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split(string(guide), "```") {
			if text, ok := strings.CutPrefix(part, "yaml\n"); ok && i%2 == 1 && strings.Contains(text, "- name: ") && !strings.Contains(text, "kind:") {
				list = append(list, text)
			}
		}
	}
	return list
}

// TestSlack runs the configuration that the guide shows for Slack against a
// server that keeps what is posted: the text says what is new.
func TestSlack(t *testing.T) {
	all := snippets(t)
	i := slices.IndexFunc(all, func(s string) bool { return strings.Contains(s, "name: slack") })
	if i < 0 {
		t.Fatal("the guide does not show Slack")
	}
	fluentbit.Each(t, func(t *testing.T, binary string) {
		var mu sync.Mutex
		var posted []string
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			posted = append(posted, string(body))
			mu.Unlock()
			_, _ = w.Write([]byte("ok"))
		}))
		defer server.Close()
		dir := t.TempDir()
		t.Setenv("SLACK_WEBHOOK", server.URL+"/services/x")
		log := filepath.Join(dir, "audit.log")
		if err := os.WriteFile(log, event(1, "mallory", "curl/8.5.0", "/api"), 0o600); err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(all[i], "min_severity: high", "min_severity: low", 1)
		// The server's certificate is of nobody.
		text = strings.Replace(text, "webhook: ${SLACK_WEBHOOK}\n", "webhook: ${SLACK_WEBHOOK}\n      tls: on\n      tls.verify: off\n", 1)
		text = strings.Replace(text, "  inputs:\n", "  inputs:\n    - name: tail\n      tag: kube.audit\n      path: "+log+"\n      parser: audit\n      read_from_head: on\n", 1)
		text = strings.Replace(text, "  outputs:\n", "  outputs:\n    - name: newterms\n      match: kube.audit\n      rules: "+fluentbit.Rules+"\n      state_path: "+dir+"/state\n      learn: off\n", 1)
		fluentbit.Prelude(dir) // writes parsers.conf
		text = "service:\n  flush: 0.2\n  parsers_file: parsers.conf\nplugins:\n  - " + fluentbit.Plugin + "\n  - " + fluentbit.Plugin + "\n" + text
		config := filepath.Join(dir, "fluent-bit.yaml")
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		fb := fluentbit.StartFile(t, binary, config)
		fluentbit.Eventually(t, "a post", func() bool { mu.Lock(); defer mu.Unlock(); return len(posted) > 0 })
		fb.Stop()
		for _, want := range []string{"Kubernetes Unusual Decision by User Agent", "curl/8.5.0", "mallory", "seen before"} {
			if !strings.Contains(posted[0], want) {
				t.Errorf("the text does not say %q: %s", want, posted[0])
			}
		}
		if len(posted[0]) > 1000 {
			t.Errorf("the text is %d bytes: %.300s", len(posted[0]), posted[0])
		}
	})
}

// TestSnippets runs each snippet of configuration in the pages for Kubernetes
// past Fluent Bit, which knows the plugins and their properties.
func TestSnippets(t *testing.T) {
	t.Parallel()
	snippets := snippets(t)
	if len(snippets) < 5 {
		t.Fatalf("%d snippets", len(snippets))
	}
	fluentbit.Each(t, func(t *testing.T, binary string) {
		for _, snippet := range snippets {
			dir := t.TempDir()
			text := snippet
			if strings.HasPrefix(text, "pipeline:") {
				text = "plugins:\n  - " + fluentbit.Plugin + "\n  - " + fluentbit.Plugin + "\n" + text
			} else {
				text = "pipeline:\n  inputs:\n    - name: dummy\n      tag: alert.newterms\n  outputs:\n" + text
			}
			path := filepath.Join(dir, "fluent-bit.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			fb := fluentbit.StartFile(t, binary, path, "--dry-run")
			if err := <-fb.Done; err != nil || !strings.Contains(fb.Log.String(), "configuration test is successful") {
				t.Errorf("%v\n%s\n%s", err, text, fb.Log)
			}
			if s := fb.Log.String(); strings.Contains(s, "unknown configuration property") || strings.Contains(s, "[error]") {
				t.Errorf("%s\n%s", text, s)
			}
		}
	})
}
