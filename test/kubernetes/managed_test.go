package kubernetes

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	kgosasl "github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"fluent-bit-newterms/test/fluentbit"
)

// recorded returns the first n completed requests of the audit log.
func recorded(t *testing.T, n int) (lines [][]byte) {
	t.Helper()
	for line := range bytes.Lines(fluentbit.Gunzip(t, filepath.Join(fluentbit.Root, "test/testdata/k8s-audit.jsonl.gz"))) {
		if len(lines) < n && bytes.Contains(line, []byte(`"ResponseComplete"`)) {
			lines = append(lines, bytes.TrimSpace(line))
		}
	}
	return lines
}

// managed runs the configuration for a managed cluster, sends it what the
// cloud sends, and wants the alerts that the command finds in that.
func managed(t *testing.T, name, body string, send func(t *testing.T, dir, port string, certs *certificates), replacements ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(manifests, "managed", name))
	if err != nil {
		t.Fatal(err)
	}
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		certs := issue(t, filepath.Join(dir, "conf/tls"), "eks-lambda")
		port := fluentbit.FreePort(t)
		replacements := append(append([]string{"8443", port}, replacements...), here(dir, "", fluentbit.FreePort(t), fluentbit.Rules)...)
		config := filepath.Join(lay(t, filepath.Join(dir, "conf"), map[string]string{name: string(text)}, replacements...), name)
		if strings.Contains(string(text), verifyClient) && !asksForCertificates(binary) {
			without(t, config, verifyClient)
		}
		if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o755); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "body.json")
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		want := fluentbit.Replayed(t, fluentbit.Rules, file)
		if len(want) == 0 {
			t.Fatal("the command finds no alert in the recorded body")
		}
		fb := fluentbit.StartFile(t, binary, config)
		send(t, dir, port, certs)
		fluentbit.Eventually(t, "alerts", func() bool { return len(printed(t, fb)) >= len(want) })
		fb.Stop()
		fluentbit.Same(t, fluentbit.Names(printed(t, fb)), want)
	})
}

// TestEKS calls the Lambda function as CloudWatch does, with a batch of the
// log that it has packed.
func TestEKS(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on the PATH, which the Lambda function needs")
	}
	type logEvent struct {
		ID        string `json:"id"`
		Timestamp int64  `json:"timestamp"`
		Message   string `json:"message"`
	}
	batch := map[string]any{"messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "/aws/eks/demo/cluster",
		"logStream": "kube-apiserver-audit-1", "subscriptionFilters": []string{"newterms"}}
	var events []logEvent
	for _, line := range recorded(t, 300) {
		events = append(events, logEvent{"1", 1764292366000, string(line)})
	}
	batch["logEvents"] = events
	body, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	packed := func(body []byte) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body)
		_ = z.Close()
		event, _ := json.Marshal(map[string]any{"awslogs": map[string]string{"data": base64.StdEncoding.EncodeToString(b.Bytes())}})
		return event
	}
	managed(t, "eks.yaml", string(body), func(t *testing.T, dir, port string, certs *certificates) {
		code, err := os.ReadFile(filepath.Join(manifests, "managed/eks_lambda.py"))
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(dir, "conf/tls") // ca.crt, eks-lambda.crt and eks-lambda.key are there
		lay(t, folder, map[string]string{"eks_lambda.py": string(code)})
		call := func(event []byte, server string) error {
			cmd := exec.Command(python, "-B", "-c", "import json, sys; sys.path.insert(0, sys.argv[1]); import eks_lambda; eks_lambda.handler(json.load(sys.stdin), None)", folder)
			cmd.Env = append(os.Environ(), "NEWTERMS_URL=https://127.0.0.1:"+port+"/kube.audit", "NEWTERMS_SERVER="+server)
			cmd.Stdin = bytes.NewReader(event)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Logf("%s", out)
			}
			return err
		}
		const server = "newterms-aggregator.newterms-aggregator.svc"
		if err := call(packed([]byte(`{"messageType":"CONTROL_MESSAGE"}`)), server); err != nil {
			t.Errorf("CloudWatch's trial: %v", err)
		}
		fluentbit.Eventually(t, "the function", func() bool { return call(packed(body), server) == nil })
		if call(packed(body), "another.name") == nil {
			t.Error("it takes a certificate for another name")
		}
	})
}

// TestGKE posts entries as a push subscription without wrapping does.
func TestGKE(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(fluentbit.Root, "test/testdata/gke.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	managed(t, "gke.yaml", string(text), func(t *testing.T, _, port string, certs *certificates) {
		for entry := range bytes.Lines(text) {
			fluentbit.Eventually(t, "the http input", func() bool { return certs.post(port, bytes.TrimSpace(entry), false) == nil })
		}
	})
}

// TestAKS has a broker that speaks Kafka's protocol over TLS, as Event Hubs
// do, hold what a diagnostic setting writes: records under a key, the event as
// text.
func TestAKS(t *testing.T) {
	for _, binary := range fluentbit.Binaries() {
		if help, _ := exec.Command(binary, "-i", "kafka", "-h").CombinedOutput(); !bytes.Contains(help, []byte("group_id")) {
			t.Skipf("Fluent Bit %s was built without its kafka input", fluentbit.Version(binary))
		}
	}
	var messages [][]byte
	lines := recorded(t, 300)
	for i := 0; i < len(lines); i += 20 {
		var records []map[string]any
		for _, line := range lines[i:min(i+20, len(lines))] {
			records = append(records, map[string]any{"time": "2026-11-23T01:12:00Z", "category": "kube-audit", "operationName": "Microsoft.ContainerService/managedClusters/diagnosticLogs/Read",
				"resourceId": "/SUBSCRIPTIONS/1/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/DEMO",
				"properties": map[string]any{"log": string(line) + "\n", "stream": "stdout", "pod": "kube-apiserver-1"}})
		}
		message, err := json.Marshal(map[string]any{"records": records})
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, message)
	}
	const secret = "Endpoint=sb://demo.servicebus.windows.net/;SharedAccessKeyName=newterms;SharedAccessKey=c2VjcmV0;EntityPath=audit"
	authority := t.TempDir()
	issue(t, authority)
	pair, err := tls.LoadX509KeyPair(filepath.Join(authority, "tls.crt"), filepath.Join(authority, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "audit"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "$ConnectionString", secret),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	send := func(t *testing.T, _, _ string, _ *certificates) {
		client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DialTLSConfig(&tls.Config{InsecureSkipVerify: true}), kgo.SASL(sasl(secret)))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for _, message := range messages {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "audit", Value: message}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("EVENTHUB_NAMESPACE", "demo")
	t.Setenv("EVENTHUB_NAME", "audit")
	t.Setenv("EVENTHUB_CONNECTION_STRING", secret)
	managed(t, "aks.yaml", string(bytes.Join(messages, []byte("\n"))), send,
		"${EVENTHUB_NAMESPACE}.servicebus.windows.net:9093", cluster.ListenAddrs()[0],
		// Event Hubs have a certificate of a public authority, for their name.
		"      rdkafka.sasl.mechanism: PLAIN\n", "      rdkafka.sasl.mechanism: PLAIN\n      rdkafka.ssl.ca.location: "+filepath.Join(authority, "ca.crt")+
			"\n      rdkafka.ssl.endpoint.identification.algorithm: none\n")
}

// sasl is how a client of Event Hubs shows its connection string.
func sasl(secret string) kgosasl.Mechanism {
	return plain.Auth{User: "$ConnectionString", Pass: secret}.AsMechanism()
}
