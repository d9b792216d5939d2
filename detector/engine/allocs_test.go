//go:build !race

package engine

import (
	"fmt"
	"testing"
	"time"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// TestSteadyStateDoesNotAllocate: what a chunk costs the collector does not
// depend on how many records it has, when all its tuples are known. (The race
// detector makes pools forget at random, so it is not for this.)
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	now := time.Now()
	cases := []struct {
		name  string
		rules []*rule.Rule
	}{
		{"one rule", []*rule.Rule{inlineRule(t, nil)}},
		{"with exceptions", []*rule.Rule{inlineRule(t, func(r *rule.Rule) {
			r.Exceptions = exceptionsOf(t, `user.name: "user 1"`, `user.name: "user 2"`)
		})}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := newTestEngine(t, Options{Clock: time.Now, MaxAlerts: -1}, c.rules, seen.OpenMemory(seen.Options{}))
			var users []string
			for i := range 2000 {
				users = append(users, fmt.Sprint("user ", i%50))
			}
			chunk := chunkOf(now.Add(-time.Hour), users...)
			run := func() {
				if owed, err := e.Chunk("kube.audit", chunk); owed != nil || err != nil {
					t.Fatal(owed, err)
				}
			}
			run()
			known := e.Counts().New.Load()
			allocs := testing.AllocsPerRun(50, run)
			// A flush makes a context and a timer to wait with, whatever its size.
			if allocs > 20 {
				t.Errorf("%.0f allocations for 2000 known records, want no more than a flush's own", allocs)
			}
			if e.Counts().New.Load() != known || e.Counts().Records.Load() < 50*2000 {
				t.Errorf("%d records, %d of them new after the first chunk", e.Counts().Records.Load(), e.Counts().New.Load()-known)
			}
		})
	}
}

// BenchmarkChunk is the cost of a chunk of known tuples.
func BenchmarkChunk(b *testing.B) {
	e := newTestEngine(b, Options{Clock: time.Now, MaxAlerts: -1}, []*rule.Rule{inlineRule(b, nil)}, seen.OpenMemory(seen.Options{}))
	var users []string
	for i := range 2000 {
		users = append(users, fmt.Sprint("user ", i%50))
	}
	chunk := chunkOf(time.Now().Add(-time.Hour), users...)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Chunk("kube.audit", chunk); err != nil {
			b.Fatal(err)
		}
	}
	if n := e.Counts().New.Load(); n != 50 {
		b.Fatalf("%d new tuples, want 50", n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/record")
}
