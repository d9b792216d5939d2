package remote

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/test/redisserver"
)

// open opens a store, and closes it with the test.
func open(t testing.TB, url string, o Options) *Store {
	t.Helper()
	s := opened(t, url, o)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func opened(t testing.TB, url string, o Options) *Store {
	t.Helper()
	c, err := ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	if o.Logf == nil {
		o.Logf = func(format string, args ...any) { t.Logf(format, args...) }
	}
	s, err := Open(c, o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	return s
}

const day = 24 * time.Hour

// ask claims one tuple seen at ms.
func ask(s *Store, r *Rule, name string, ms int64) Answer {
	return s.Claim([]Request{request(r, name, ms)})[0]
}

func request(r *Rule, name string, ms int64) Request {
	return Request{Rule: r, Key: r.Key([]byte(name)), Sighting: seen.Sighting{First: ms, Last: ms, Count: 1}}
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("waited too long for %s", what)
}

// seenAt waits for a tuple to be marked.
func seenAt(t testing.TB, server *redisserver.Server, r *Rule, name string) {
	t.Helper()
	eventually(t, name+" to be seen", func() bool {
		return strings.HasPrefix(server.CLI("get", r.name(r.Key([]byte(name)))), "S")
	})
}

func TestClaims(t *testing.T) {
	server := redisserver.Start(t)
	url := "redis://" + server.Addr + "?claim=1s"
	a, b := open(t, url, Options{}), open(t, url, Options{})
	ra, rb := a.NewRule("rule", "f", day), b.NewRule("rule", "f", day)
	const at = int64(1_700_000_000_000)
	want := func(what string, got Answer, kind Kind) {
		t.Helper()
		if got.Kind != kind {
			t.Fatalf("%s: %+v, want kind %d", what, got, kind)
		}
	}
	want("first", ask(a, ra, "x", at), New)
	want("own claim again", ask(a, ra, "x", at), New)
	want("another's claim", ask(b, rb, "x", at), Claimed)
	want("another rule", ask(b, b.NewRule("other", "f", day), "x", at), New)
	want("another fingerprint", ask(b, b.NewRule("rule", "g", day), "x", at), New)
	a.Mark(true, request(ra, "x", at))
	seenAt(t, server, ra, "x")
	got := ask(b, rb, "x", at+day.Milliseconds())
	want("seen", got, Known)
	if got.Previous.First != at || got.Previous.Last != at {
		t.Errorf("previous %+v, want %d", got.Previous, at)
	}
	want("late", ask(b, rb, "x", at-10*day.Milliseconds()), Known)
	got = ask(b, rb, "x", at+3*day.Milliseconds())
	want("expired", got, Expired)
	if got.Previous.First != at-10*day.Milliseconds() || got.Previous.Last != at+day.Milliseconds() {
		t.Errorf("previous %+v", got.Previous)
	}
	want("expired, claimed", ask(a, ra, "x", at+3*day.Milliseconds()), Claimed)
	// The claim of a node that died expires.
	eventually(t, "the claim to expire", func() bool { return ask(a, ra, "x", at+3*day.Milliseconds()).Kind == New })
}

// TestExpiry looks at what the server does with keys: claims expire soon,
// tuples after window and two grains, those of an endless window never.
func TestExpiry(t *testing.T) {
	server := redisserver.Start(t)
	s := open(t, "redis://"+server.Addr+"?prefix=my:", Options{})
	r, ever := s.NewRule("rule", "f", 256*time.Hour), s.NewRule("ever", "f", 0)
	ask(s, r, "x", 1000)
	ask(s, ever, "x", 1000)
	ttl := func(r *Rule) string { return server.CLI("pttl", r.name(r.Key([]byte("x")))) }
	if n := len(ttl(r)); n != 5 {
		t.Errorf("a claim lasts %s ms, want about a minute", ttl(r))
	}
	s.Mark(true, request(r, "x", 1000), request(ever, "x", 1000))
	seenAt(t, server, r, "x")
	seenAt(t, server, ever, "x")
	if got := ttl(ever); got != "-1" {
		t.Errorf("a tuple that never expires does so in %s ms", got)
	}
	var ms int64
	fmt.Sscan(ttl(r), &ms)
	if want := (258 * time.Hour).Milliseconds(); ms > want || ms < want-60_000 {
		t.Errorf("a tuple expires in %d ms, want %d", ms, want)
	}
	for key := range strings.FieldsSeq(server.CLI("keys", "*")) {
		if !strings.HasPrefix(key, "my:") {
			t.Errorf("key %q is without the prefix", key)
		}
	}
}

// TestOutage takes the server away in every way: nothing blocks longer than
// the time-out, and what was decided meanwhile is there afterwards.
func TestOutage(t *testing.T) {
	for _, test := range []struct {
		name          string
		away, return_ func(s *redisserver.Server)
		lost          bool
	}{
		{"killed", (*redisserver.Server).Kill, (*redisserver.Server).Run, false},
		{"frozen", func(s *redisserver.Server) { _ = s.Process().Signal(syscall.SIGSTOP) },
			func(s *redisserver.Server) { _ = s.Process().Signal(syscall.SIGCONT) }, false},
		{"emptied", (*redisserver.Server).Kill, func(s *redisserver.Server) { s.Forget(); s.Run() }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := redisserver.Start(t)
			url := "redis://" + server.Addr + "?timeout=100ms"
			var local sync.Map // what a knows
			var rule *Rule
			a := opened(t, url, Options{Known: func(yield func(*Rule, []byte, seen.Sighting) bool) error {
				local.Range(func(name, ms any) bool {
					at := ms.(int64)
					return yield(rule, []byte(name.(string)), seen.Sighting{First: at, Last: at, Count: 1})
				})
				return nil
			}})
			defer a.Close()
			b := open(t, url, Options{})
			rule = a.NewRule("rule", "f", day)
			const at = int64(1_700_000_000_000)
			learn := func(name string) {
				local.Store(name, at)
				a.Mark(true, request(rule, name, at))
			}
			if got := ask(a, rule, "before", at); got.Kind != New {
				t.Fatalf("before: %+v", got)
			}
			learn("before")
			seenAt(t, server, rule, "before")

			test.away(server)
			for i := range 50 {
				name := fmt.Sprint("meanwhile", i)
				began := time.Now()
				got := ask(a, rule, name, at)
				if took := time.Since(began); took > 300*time.Millisecond {
					t.Errorf("a claim takes %s", took)
				}
				if got.Kind != Down {
					t.Fatalf("%s: %+v, want Down", name, got)
				}
				learn(name)
			}
			if st := a.Stats(); st.Up || st.Errors == 0 || st.Errors > 10 {
				t.Errorf("up %v with %d errors: the circuit is to keep claims from the server", st.Up, st.Errors)
			}
			test.return_(server)
			eventually(t, "both stores", func() bool { return a.Stats().Up && b.Stats().Up })
			for i := range 50 {
				seenAt(t, server, rule, fmt.Sprint("meanwhile", i))
			}
			seenAt(t, server, rule, "before")
			if got := ask(b, rule, "before", at); got.Kind != Known {
				t.Errorf("before, asked by another node: %+v, want Known", got)
			}
			if got := ask(b, rule, "after", at); got.Kind != New || got.Doubt != test.lost {
				t.Errorf("after: %+v, want New, in doubt %v", got, test.lost)
			}
		})
	}
}

// TestForgetful empties the server while nodes are connected, as a FLUSHALL or
// a failover to an empty replica would.
func TestForgetful(t *testing.T) {
	server := redisserver.Start(t)
	var rule *Rule
	s := opened(t, "redis://"+server.Addr, Options{Known: func(yield func(*Rule, []byte, seen.Sighting) bool) error {
		for i := range 1500 {
			if !yield(rule, fmt.Append(nil, i), seen.Sighting{First: 1, Last: 1}) {
				break
			}
		}
		return nil
	}})
	defer s.Close()
	rule = s.NewRule("rule", "f", day)
	eventually(t, "what is known to be sent at the start", func() bool { return server.CLI("dbsize") == "1501" })
	server.CLI("flushall")
	if got := ask(s, rule, "new", 1); got.Kind != New || !got.Doubt {
		t.Errorf("%+v, want New, in doubt", got)
	}
	eventually(t, "what is known to be sent again", func() bool { return server.CLI("dbsize") == "1502" })
}

// TestServers goes through the arrangements of servers.
func TestServers(t *testing.T) {
	try := func(t *testing.T, url string) {
		t.Helper()
		a, b := open(t, url, Options{}), open(t, url, Options{})
		ra, rb := a.NewRule("rule", "f", day), b.NewRule("rule", "f", day)
		var asked []Request
		for i := range 2000 {
			asked = append(asked, request(ra, fmt.Sprint(i), 1000))
		}
		for i, got := range a.Claim(asked) {
			if got.Kind != New {
				t.Fatalf("tuple %d: %+v, want New", i, got)
			}
		}
		a.Mark(true, asked[:1500]...)
		for i := range asked {
			asked[i].Rule = rb
		}
		eventually(t, "the marks", func() bool { return a.Stats().Marks == 1500 })
		for i, got := range b.Claim(asked) {
			if want := map[bool]Kind{true: Known, false: Claimed}[i < 1500]; got.Kind != want {
				t.Fatalf("tuple %d: %+v, want kind %d", i, got, want)
			}
		}
		since, err := a.Baseline(ra, Baseline{Since: 500})
		if err != nil || since != (Baseline{Since: 500}) {
			t.Errorf("baseline %+v, %v", since, err)
		}
		since, err = b.Baseline(rb, Baseline{Since: 900, Done: true})
		if err != nil || since != (Baseline{Since: 500, Done: true}) {
			t.Errorf("baseline %+v, %v", since, err)
		}
		since, err = a.Baseline(ra, Baseline{})
		if err != nil || since != (Baseline{Since: 500, Done: true}) {
			t.Errorf("baseline %+v, %v", since, err)
		}
	}
	t.Run("database", func(t *testing.T) {
		server := redisserver.Start(t)
		try(t, "redis://"+server.Addr+"/7")
		if got := server.CLI("-n", "7", "dbsize"); got != "2002" {
			t.Errorf("database 7 has %s keys", got)
		}
	})
	t.Run("cluster", func(t *testing.T) {
		servers := redisserver.StartCluster(t, 3)
		try(t, "redis+cluster://"+servers[2].Addr+","+servers[0].Addr+"?timeout=1s")
		for _, s := range servers {
			var n int
			if fmt.Sscan(s.CLI("dbsize"), &n); n < 400 {
				t.Errorf("a master has %d keys of 2000", n)
			}
		}
	})
	const acl = "user nodes on >s3cret/p@ss resetkeys ~newterms:* resetchannels -@all +@connection +get +set +pttl +eval +evalsha +hget +hset"
	t.Run("user", func(t *testing.T) {
		server := redisserver.Start(t, "user default off", acl)
		try(t, "redis://nodes:s3cret%2Fp%40ss@"+server.Addr)
	})
	t.Run("sentinel", func(t *testing.T) {
		server := redisserver.Start(t)
		_, port, _ := strings.Cut(server.Addr, ":")
		watch := redisserver.StartSentinel(t, "mymaster", "127.0.0.1", port)
		try(t, "redis+sentinel://"+watch.Addr+"/mymaster?timeout=1s")
	})
}

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
	c, err := ParseURL("redis://nodes:" + password + "@h?sentinel_password=" + password)
	if err == nil || strings.Contains(err.Error(), password) {
		t.Error(err)
	}
	c, err = ParseURL("redis+sentinel://nodes:" + password + "@h/m?sentinel_password=" + password)
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
	s := opened(t, "redis://"+server.Addr, Options{Logf: func(format string, args ...any) {
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
