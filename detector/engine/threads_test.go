package engine

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// TestFourThreads: flushes of one instance at the same time find what one
// after the other find.
func TestFourThreads(t *testing.T) {
	var chunks [][]byte
	users := make(map[string]bool)
	for i := range 200 {
		var list []string
		for j := range 50 {
			u := fmt.Sprintf("user-%d", (i*7+j*13)%900)
			users[u] = true
			list = append(list, u)
		}
		chunks = append(chunks, chunkOf(time.Now(), list...))
	}
	find := func(threads int) map[string]int {
		var mu sync.Mutex
		found := make(map[string]int)
		store, _, err := seen.Open(t.TempDir(), seen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		e := newTestEngine(t, Options{Clock: time.Now, MaxAlerts: -1, Alert: func(a *Alert) {
			mu.Lock()
			defer mu.Unlock()
			found[jsoniter.Get(a.Body, "kibana.alert.uuid").ToString()]++
		}}, []*rule.Rule{inlineRule(t, nil)}, store)
		work := make(chan []byte)
		var group sync.WaitGroup
		for range threads {
			group.Go(func() {
				for chunk := range work {
					if owed, err := e.Chunk("kube.audit", chunk); owed != nil || err != nil {
						t.Error(owed, err)
					}
				}
			})
		}
		for _, chunk := range chunks {
			work <- chunk
		}
		close(work)
		group.Wait()
		return found
	}
	one, four := find(1), find(4)
	if len(one) != len(users) || !maps.Equal(one, four) {
		t.Errorf("%d alerts with one thread, %d with four, want %d", len(one), len(four), len(users))
	}
}
