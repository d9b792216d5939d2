package remote

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseURL(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		url   string
		says  string // String, or part of the error
		check func(c *Config) bool
	}{
		{"redis://h", "redis://h:6379/0", nil},
		{"REDIS://h/", "redis://h:6379/0", nil},
		{"redis://10.0.0.1:7/3", "redis://10.0.0.1:7/3", func(c *Config) bool { return c.db == 3 }},
		{"redis://[::1]:7", "redis://[::1]:7/0", nil},
		{"redis://[fe80::1]", "redis://[fe80::1]:6379/0", nil},
		{"rediss://h", "rediss://h:6379/0", func(c *Config) bool { return c.tls }},
		{"redis://:p@h", "redis://h:6379/0", func(c *Config) bool { return c.username == "" && c.password == "p" }},
		{"redis://u:p%40%2F%3A:@h", "redis://h:6379/0", func(c *Config) bool { return c.username == "u" && c.password == "p@/::" }},
		{"redis://u:p@x@h", "redis://h:6379/0", func(c *Config) bool { return c.password == "p@x" }},
		{"redis://h?password_file=" + file, "redis://h:6379/0", func(c *Config) bool { return c.password == "from file" }},
		{"redis://h?timeout=1s&claim=2m&prefix=x:", "redis://h:6379/0", func(c *Config) bool {
			return c.timeout == time.Second && c.claim == 2*time.Minute && c.prefix == "x:"
		}},
		{"redis+sentinel://a,b:1/m", "redis+sentinel://a:26379,b:1/m/0", func(c *Config) bool {
			return slices.Equal(c.addrs, []string{"a:26379", "b:1"}) && c.master == "m"
		}},
		{"redis+sentinel://a/m/4?sentinel_username=su&sentinel_password=sp", "redis+sentinel://a:26379/m/4", func(c *Config) bool {
			return c.db == 4 && c.sentinelUsername == "su" && c.sentinelPassword == "sp"
		}},
		{"redis+cluster://a,b:1,[::2]:3", "redis+cluster://a:6379,b:1,[::2]:3", nil},
		{"rediss+cluster://a?ca=/c&cert=/d&key=/e&server_name=s&skip_verify=on", "rediss+cluster://a:6379", func(c *Config) bool {
			return c.ca == "/c" && c.cert == "/d" && c.key == "/e" && c.serverName == "s" && c.skipVerify
		}},

		{"", "must begin with redis://", nil},
		{"h:6379", "must begin with", nil},
		{"redis+what://h", "must begin with", nil},
		{"redis://", "names no host", nil},
		{"redis://a,b", "several hosts", nil},
		{"redis://h:0", "port", nil},
		{"redis://h:port", "port", nil},
		{"redis://u:secret/x@h", "password holds a /", nil},
		{"redis://secret@h", "no colon", nil},
		{"redis://u:sec%zzret@h", "percent-encoded", nil},
		{"redis://u:secret#@h", "%23", nil},
		{"redis://h/x", "database must be a number", nil},
		{"redis+cluster://h/1", "no databases", nil},
		{"redis+sentinel://h", "name the master", nil},
		{"redis://h?what=secret", "parameter that does not exist; there are ca, ", nil},
		{"redis://h?ca=/c", "parameter ca is for TLS", nil},
		{"rediss://h?cert=/c", "belong together", nil},
		{"rediss://h?skip_verify=perhaps", "parameter skip_verify: on or off", nil},
		{"redis://h?timeout=1h", "parameter timeout: a time from 10ms to 5s", nil},
		{"redis://h?timeout=secret", "parameter timeout", nil},
		{"redis://h?claim=1ms", "parameter claim: a time from 1s to 1h", nil},
		{"redis://h?prefix={x}", "parameter prefix", nil},
		{"redis://h?password_file=/none", "parameter password_file: the file cannot be read", nil},
		{"redis://h?sentinel_password=secret", "redis+sentinel://", nil},
		{"redis://h?a=%zz", "parameters are not well", nil},
		{"redis://a b", "no host can be called", nil},
		{"redis://a:1:2", "a host must be", nil},
	} {
		c, err := ParseURL(test.url)
		if err != nil {
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v, want %q", test.url, err, test.says)
			}
			continue
		}
		if c.String() != test.says || test.check != nil && !test.check(c) {
			t.Errorf("%s: %s, want %s", test.url, c, test.says)
		}
	}
}

// FuzzParseURL wants no panic, no password in what is said, and what is said to
// be readable again.
func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"redis://u:p@h:1/2?timeout=1s", "rediss+sentinel://a,b:2/m/1", "redis+cluster://[::1]:3,c", "redis://:@h", "redis+sentinel://a/m%2Fx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_file") {
			return // files of this machine are not to be read
		}
		c, err := ParseURL(text)
		if err != nil {
			return
		}
		if len(c.password) > 8 && strings.Contains(c.String(), c.password) && !strings.Contains(strings.Join(c.addrs, ",")+c.master, c.password) {
			t.Errorf("%q prints its password", text)
		}
		again, err := ParseURL(c.String())
		if err != nil || again.String() != c.String() {
			t.Errorf("%q prints %q, which reads as %v, %v", text, c, again, err)
		}
	})
}
