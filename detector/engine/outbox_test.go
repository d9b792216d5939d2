package engine

import (
	"fmt"
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
