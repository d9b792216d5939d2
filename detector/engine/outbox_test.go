package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// TestGivenUpAlertsAreNotKnown: a tuple whose alert the full outbox gives up is
// not left as known.
func TestGivenUpAlertsAreNotKnown(t *testing.T) {
	store := seen.OpenMemory(seen.Options{MaxOutbox: 10})
	defer store.Close()
	alerts := make(map[string]bool)
	o := Options{MaxAlerts: -1, Clock: time.Now, Alert: func(a *Alert) { alerts[string(a.Terms)] = true }}
	e := newTestEngine(t, o, []*rule.Rule{inlineRule(t, nil)}, store)
	flush := func(names ...string) {
		if owed, err := e.Chunk("app", chunkOf(time.Now(), names...)); owed != nil || err != nil {
			t.Fatal(owed, err)
		}
	}
	for i := range 10 {
		flush(fmt.Sprint("user ", i))
	}
	if len(alerts) != 10 {
		t.Fatalf("%d alerts", len(alerts))
	}
	flush("one", "two", "three too many")
	held := make(map[string]bool)
	_ = store.Outbox(func(a seen.OutboxEntry) error { held[string(a.Terms)] = true; return nil })
	if e.Known() != 10 || len(held) != 10 {
		t.Errorf("%d tuples are known, %d alerts wait", e.Known(), len(held))
	}
	for raw := range held {
		if !alerts[raw] {
			t.Errorf("%q waits and was not handed over", raw)
		}
	}
}

// TestFullOutboxShortens: alerts whose documents do not fit into the outbox are
// shortened, and none is given up while that is enough.
func TestFullOutboxShortens(t *testing.T) {
	const n = 40
	store := seen.OpenMemory(seen.Options{MaxOutboxBytes: 1 << 20})
	defer store.Close()
	e := newTestEngine(t, Options{MaxAlerts: -1, Alert: func(*Alert) {}}, []*rule.Rule{accessRule(t)}, store)
	long := strings.Repeat("A", 100_000)
	var lines [][]byte
	for i := range n {
		lines = append(lines, auditEvent("mallory", fmt.Sprint("evil/", i), "2026-11-23T01:12:00Z", func(e map[string]any) { e["requestURI"] = "/api?" + long }))
	}
	feed(t, e, lines, 0, 10)
	waiting, whole := 0, 0
	_ = store.Outbox(func(a seen.OutboxEntry) error {
		waiting++
		var doc map[string]any
		if err := json.Unmarshal(a.Body, &doc); err != nil {
			t.Error(err)
		}
		if terms, _ := doc["kibana.alert.new_terms"].([]any); len(terms) != 3 {
			t.Errorf("an alert has the terms %v", terms)
		}
		if len(a.Body) > len(long) {
			whole++
		}
		return nil
	})
	if s := store.Stats(); waiting != n || s.Dropped != 0 || s.Shortened == 0 || whole == 0 {
		t.Errorf("%d of %d alerts wait, %d of them whole; %d were given up, %d shortened", waiting, n, whole, s.Dropped, s.Shortened)
	}
}
