package remote

import (
	"fmt"
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
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
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

// terms writes strings as terms.
func terms(values ...string) (b []byte) {
	for _, s := range values {
		b, _ = seen.AppendAny(b, s)
	}
	return b
}

// TestTerms asks which terms of a tuple are new by themselves, to all nodes.
func TestTerms(t *testing.T) {
	server := redisserver.Start(t)
	a, b := open(t, "redis://"+server.Addr, Options{}), open(t, "redis://"+server.Addr, Options{})
	ask := func(s *Store, id string, values ...string) (Request, Answer) {
		r := s.NewRule(id, "f", day)
		x := terms(values...)
		req := Request{Rule: r, Key: r.Key(x), Terms: r.Terms(x), Sighting: seen.Sighting{First: 1000, Last: 1000, Count: 1}}
		return req, s.Claim([]Request{req})[0]
	}
	req, got := ask(a, "rule", "ann", "curl")
	if got.Kind != New || got.Novel != 0b11 {
		t.Errorf("the first tuple: %+v, want both terms novel", got)
	}
	a.Mark(true, req)
	seenAt(t, server, req.Rule, string(terms("ann", "curl")))
	for _, test := range []struct {
		id     string
		values []string
		want   uint32
	}{
		{"rule", []string{"ann", "kubectl"}, 0b10},
		{"rule", []string{"bob", "curl"}, 0b01},
		{"rule", []string{"curl", "ann"}, 0b11},
		{"other", []string{"ann", "curl"}, 0b11},
		{"rule", []string{"ann"}, 0},
	} {
		if _, got := ask(b, test.id, test.values...); got.Kind != New || got.Novel != test.want {
			t.Errorf("%s %q: %+v, want novel %b", test.id, test.values, got, test.want)
		}
	}
	if got := server.CLI("pttl", req.Rule.termName(req.Terms[0])); len(got) != 8 {
		t.Errorf("a term expires in %s ms, want about a day", got)
	}
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
			ready := make(chan struct{}) // rule is set
			a := opened(t, url, Options{Known: func(yield func(*Rule, []byte, seen.Sighting) bool) error {
				<-ready
				local.Range(func(name, ms any) bool {
					at := ms.(int64)
					return yield(rule, []byte(name.(string)), seen.Sighting{First: at, Last: at, Count: 1})
				})
				return nil
			}})
			defer a.Close()
			b := open(t, url, Options{})
			rule = a.NewRule("rule", "f", day)
			close(ready)
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
			const claims = 50
			began := time.Now()
			for i := range claims {
				name := fmt.Sprint("meanwhile", i)
				got := ask(a, rule, name, at)
				if got.Kind != Down {
					t.Fatalf("%s: %+v, want Down", name, got)
				}
				learn(name)
			}
			// Whoever waits for an answer each time takes a minute and more.
			if took := time.Since(began); took > claims*300*time.Millisecond {
				t.Errorf("%d claims take %s", claims, took)
			}
			if st := a.Stats(); st.Up || st.Errors == 0 || st.Errors > 10 {
				t.Errorf("up %v with %d errors: the circuit is to keep claims from the server", st.Up, st.Errors)
			}
			test.return_(server)
			eventually(t, "both stores", func() bool { return a.Stats().Up && b.Stats().Up })
			for i := range claims {
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
	ready := make(chan struct{}) // rule is set
	s := opened(t, "redis://"+server.Addr, Options{Known: func(yield func(*Rule, []byte, seen.Sighting) bool) error {
		<-ready
		for i := range 1500 {
			if !yield(rule, fmt.Append(nil, i), seen.Sighting{First: 1, Last: 1}) {
				break
			}
		}
		return nil
	}})
	defer s.Close()
	rule = s.NewRule("rule", "f", day)
	close(ready)
	eventually(t, "what is known to be sent at the start", func() bool { return server.CLI("dbsize") == "1501" })
	server.CLI("flushall")
	if got := ask(s, rule, "new", 1); got.Kind != New || !got.Doubt {
		t.Errorf("%+v, want New, in doubt", got)
	}
	eventually(t, "what is known to be sent again", func() bool { return server.CLI("dbsize") == "1502" })
}
