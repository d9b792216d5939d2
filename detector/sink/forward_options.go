package sink

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// DefaultForwardTimeout bounds each step of a delivery: connecting, the
// handshake, sending, the wait for the acknowledgement.
const DefaultForwardTimeout = 10 * time.Second

// forwardPort is where Fluent Bit and Fluentd listen if they are not told.
const forwardPort = "24224"

// ForwardOptions say where a Forward sends alerts to, and how.
type ForwardOptions struct {
	Address ForwardAddress
	// NoVerify takes any certificate from the server.
	NoVerify bool
	// CAFile holds the certificates of the authorities to trust, in PEM; ""
	// stands for those of the system.
	CAFile string
	// CertFile and KeyFile are the client's certificate, in PEM, if it has one.
	CertFile, KeyFile string
	// ServerName is the name that the server's certificate must have; "" is
	// the host of the address.
	ServerName string

	// SharedKey is the key of the server, "" if it has none; without one there
	// is no handshake, and neither User nor Password.
	SharedKey    Secret
	User         string
	Password     Secret
	SelfHostname string        // what the handshake calls this side; "" is the host's name
	Timeout      time.Duration // of each step; 0 is DefaultForwardTimeout
}

// Secret is a text that must not be shown: printed, it does not say what it is.
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return "(secret)" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "(secret)" }

// ForwardAddress is where a server of the forward protocol listens.
type ForwardAddress struct {
	network string // tcp or unix
	address string // host:port or path
	host    string // of TCP, without the port
	TLS     bool
}

// ParseForwardAddress reads tcp://host:port, tls://host:port or unix:///path.
// The port may be left out, and is 24224 then.
func ParseForwardAddress(s string) (ForwardAddress, error) {
	const allowed = "tcp://host:port, tls://host:port or unix:///path"
	scheme, rest, ok := strings.Cut(s, "://")
	if strings.Contains(rest, "@") && !strings.HasPrefix(rest, "/") {
		// Not quoted: what stands there may be a password.
		return ForwardAddress{}, fmt.Errorf("an address holds neither a user nor a password; give them as properties of their own, and here %s", allowed)
	}
	if !ok {
		return ForwardAddress{}, fmt.Errorf("%q is not allowed; %s", s, allowed)
	}
	switch strings.ToLower(scheme) {
	case "unix":
		if !filepath.IsAbs(rest) {
			return ForwardAddress{}, fmt.Errorf("%q is not allowed: the path of a socket begins with a slash, as in unix:///run/fluent-bit.sock", s)
		}
		return ForwardAddress{network: "unix", address: rest}, nil
	case "tcp", "tls":
		host, port, err := splitHostPort(strings.TrimSuffix(rest, "/"))
		if err != nil {
			return ForwardAddress{}, fmt.Errorf("%q is not allowed: %w; %s", s, err, allowed)
		}
		return ForwardAddress{
			network: "tcp", address: net.JoinHostPort(host, port), host: host, TLS: strings.EqualFold(scheme, "tls"),
		}, nil
	}
	return ForwardAddress{}, fmt.Errorf("%q is not allowed: %q is no kind of address; %s", s, scheme, allowed)
}

func splitHostPort(s string) (host, port string, err error) {
	if strings.ContainsAny(s, "/?# \t") {
		return "", "", errors.New("nothing may follow the port")
	}
	bare := strings.HasSuffix(s, "]") || !strings.Contains(s, ":")
	if bare {
		s += ":" + forwardPort
	}
	if host, port, err = net.SplitHostPort(s); err != nil {
		return "", "", errors.New("an IPv6 address stands in brackets, as in [::1]:24224")
	}
	if host == "" {
		return "", "", errors.New("there is no host")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", "", errors.New("a port is a number from 1 to 65535")
	}
	return host, port, nil
}

// String returns the address as users write it.
func (a ForwardAddress) String() string {
	switch {
	case a.network == "unix":
		return "unix://" + a.address
	case a.TLS:
		return "tls://" + a.address
	}
	return "tcp://" + a.address
}

// IsZero tells that no address was given.
func (a ForwardAddress) IsZero() bool { return a.address == "" }

// Unix tells whether the address is that of a Unix socket.
func (a ForwardAddress) Unix() bool { return a.network == "unix" }

// Local tells whether the address is known to be on this machine.
func (a ForwardAddress) Local() bool {
	ip := net.ParseIP(a.host)
	return a.Unix() || strings.EqualFold(a.host, "localhost") || ip != nil && ip.IsLoopback()
}

// What is wrong with TLS, for callers that know the names of the options.
var (
	ErrCAFile   = errors.New("the certificates of the authorities")
	ErrCertFile = errors.New("the client's certificate")
	ErrKeyFile  = errors.New("the client's key")
)

// tlsConfig reads the certificates. It is called for each connection, so that
// renewed ones are taken up without a restart.
func (o *ForwardOptions) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName, InsecureSkipVerify: o.NoVerify}
	if c.ServerName == "" {
		c.ServerName = o.Address.host
	}
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%w cannot be read: %w", ErrCAFile, err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%w: %s holds no certificate in PEM form", ErrCAFile, o.CAFile)
		}
	}
	if o.CertFile == "" {
		return c, nil
	}
	cert, err := os.ReadFile(o.CertFile)
	if err != nil {
		return nil, fmt.Errorf("%w cannot be read: %w", ErrCertFile, err)
	}
	key, err := os.ReadFile(o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%w cannot be read: %w", ErrKeyFile, err)
	}
	if encrypted(key) {
		return nil, fmt.Errorf("%w in %s is encrypted, and there is no way to give its password; write it without one (openssl pkey) and let only the user that runs Fluent Bit read it", ErrKeyFile, o.KeyFile)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%w: %s and %s are not a certificate and its key: %w", ErrCertFile, o.CertFile, o.KeyFile, err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

func encrypted(key []byte) bool {
	block, _ := pem.Decode(key)
	return block != nil && (strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "")
}
