package remote

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Defaults of a URL's parameters.
const (
	DefaultPort         = "6379"
	DefaultSentinelPort = "26379"
	DefaultTimeout      = 250 * time.Millisecond
	DefaultClaim        = time.Minute
	DefaultPrefix       = "newterms:"
)

// topology is how the servers are arranged.
type topology uint8

const (
	single topology = iota
	sentinel
	cluster
)

// Config says where the server is and how to reach it. It holds passwords, and
// prints itself without them.
type Config struct {
	topology topology
	tls      bool
	addrs    []string // host:port
	master   string   // the name that Sentinels know it by
	db       int

	username, password                 string
	sentinelUsername, sentinelPassword string

	ca, cert, key string // files
	serverName    string
	skipVerify    bool

	timeout time.Duration // of a command, and of a connection
	claim   time.Duration // how long a claim lasts
	prefix  string        // of all keys
}

var schemes = map[string]struct {
	topology topology
	tls      bool
}{
	"redis":           {single, false},
	"rediss":          {single, true},
	"redis+sentinel":  {sentinel, false},
	"rediss+sentinel": {sentinel, true},
	"redis+cluster":   {cluster, false},
	"rediss+cluster":  {cluster, true},
}

// IsURL tells whether text looks like a URL of this package, right or wrong.
func IsURL(text string) bool {
	scheme, _, ok := strings.Cut(text, "://")
	return ok && strings.HasPrefix(strings.ToLower(scheme), "redis")
}

// ParseURL reads where the shared store is:
//
//	redis://[[user]:password@]host[:port][/db]
//	redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/master[/db]
//	redis+cluster://[[user]:password@]host[:port][,host[:port]…]
//
// rediss:// and so on are the same over TLS. Users and passwords are
// percent-encoded. Parameters, after ?: ca, cert, key (PEM files), server_name,
// skip_verify (on, off), password_file, sentinel_username, sentinel_password,
// sentinel_password_file, timeout (250ms), claim (60s), prefix (newterms:).
//
// The error says what is wrong without repeating what may be a password.
func ParseURL(text string) (*Config, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	kind, known := schemes[strings.ToLower(scheme)]
	if !ok || !known {
		return nil, errors.New("it must begin with redis://, redis+sentinel:// or redis+cluster://, or with rediss for TLS")
	}
	c := &Config{
		topology: kind.topology, tls: kind.tls,
		timeout: DefaultTimeout, claim: DefaultClaim, prefix: DefaultPrefix,
	}
	if strings.Contains(rest, "#") {
		return nil, errors.New("it must not hold a #; write %23 for one in a password")
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if err := c.readUser(authority[:at]); err != nil {
			return nil, err
		}
		authority = authority[at+1:]
	}
	if err := c.readHosts(authority); err != nil {
		return nil, err
	}
	if err := c.readPath(path); err != nil {
		return nil, err
	}
	if err := c.readQuery(query); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) readUser(text string) (err error) {
	user, password, has := strings.Cut(text, ":")
	if !has {
		return errors.New("before the @ there must be user:password, or :password; it has no colon")
	}
	if c.username, err = url.PathUnescape(user); err == nil {
		c.password, err = url.PathUnescape(password)
	}
	if err != nil {
		return errors.New("the user or password is not well percent-encoded; write % as %25, @ as %40, / as %2F")
	}
	return nil
}

func (c *Config) readHosts(text string) error {
	port := DefaultPort
	if c.topology == sentinel {
		port = DefaultSentinelPort
	}
	for host := range strings.SplitSeq(text, ",") {
		addr, err := address(host, port)
		if err != nil {
			return err
		}
		c.addrs = append(c.addrs, addr)
	}
	if len(c.addrs) > 1 && c.topology == single {
		return errors.New("it names several hosts; use redis+sentinel:// or redis+cluster:// if that is what they are")
	}
	return nil
}

// address makes host:port of one host of a URL.
func address(text, port string) (string, error) {
	host := text
	if h, p, err := net.SplitHostPort(text); err == nil {
		host, port = h, p
	} else if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		host = text[1 : len(text)-1]
	} else if strings.ContainsAny(text, ":[]") {
		return "", errors.New("a host must be name, name:port or [IPv6]:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("a port must be a number from 1 to 65535; if the password holds a /, ? or @, write %2F, %3F or %40")
	}
	ok := func(r rune) bool { // names, IPv4, IPv6 with zone
		return r == '.' || r == '-' || r == '_' || r == ':' || r == '%' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z'
	}
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return !ok(r) }) {
		return "", errors.New("it names no host, or one that no host can be called")
	}
	return net.JoinHostPort(host, port), nil
}

