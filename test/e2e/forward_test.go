package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluent-bit-newterms/test/fluentbit"
)

// receiver is the configuration of a Fluent Bit that takes forwarded alerts
// and files them; more are further lines of its input. What it acknowledges it
// has on disk: with its storage in memory it would lose that when it is killed.
func receiver(t *testing.T, out string, more ...string) (dir, config string) {
	t.Helper()
	dir = t.TempDir()
	return dir, "[SERVICE]\n    Flush 0.2\n    Grace 5\n    storage.path " + filepath.Join(dir, "storage") + "\n" +
		fluentbit.Section("INPUT", append([]string{"Name forward", "storage.type filesystem"}, more...)...) + fluentbit.ToFile("alert.*", out)
}

// forwarder is the configuration of a Fluent Bit that forwards its alerts.
func forwarder(dir, log string, more ...string) string {
	return fluentbit.Prelude(dir) + fluentbit.Tail(log) + fluentbit.Detector("kube.*", filepath.Join(dir, "state"), append([]string{"Rules " + fluentbit.Rules}, more...)...)
}

// TestForward sends alerts from one Fluent Bit to another in every way that
// there is.
func TestForward(t *testing.T) {
	t.Parallel()
	certs := t.TempDir()
	crt, key := selfSigned(t, certs)
	socket := filepath.Join(certs, "forward.sock")
	for _, test := range []struct {
		name     string
		receiver []string // lines of the forward input; PORT is filled in
		sender   []string // lines of the output
	}{
		{"tcp", []string{"Port PORT"}, []string{"Alert_Forward tcp://127.0.0.1:PORT"}},
		{"unix socket", []string{"Unix_Path " + socket}, []string{"Alert_Forward unix://" + socket}},
		{"TLS", []string{"Port PORT", "tls on", "tls.crt_file " + crt, "tls.key_file " + key},
			[]string{"Alert_Forward tls://127.0.0.1:PORT", "Alert_Forward_TLS_CA_File " + crt, "Alert_Forward_TLS_VHost aggregator.example"}},
		{"shared key", []string{"Port PORT", "Shared_Key secret", "Self_Hostname aggregator"},
			[]string{"Alert_Forward tcp://127.0.0.1:PORT", "Alert_Forward_Shared_Key secret"}},
		{"user", []string{"Port PORT", "Shared_Key secret", "Self_Hostname aggregator", "Security.Users node pass"},
			[]string{"Alert_Forward tcp://127.0.0.1:PORT", "Alert_Forward_Shared_Key secret", "Alert_Forward_User node", "Alert_Forward_Password pass"}},
		{"TLS and shared key", []string{"Port PORT", "tls on", "tls.crt_file " + crt, "tls.key_file " + key, "Shared_Key secret"},
			[]string{"Alert_Forward tcp://127.0.0.1:PORT", "Alert_Forward_TLS on", "Alert_Forward_TLS_Verify off", "Alert_Forward_Shared_Key secret"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fluentbit.Each(t, func(t *testing.T, binary string) {
				_ = os.Remove(socket)
				port := fluentbit.FreePort(t)
				fill := func(lines []string) []string {
					return strings.Split(strings.ReplaceAll(strings.Join(lines, "\n"), "PORT", port), "\n")
				}
				out := filepath.Join(t.TempDir(), "alerts")
				there, config := receiver(t, out, fill(test.receiver)...)
				far := fluentbit.Start(t, binary, there, config)
				here := t.TempDir()
				log := fluentbit.AuditLog(t, here)
				near := fluentbit.Start(t, binary, here, forwarder(here, log, append(fill(test.sender), "Alert_Tag alert.{rule_id}")...))
				fluentbit.Settled(t, out, fluentbit.SeedAlerts)
				near.Stop()
				far.Stop()
				fluentbit.Same(t, fluentbit.Names(fluentbit.Alerts(t, out)), fluentbit.Replayed(t, fluentbit.Rules, log))
				if strings.Contains(near.Log.String(), "secret") {
					t.Error("the log holds the shared key")
				}
			})
		})
	}
}

