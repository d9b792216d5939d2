package sink

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key, a.file, _ = a.issue(name, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	return a
}

// issue makes a certificate that is signed by a, or by itself if a has none.
func (a *authority) issue(name string, set func(c *x509.Certificate)) (cert *x509.Certificate, key *ecdsa.PrivateKey, certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	set(template)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		a.t.Fatal(err)
	}
	bits, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	write := func(suffix, kind string, bytes []byte) string {
		path := filepath.Join(a.dir, name+suffix)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		return path
	}
	return cert, key, write(".crt", "CERTIFICATE", der), write(".key", "PRIVATE KEY", bits)
}

func (a *authority) server(dnsNames ...string) tls.Certificate {
	a.t.Helper()
	_, _, crt, key := a.issue("server", func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = dnsNames, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	pair, err := tls.LoadX509KeyPair(crt, key)
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

func (a *authority) client() (crt, key string) {
	a.t.Helper()
	_, _, crt, key = a.issue("client", func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	return crt, key
}

func TestForwardTLS(t *testing.T) {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	crt, key := ours.client()
	strayCrt, strayKey := other.client()
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	mutual := func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool }
	old := func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11; c.MinVersion = tls.VersionTLS10 }
	for _, test := range []struct {
		name   string
		server func(*tls.Config)
		o      ForwardOptions
		says   string // "" if all is well
	}{
		{"own authority", nil, ForwardOptions{CAFile: ours.file, ServerName: "aggregator.example"}, ""},
		{"not the name", nil, ForwardOptions{CAFile: ours.file}, "certificate"},
		{"unknown authority", nil, ForwardOptions{CAFile: other.file, ServerName: "aggregator.example"}, "unknown authority"},
		{"the system's authorities", nil, ForwardOptions{ServerName: "aggregator.example"}, "unknown authority"},
		{"not verified", nil, ForwardOptions{NoVerify: true}, ""},
		{"client certificate", mutual, ForwardOptions{CAFile: ours.file, ServerName: "aggregator.example", CertFile: crt, KeyFile: key}, ""},
		{"client certificate missing", mutual, ForwardOptions{CAFile: ours.file, ServerName: "aggregator.example"}, "certificate"},
		{"client certificate of another", mutual, ForwardOptions{CAFile: ours.file, ServerName: "aggregator.example", CertFile: strayCrt, KeyFile: strayKey}, "certificate"},
		{"old version", old, ForwardOptions{NoVerify: true}, "version"},
	} {
		for _, sharedKey := range []string{"", "k"} {
			t.Run(test.name+" "+sharedKey, func(t *testing.T) {
				config := &tls.Config{Certificates: []tls.Certificate{ours.server("aggregator.example")}}
				if test.server != nil {
					test.server(config)
				}
				plain := listen(t)
				srv := serve(t, tls.NewListener(plain, config), func(s *server) { s.key = sharedKey })
				o := test.o
				o.SharedKey = Secret(sharedKey)
				s := open(t, o, "tls://"+plain.Addr().String())
				n, err := s.Deliver(t.Context(), alerts(3, "alert.x"))
				_, ids := srv.got()
				if test.says == "" && (err != nil || n != 3 || !slices.Equal(ids, want(3))) {
					t.Errorf("%d, %v, records %q", n, err, ids)
				}
				if test.says != "" && (err == nil || n != 0 || len(ids) != 0 || !strings.Contains(err.Error(), test.says)) {
					t.Errorf("%d, %v, records %q; want an error that says %q", n, err, ids, test.says)
				}
			})
		}
	}
}

// TestForwardRenewed replaces the authority's file between two connections.
func TestForwardRenewed(t *testing.T) {
	ours, next := newAuthority(t, "ours"), newAuthority(t, "next")
	plain := listen(t)
	var pair tls.Certificate
	config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }}
	pair = ours.server("x")
	srv := serve(t, tls.NewListener(plain, config), nil)
	s := open(t, ForwardOptions{CAFile: ours.file, ServerName: "x"}, "tls://"+plain.Addr().String())
	deliver(t, s, alerts(1, "alert.x"), 1)
	srv.hangUp()
	pair = next.server("x")
	text, err := os.ReadFile(next.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ours.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	deliver(t, s, alerts(1, "alert.x"), 1)
}

// TestForwardPlainToTLS speaks in clear to a server that wants TLS.
func TestForwardPlainToTLS(t *testing.T) {
	plain := listen(t)
	ours := newAuthority(t, "ours")
	serve(t, tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{ours.server("x")}}), nil)
	s := open(t, ForwardOptions{Timeout: time.Second}, "tcp://"+plain.Addr().String())
	if n, err := s.Deliver(t.Context(), alerts(1, "alert.x")); err == nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestForwardCertificates are files that are wrong: the sink does not open.
func TestForwardCertificates(t *testing.T) {
	ours := newAuthority(t, "ours")
	crt, key := ours.client()
	_, otherKey := newAuthority(t, "other").client()
	junk := filepath.Join(t.TempDir(), "junk")
	locked := filepath.Join(t.TempDir(), "locked")
	none := filepath.Join(t.TempDir(), "none")
	for path, text := range map[string]string{
		junk:   "junk",
		locked: "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name string
		o    ForwardOptions
		says string
	}{
		{"no authority", ForwardOptions{CAFile: none}, none},
		{"authority of junk", ForwardOptions{CAFile: junk}, "no certificate in PEM form"},
		{"no certificate", ForwardOptions{CertFile: none, KeyFile: key}, none},
		{"no key", ForwardOptions{CertFile: crt, KeyFile: none}, none},
		{"another's key", ForwardOptions{CertFile: crt, KeyFile: otherKey}, "are not a certificate and its key"},
		{"encrypted key", ForwardOptions{CertFile: crt, KeyFile: locked}, "is encrypted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var err error
			if test.o.Address, err = ParseForwardAddress("tls://" + net.JoinHostPort("localhost", "1")); err != nil {
				t.Fatal(err)
			}
			if _, err := NewForward(test.o); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
}
