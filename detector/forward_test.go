package detector

import (
	"strings"
	"testing"
	"time"
)

// properties of an output section, by name.
type section map[string]string

func (s section) Get(key string) string { return s[key] }

func TestForwardProperties(t *testing.T) {
	const key, value = "alert_forward_shared_key", "hunter2"
	for _, test := range []struct {
		name string
		in   section
		says string // "" if it is allowed
	}{
		{"plain", section{"alert_forward": "tcp://a:1"}, ""},
		{"TLS", section{"alert_forward": "tls://a:1", "alert_forward_tls_verify": "off", "alert_forward_tls_vhost": "b"}, ""},
		{"TLS by property", section{"alert_forward": "tcp://a:1", "alert_forward_tls": "on", "alert_forward_tls_ca_file": "/ca"}, ""},
		{"TLS twice", section{"alert_forward": "tls://a:1", "alert_forward_tls": "on"}, ""},
		{"user", section{"alert_forward": "unix:///s", key: value, "alert_forward_user": "u", "alert_forward_password": value}, ""},
		{"time-out", section{"alert_forward": "tcp://a", "alert_forward_timeout": "30s"}, ""},

		{"not an address", section{"alert_forward": "a:1"}, "property alert_forward: "},
		{"user in the address", section{"alert_forward": "tcp://u:hunter2@a:1"}, "neither a user nor a password"},
		{"no switch", section{"alert_forward": "tls://a", "alert_forward_tls_verify": "maybe"}, "property alert_forward_tls_verify: "},
		{"TLS contradicted", section{"alert_forward": "tls://a:1", "alert_forward_tls": "off"}, "contradicts"},
		{"TLS on a Unix socket", section{"alert_forward": "unix:///s", "alert_forward_tls": "on"}, "Unix socket"},
		{"TLS file without TLS", section{"alert_forward": "tcp://a:1", "alert_forward_tls_ca_file": "/ca"}, "alert_forward_tls_ca_file does nothing without TLS"},
		{"nowhere to forward to", section{key: value}, key + " does nothing without alert_forward"},
		{"certificate without a key", section{"alert_forward": "tls://a:1", "alert_forward_tls_crt_file": "/c"}, "belong together"},
		{"user without a key", section{"alert_forward": "tcp://a:1", "alert_forward_user": "u", "alert_forward_password": value}, "set alert_forward_shared_key"},
		{"user without a password", section{"alert_forward": "tcp://a:1", key: value, "alert_forward_user": "u"}, "belong together"},
		{"no time", section{"alert_forward": "tcp://a:1", "alert_forward_timeout": "1ms"}, "property alert_forward_timeout: "},
		{"too much time", section{"alert_forward": "tcp://a:1", "alert_forward_timeout": "1h"}, "from 1s to 10m"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.in["rules"] = "/rules"
			c, err := ParseConfig(test.in)
			if test.says == "" {
				if err != nil || !c.Forward.on() {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v, want an error that says %q", err, test.says)
			}
		})
	}
}

// TestForwardSettled follows the properties into the sink's options.
func TestForwardSettled(t *testing.T) {
	c, err := ParseConfig(section{
		"rules": "/rules", "alert_forward": "tcp://a:1", "alert_forward_tls": "on", "alert_forward_tls_verify": "off",
		"alert_forward_tls_ca_file": "/ca", "alert_forward_tls_crt_file": "/crt", "alert_forward_tls_key_file": "/key",
		"alert_forward_tls_vhost": "v", "alert_forward_shared_key": "k", "alert_forward_self_hostname": "h",
		"alert_forward_user": "u", "alert_forward_password": "p", "alert_forward_timeout": "7s",
	})
	if err != nil {
		t.Fatal(err)
	}
	f := c.Forward.ForwardOptions
	if !f.Address.TLS || f.Address.String() != "tls://a:1" || !f.NoVerify || f.CAFile != "/ca" || f.CertFile != "/crt" || f.KeyFile != "/key" ||
		f.ServerName != "v" || f.SharedKey != "k" || f.SelfHostname != "h" || f.User != "u" || f.Password != "p" || f.Timeout != 7*time.Second {
		t.Errorf("%+v", f)
	}
}