func (c *Config) readPath(path string) error {
	path = strings.TrimSuffix(path, "/")
	if c.topology == sentinel {
		master, db, _ := strings.Cut(path, "/")
		name, err := url.PathUnescape(master)
		if err != nil || name == "" {
			return errors.New("it must name the master after the Sentinels: redis+sentinel://host1,host2/mymaster")
		}
		c.master, path = name, db
	}
	if path == "" {
		return nil
	}
	if c.topology == cluster {
		return errors.New("a Cluster has no databases; nothing may follow its hosts but parameters")
	}
	db, err := strconv.ParseUint(path, 10, 16)
	if err != nil {
		return errors.New("the database must be a number; if the password holds a /, write %2F")
	}
	c.db = int(db)
	return nil
}

// SkipsVerify tells whether any certificate of the server will do.
func (c *Config) SkipsVerify() bool { return c.tls && c.skipVerify }

// parameter is one of a URL's parameters.
type parameter struct {
	name string
	tls  bool // it is for TLS only
	read func(c *Config, text string) error
}

var parameters = []parameter{
	{"ca", true, func(c *Config, s string) error { c.ca = s; return nil }},
	{"cert", true, func(c *Config, s string) error { c.cert = s; return nil }},
	{"key", true, func(c *Config, s string) error { c.key = s; return nil }},
	{"server_name", true, func(c *Config, s string) error { c.serverName = s; return nil }},
	{"skip_verify", true, func(c *Config, s string) (err error) {
		switch strings.ToLower(s) {
		case "on", "true", "yes":
			c.skipVerify = true
		case "off", "false", "no":
		default:
			return errors.New("on or off")
		}
		return nil
	}},
	{"password_file", false, func(c *Config, s string) (err error) { c.password, err = secret(s); return }},
	{"sentinel_username", false, func(c *Config, s string) error { c.sentinelUsername = s; return nil }},
	{"sentinel_password", false, func(c *Config, s string) error { c.sentinelPassword = s; return nil }},
	{"sentinel_password_file", false, func(c *Config, s string) (err error) { c.sentinelPassword, err = secret(s); return }},
	{"timeout", false, func(c *Config, s string) (err error) {
		c.timeout, err = span(s, 10*time.Millisecond, 5*time.Second)
		return
	}},
	{"claim", false, func(c *Config, s string) (err error) {
		c.claim, err = span(s, time.Second, time.Hour)
		return
	}},
	{"prefix", false, func(c *Config, s string) error {
		if len(s) > 100 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '{' || r == '}' || r >= 0x7f }) {
			return errors.New("at most 100 printable characters, no braces")
		}
		c.prefix = s
		return nil
	}},
}

func (c *Config) readQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("its parameters are not well percent-encoded")
	}
	for name := range values {
		if !slices.ContainsFunc(parameters, func(p parameter) bool { return p.name == name }) {
			names := make([]string, len(parameters))
			for i, p := range parameters {
				names[i] = p.name
			}
			return fmt.Errorf("it has a parameter that does not exist; there are %s", strings.Join(names, ", "))
		}
	}
	for _, p := range parameters {
		if !values.Has(p.name) {
			continue
		}
		if p.tls && !c.tls {
			return fmt.Errorf("parameter %s is for TLS; begin the URL with rediss", p.name)
		}
		if err := p.read(c, values.Get(p.name)); err != nil {
			return fmt.Errorf("parameter %s: %w", p.name, err)
		}
	}
	if (c.cert == "") != (c.key == "") {
		return errors.New("parameters cert and key belong together")
	}
	if c.topology != sentinel && (c.sentinelUsername != "" || c.sentinelPassword != "") {
		return errors.New("parameters for Sentinels need a redis+sentinel:// URL")
	}
	return nil
}

func span(s string, low, high time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < low || d > high {
		return 0, fmt.Errorf("a time from %s to %s, such as 500ms or 60s", low, high)
	}
	return d, nil
}

// secret reads a password from a file; a newline at its end is not part of it.
func secret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the file cannot be read: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// String describes the server for the log, without user, password or
// parameters.
func (c Config) String() string {
	for scheme, kind := range schemes {
		if kind.topology != c.topology || kind.tls != c.tls {
			continue
		}
		text := scheme + "://" + strings.Join(c.addrs, ",")
		if c.master != "" {
			text += "/" + url.PathEscape(c.master)
		}
		if c.topology != cluster {
			text += "/" + strconv.Itoa(c.db)
		}
		return text
	}
	return ""
}

// GoString keeps %#v from printing passwords.
func (c Config) GoString() string { return "remote.Config(" + c.String() + ")" }

// Format keeps every other verb from it too.
func (c Config) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }
