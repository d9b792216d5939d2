package remote

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"fluent-bit-newterms/test/redisserver"
)

// TestSecrets goes through what can go wrong with a password, and wants it
// nowhere in what is said.
func TestSecrets(t *testing.T) {
	const password = "hunter2secret"
	var mu sync.Mutex
	var said []string
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, fmt.Sprintf(format, args...))
	}
	server := redisserver.Start(t, "user default off", "user nodes on >other ~* +@all", "user poor on >"+password+" ~newterms:* -@all +@connection")
	for _, test := range []struct{ url, want string }{
		{"redis://nodes:" + password + "@" + server.Addr, "user or password"},
		{"redis://:" + password + "@" + server.Addr, "user or password"},
		{"redis://poor:" + password + "@" + server.Addr, "may not do"},
		{"redis://nodes:" + password + "@127.0.0.1:" + redisserver.FreePort(t), "refused"},
		{"rediss://nodes:" + password + "@" + server.Addr, "decides by itself"},
	} {
		said = nil
		s := opened(t, test.url, Options{Logf: say})
		if got := ask(s, s.NewRule("r", "f", day), "x", 1); got.Kind != Down {
			t.Errorf("%s: %+v", test.want, got)
		}
		_ = s.Close()
		mu.Lock()
		text := strings.Join(said, "\n")
		mu.Unlock()
		if strings.Contains(text, password) {
			t.Errorf("the password is said: %s", text)
		}
		if !strings.Contains(text, test.want) {
			t.Errorf("%q does not say %q", text, test.want)
		}
	}
	_, err := ParseURL("redis://nodes:" + password + "@h?sentinel_password=" + password)
	if err == nil || strings.Contains(err.Error(), password) {
		t.Error(err)
	}
	c, err := ParseURL("redis+sentinel://nodes:" + password + "@h/m?sentinel_password=" + password)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%#v", *c), fmt.Sprintf("%v", *c), fmt.Sprintf("%s", c)} {
		if strings.Contains(text, password) {
			t.Errorf("a configuration prints its password: %s", text)
		}
	}
}

// TestFull has a server without memory left: nodes decide by themselves and
// say why.
func TestFull(t *testing.T) {
	server := redisserver.Start(t, "maxmemory 3mb", "maxmemory-policy noeviction")
	var mu sync.Mutex
	var said []string
	s := opened(t, "redis://"+server.Addr+"?timeout=5s", Options{Logf: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, fmt.Sprintf(format, args...))
	}})
	defer s.Close()
	r := s.NewRule("rule", "f", day)
	for n := 0; n < 100_000; n += 500 {
		var reqs []Request
		for i := range 500 {
			reqs = append(reqs, request(r, fmt.Sprint(n+i), 1000))
		}
		if slices.ContainsFunc(s.Claim(reqs), func(a Answer) bool { return a.Kind == Down }) {
			mu.Lock()
			defer mu.Unlock()
			if text := strings.Join(said, "\n"); !strings.Contains(text, "memory is full") {
				t.Errorf("it says %q", text)
			}
			return
		}
	}
	t.Error("the server took everything")
}
