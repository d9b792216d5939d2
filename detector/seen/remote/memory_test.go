package remote

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/test/redisserver"
)

// TestMemory measures what tuples take on the server, and what sending them
// takes: 100,000 of them, or a million if NEWTERMS_MILLION is set.
func TestMemory(t *testing.T) {
	n := 100_000
	if os.Getenv("NEWTERMS_MILLION") != "" {
		n = 1_000_000
	}
	server := redisserver.Start(t, "appendonly no")
	s := open(t, "redis://"+server.Addr+"?timeout=5s", Options{})
	r := s.NewRule("rule", "f", 10*day)
	used := func() (bytes int) {
		for line := range strings.Lines(server.CLI("info", "memory")) {
			if text, ok := strings.CutPrefix(line, "used_memory:"); ok {
				fmt.Sscan(text, &bytes)
			}
		}
		return bytes
	}
	before, began := used(), time.Now()
	reqs := make([]Request, batch)
	for from := 0; from < n; from += batch {
		reqs = reqs[:min(batch, n-from)]
		for i := range reqs {
			reqs[i] = request(r, fmt.Sprint("user-", from+i, "/kubectl"), 1_700_000_000_000)
		}
		for _, a := range s.Claim(reqs) {
			if a.Kind != New {
				t.Fatalf("%+v", a)
			}
		}
		s.Mark(false, reqs...)
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
	}
	each := float64(used()-before) / float64(n)
	one := server.CLI("memory", "usage", r.name(reqs[0].Key))
	t.Logf("%d tuples: %.0f bytes each by INFO, %s by MEMORY USAGE; claimed and marked in %s", n, each, one, time.Since(began).Round(time.Millisecond))
	x := terms("ann", "curl")
	full := Request{Rule: r, Key: r.Key(x), Terms: r.Terms(x)}
	s.Mark(false, full)
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("a term: %s bytes by MEMORY USAGE", server.CLI("memory", "usage", r.termName(full.Terms[0])))
	if each > 200 {
		t.Errorf("a tuple takes %.0f bytes, want 200 at most", each)
	}
	if got := server.CLI("object", "encoding", r.name(reqs[0].Key)); got != "embstr" {
		t.Errorf("a tuple is stored as %s, want embstr", got)
	}
}
