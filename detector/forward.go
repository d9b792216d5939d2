package detector

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/sink"
)

// forwardConfig is what alert_forward and its company say.
type forwardConfig struct {
	sink.ForwardOptions
	tls    *bool // alert_forward_tls; nil: as the address says
	verify *bool // alert_forward_tls_verify
}

// forwardProperties are named as Fluent Bit's own forward output names them,
// with alert_forward_ before and dots as underscores.
var forwardProperties = []property{
	{"alert_forward", func(c *Config, s string) (err error) { c.Forward.Address, err = sink.ParseForwardAddress(s); return }},
	{"alert_forward_tls", func(c *Config, s string) error { return parseSwitchTo(&c.Forward.tls, s) }},
	{"alert_forward_tls_verify", func(c *Config, s string) error { return parseSwitchTo(&c.Forward.verify, s) }},
	{"alert_forward_tls_ca_file", func(c *Config, s string) error { c.Forward.CAFile = s; return nil }},
	{"alert_forward_tls_crt_file", func(c *Config, s string) error { c.Forward.CertFile = s; return nil }},
	{"alert_forward_tls_key_file", func(c *Config, s string) error { c.Forward.KeyFile = s; return nil }},
	{"alert_forward_tls_vhost", func(c *Config, s string) error { c.Forward.ServerName = s; return nil }},
	{"alert_forward_shared_key", func(c *Config, s string) error { c.Forward.SharedKey = sink.Secret(s); return nil }},
	{"alert_forward_self_hostname", func(c *Config, s string) error { c.Forward.SelfHostname = s; return nil }},
	{"alert_forward_user", func(c *Config, s string) error { c.Forward.User = s; return nil }},
	{"alert_forward_password", func(c *Config, s string) error { c.Forward.Password = sink.Secret(s); return nil }},
	{"alert_forward_timeout", func(c *Config, s string) (err error) {
		if c.Forward.Timeout, err = rule.ParseSpan(s); err == nil && (c.Forward.Timeout < time.Second || c.Forward.Timeout > 10*time.Minute) {
			err = fmt.Errorf("%q is not allowed; from 1s to 10m", s)
		}
		return
	}},
}

func parseSwitchTo(to **bool, s string) error {
	on, err := parseSwitch(s)
	*to = &on
	return err
}

// on tells whether alerts are forwarded.
func (f *forwardConfig) on() bool { return !f.Address.IsZero() }

// settle checks the properties against each other.
func (f *forwardConfig) settle(given []string) error {
	if !f.on() {
		for _, name := range given {
			if strings.HasPrefix(name, "alert_forward_") {
				return fmt.Errorf("property %s does nothing without alert_forward; set that to tcp://host:port, tls://host:port or unix:///path", name)
			}
		}
		return nil
	}
	if f.tls != nil {
		switch {
		case *f.tls && f.Address.Unix():
			return errors.New("property alert_forward_tls: a Unix socket has no TLS; leave it out, or forward to tls://host:port")
		case !*f.tls && f.Address.TLS:
			return errors.New("property alert_forward_tls: off contradicts the tls:// of alert_forward; leave it out, or write tcp://")
		}
		f.Address.TLS = *f.tls
	}
	f.NoVerify = f.verify != nil && !*f.verify
	if !f.Address.TLS {
		for _, name := range given {
			if strings.HasPrefix(name, "alert_forward_tls_") {
				return fmt.Errorf("property %s does nothing without TLS; set alert_forward to tls://host:port, or alert_forward_tls to on", name)
			}
		}
	}
	switch {
	case (f.CertFile == "") != (f.KeyFile == ""):
		return errors.New("properties alert_forward_tls_crt_file and alert_forward_tls_key_file belong together: set both or neither")
	case f.SharedKey == "" && (f.User != "" || f.Password != ""):
		return errors.New("properties alert_forward_user and alert_forward_password are only sent to a server with a shared key; set alert_forward_shared_key as well")
	case (f.User == "") != (f.Password == ""):
		return errors.New("properties alert_forward_user and alert_forward_password belong together: set both or neither")
	}
	return nil
}

// forwardProperty names the property that an error of sink.NewForward is about.
func forwardProperty(err error) string {
	switch {
	case errors.Is(err, sink.ErrCAFile):
		return "alert_forward_tls_ca_file"
	case errors.Is(err, sink.ErrCertFile):
		return "alert_forward_tls_crt_file"
	case errors.Is(err, sink.ErrKeyFile):
		return "alert_forward_tls_key_file"
	}
	return "alert_forward"
}
