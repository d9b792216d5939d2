package remote

import (
	"fmt"
	"strings"
	"testing"

	"fluent-bit-newterms/test/redisserver"
)

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
	// What the documentation says that a user needs.
	const acl = "user nodes on >s3cret/p@ss resetkeys ~newterms:* resetchannels -@all +@connection +get +set +pttl +eval +evalsha +hget +hset"
	t.Run("database", func(t *testing.T) {
		server := redisserver.Start(t)
		try(t, "redis://"+server.Addr+"/7")
		if got := server.CLI("-n", "7", "dbsize"); got != "2002" {
			t.Errorf("database 7 has %s keys", got)
		}
	})
	t.Run("cluster", func(t *testing.T) {
		servers := redisserver.StartCluster(t, 3, acl+" +cluster|slots")
		try(t, "redis+cluster://nodes:s3cret%2Fp%40ss@"+servers[2].Addr+","+servers[0].Addr+"?timeout=1s")
		for _, s := range servers {
			var n int
			if fmt.Sscan(s.CLI("dbsize"), &n); n < 400 {
				t.Errorf("a master has %d keys of 2000", n)
			}
		}
	})
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

// TestFailover kills a master that has a replica, under a Sentinel: nodes go on
// by themselves until the replica is the master, and tell it what they have
// found.
func TestFailover(t *testing.T) {
	master := redisserver.Start(t)
	_, port, _ := strings.Cut(master.Addr, ":")
	replica := redisserver.Start(t, "replicaof 127.0.0.1 "+port, "repl-diskless-sync-delay 0")
	watch := redisserver.StartSentinel(t, "m", "127.0.0.1", port)
	s := open(t, "redis+sentinel://"+watch.Addr+"/m?timeout=2s", Options{})
	r := s.NewRule("rule", "f", day)
	answer := func(name string) (a Answer) {
		t.Helper()
		eventually(t, "an answer about "+name, func() bool { a = ask(s, r, name, 1000); return a.Kind != Down })
		return a
	}
	answer("before")
	s.Mark(true, request(r, "before", 1000))
	seenAt(t, replica, r, "before")
	eventually(t, "the Sentinel to find the replica", func() bool {
		return strings.Contains(watch.CLI("sentinel", "replicas", "m"), "slave")
	})
	// The Sentinel must not be quicker than the question.
	watch.CLI("sentinel", "set", "m", "down-after-milliseconds", "3600000")
	master.Kill()
	if got := ask(s, r, "meanwhile", 1000); got.Kind != Down {
		t.Errorf("without a master: %+v, want Down", got)
	}
	s.Mark(true, request(r, "meanwhile", 1000))
	watch.CLI("sentinel", "set", "m", "down-after-milliseconds", "500")
	seenAt(t, replica, r, "meanwhile")
	for _, name := range []string{"before", "meanwhile"} {
		if got := answer(name); got.Kind != Known {
			t.Errorf("%s: %+v, want Known", name, got)
		}
	}
	if got := answer("after"); got.Kind != New || got.Doubt {
		t.Errorf("after: %+v, want New: the replica has the memory of the master", got)
	}
}

// TestClusterOutage takes one of three masters away: all that is decided
// meanwhile is on the Cluster when it is whole again, whichever master it
// belongs to.
func TestClusterOutage(t *testing.T) {
	servers := redisserver.StartCluster(t, 3)
	url := "redis+cluster://" + servers[0].Addr + "," + servers[1].Addr + "?timeout=300ms"
	a, b := open(t, url, Options{}), open(t, url, Options{})
	ra, rb := a.NewRule("rule", "f", day), b.NewRule("rule", "f", day)
	tuples := func(r *Rule, what string) (reqs []Request) {
		for i := range 50 {
			reqs = append(reqs, request(r, fmt.Sprint(what, i), 1000))
		}
		return reqs
	}
	for _, got := range a.Claim(tuples(ra, "before")) {
		if got.Kind != New {
			t.Fatalf("before: %+v, want New", got)
		}
	}
	a.Mark(true, tuples(ra, "before")...)
	eventually(t, "the marks", func() bool { return a.Stats().Marks == 50 })

	servers[2].Kill()
	down := 0
	for _, got := range a.Claim(tuples(ra, "meanwhile")) {
		if got.Kind == Down {
			down++
		}
	}
	if down == 0 {
		t.Error("no tuple was Down without a master")
	}
	a.Mark(true, tuples(ra, "meanwhile")...)
	servers[2].Run()
	for _, what := range []string{"before", "meanwhile"} {
		eventually(t, "tuples from "+what+" the outage", func() bool {
			for _, got := range b.Claim(tuples(rb, what)) {
				if got.Kind != Known {
					return false
				}
			}
			return true
		})
	}
}
