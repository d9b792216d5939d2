package engine

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// TestReloadsAmongFlushes: rules change while several goroutines flush. A pass
// that has learnt what the rules before made of events must not outlive them:
// what a flush finds that begins after a change is what the new rules say.
// Reloads leave neither goroutines nor memory behind.
func TestReloadsAmongFlushes(t *testing.T) {
	now := time.Now()
	var lock sync.Mutex
	alerts := make(map[string]int)
	e := newTestEngine(t, Options{MaxAlerts: -1, Clock: func() time.Time { return now }, Alert: func(a *Alert) {
		lock.Lock()
		defer lock.Unlock()
		alerts[a.Rule]++
	}}, nil, seen.OpenMemory(seen.Options{}))
	var same []string
	for i := range 400 {
		same = append(same, fmt.Sprint("u", i%5))
	}
	const reloads = 50
	goroutines, before := 0, int64(0)
	for n := range reloads {
		// Each generation excepts another user, and knows none.
		generation := fmt.Sprint("rule ", n)
		excepted := fmt.Sprint("u", n%5)
		r := inlineRule(t, func(r *rule.Rule) {
			r.ID, r.Exceptions = generation, exceptionsOf(t, fmt.Sprintf("user.name: %q", excepted))
		})
		if _, err := e.SetRules([]*rule.Rule{r}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 3 {
					chunk := chunkOf(now.Add(-time.Hour), same...)
					if _, err := e.Chunk("x", chunk); err != nil {
						t.Error(err)
					}
					clear(chunk)
				}
			})
		}
		wg.Wait()
		l := e.states[generation]
		if got := alerts[generation]; got != 4 {
			t.Fatalf("rule %d: %d alerts, want 4", n, got)
		}
		if got := l.counts.Matches.Load(); got != 9*320 {
			t.Fatalf("rule %d: %d matches, want %d", n, got, 9*320)
		}
		if l.history.memory.Len() != 1 {
			t.Fatalf("rule %d: %d tuples under exceptions, want 1", n, l.history.memory.Len())
		}
		if n == reloads/5 {
			goroutines, before = runtime.NumGoroutine(), heap()
		}
	}
	if more := runtime.NumGoroutine() - goroutines; more > 2 {
		t.Errorf("%d goroutines more", more)
	}
	if more := heap() - before; more > 4<<20 {
		t.Errorf("%d KB more", more>>10)
	}
	if n := len(e.idle.free); n > runtime.GOMAXPROCS(0) {
		t.Errorf("%d passes are kept", n)
	}
}
