package remote

import (
	"fmt"
	"testing"

	"fluent-bit-newterms/test/redisserver"
)

// BenchmarkClaim asks about new tuples, some at a time: what a flush waits for.
func BenchmarkClaim(b *testing.B) {
	for _, n := range []int{1, 16, 512} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			server := redisserver.Start(b, "appendonly no")
			s := open(b, "redis://"+server.Addr+"?timeout=5s", Options{})
			r := s.NewRule("rule", "f", day)
			reqs := make([]Request, n)
			round := 0
			for b.Loop() {
				for i := range reqs {
					reqs[i] = request(r, fmt.Sprint(round, "/", i), 1000)
				}
				round++
				for _, a := range s.Claim(reqs) {
					if a.Kind != New {
						b.Fatalf("%+v", a)
					}
				}
			}
		})
	}
}

// BenchmarkKey names tuples.
func BenchmarkKey(b *testing.B) {
	c, _ := ParseURL("redis://h")
	r := (&Store{config: c}).NewRule("rule", "f", day)
	x := terms("allow", "system:serviceaccount:kube-system:generic-garbage-collector", "kubectl/v1.31.0 (linux/amd64) kubernetes/9edcffc")
	b.ReportAllocs()
	for b.Loop() {
		if r.Key(x) == (Key{}) {
			b.Fatal("no key")
		}
	}
}