// TestForwardRefused has the wrong key: the log says so, without the key, and
// the alerts stay until the right one is given.
func TestForwardRefused(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		port, out := fluentbit.FreePort(t), filepath.Join(t.TempDir(), "alerts")
		there, config := receiver(t, out, "Port "+port, "Shared_Key right")
		far := fluentbit.Start(t, binary, there, config)
		here := t.TempDir()
		log := fluentbit.AuditLog(t, here)
		forward := "Alert_Forward tcp://127.0.0.1:" + port
		near := fluentbit.Start(t, binary, here, forwarder(here, log, forward, "Alert_Forward_Shared_Key hunter2"))
		fluentbit.Eventually(t, "the refusal", func() bool {
			return strings.Contains(near.Log.String(), "alerts cannot leave and are kept: cannot forward to tcp://127.0.0.1:"+port)
		})
		near.Stop()
		if strings.Contains(near.Log.String(), "hunter2") {
			t.Error("the log holds the shared key")
		}
		if n := fluentbit.CountLines(out); n != 0 {
			t.Errorf("%d alerts arrived", n)
		}
		near = fluentbit.Start(t, binary, here, forwarder(here, log, forward, "Alert_Forward_Shared_Key right"))
		fluentbit.Settled(t, out, fluentbit.SeedAlerts)
		near.Stop()
		far.Stop()
		fluentbit.Same(t, fluentbit.Names(fluentbit.Alerts(t, out)), fluentbit.Replayed(t, fluentbit.Rules, log))
	})
}

// TestForwardKilled kills the receiver, again and again, while alerts are on
// their way: none is lost, and what comes twice has the same uuid.
func TestForwardKilled(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		port, out := fluentbit.FreePort(t), filepath.Join(t.TempDir(), "alerts")
		there, config := receiver(t, out, "Port "+port)
		here := t.TempDir()
		data := fluentbit.Gunzip(t, filepath.Join(fluentbit.Root, "test/testdata/k8s-audit.jsonl.gz"))
		log := filepath.Join(here, "audit.log")
		if err := os.WriteFile(log, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		near := fluentbit.Start(t, binary, here, forwarder(here, log, "Alert_Forward tcp://127.0.0.1:"+port, "Alert_Forward_Timeout 2s"))

		// The log grows by a fifth at a time, each with a receiver of its own
		// that is killed; the alerts of the second come while there is none.
		const parts = 5
		lines := bytes.SplitAfter(data, []byte("\n"))
		for part := range parts {
			var far *fluentbit.Process
			if part != 1 {
				far = fluentbit.Start(t, binary, there, config)
			}
			before := fluentbit.CountLines(out)
			appendTo(t, log, bytes.Join(lines[part*len(lines)/parts:(part+1)*len(lines)/parts], nil))
			if far == nil {
				fluentbit.Eventually(t, "the trouble", func() bool { return strings.Contains(near.Log.String(), "alerts cannot leave") })
				continue
			}
			if part == 0 || part == 2 {
				fluentbit.Eventually(t, "alerts", func() bool { return fluentbit.CountLines(out) > before })
			}
			_ = far.Cmd.Process.Signal(syscall.SIGKILL)
			<-far.Done
		}
		far := fluentbit.Start(t, binary, there, config)
		want := fluentbit.Replayed(t, fluentbit.Rules, log)
		fluentbit.Eventually(t, "all alerts", func() bool { return len(distinct(t, received(t, out))) >= len(want) })
		time.Sleep(time.Second)
		near.Stop()
		far.Stop()
		fluentbit.Same(t, distinct(t, received(t, out)), want)
		t.Logf("%d alerts came as %d", len(want), fluentbit.CountLines(out))
	})
}

// received reads what receivers have filed that were killed at it: a line that
// one had only begun ends where the next begins its own, and the last may be
// unfinished.
func received(t *testing.T, path string) []fluentbit.Alert {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var whole []byte
	for line := range bytes.Lines(data) {
		for begun := 1; !json.Valid(line) && begun > 0; {
			if begun = bytes.Index(line[1:], []byte(`{"@timestamp":`)) + 1; begun > 0 {
				line = line[begun:]
			}
		}
		if bytes.HasSuffix(line, []byte("\n")) {
			whole = append(whole, line...)
		}
	}
	return fluentbit.ParseAlerts(t, whole)
}

// distinct returns the alerts without those that came before with the same
// uuid. One that came before with another is an error.
func distinct(t *testing.T, list []fluentbit.Alert) []string {
	t.Helper()
	uuids := make(map[string]string)
	var first []fluentbit.Alert
	for _, a := range list {
		switch uuid, came := uuids[a.String()]; {
		case !came:
			uuids[a.String()] = a.UUID
			first = append(first, a)
		case uuid != a.UUID:
			t.Errorf("%s came twice, with uuids %s and %s", a, uuid, a.UUID)
		}
	}
	return fluentbit.Names(first)
}

func appendTo(t *testing.T, path string, data []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
}

// selfSigned writes a certificate for aggregator.example, and its key.
func selfSigned(t *testing.T, dir string) (crt, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "aggregator.example"}, DNSNames: []string{"aggregator.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	bits, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("tls.crt", "CERTIFICATE", der), write("tls.key", "PRIVATE KEY", bits)
}
