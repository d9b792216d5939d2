package engine

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
)

const (
	// finishTime is how long an engine that closes waits for other nodes.
	finishTime = time.Second
	// maxHeld bounds the alerts that are held back, in memory; what is over
	// leaves at once.
	maxHeld = 10_000
)

// heldAlerts are alerts whose combinations are the claims of other nodes.
type heldAlerts struct {
	peers *Peers
	mu    sync.Mutex
	list  []heldAlert
}

type heldAlert struct {
	alert *Alert
	req   remote.Request
	since time.Time
}

// add holds an alert back; false if there are too many.
func (h *heldAlerts) add(a *Alert, r remote.Request) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.list) >= maxHeld {
		return false
	}
	h.list = append(h.list, heldAlert{a, r, time.Now()})
	return true
}

// again is HoldAgain. What the alert is asked by is read from it. If that is not
// what it was, terms too long to show for one, nobody has claimed it, and the
// alert leaves: twice rather than never.
func (h *heldAlerts) again(a *Alert) bool {
	if !bytes.Contains(a.Body, []byte(`"held":true`)) {
		return false
	}
	val, err := record.JSON.Decode(a.Body)
	doc, _ := val.(map[string]any)
	own, _ := doc["newterms"].(map[string]any)
	list, _ := doc["kibana.alert.new_terms"].([]any)
	if held, _ := own["held"].(bool); err != nil || !held {
		return false
	}
	var terms []byte
	for _, term := range list {
		if terms, err = seen.AppendAny(terms, term); err != nil {
			return false
		}
	}
	for _, r := range h.peers.engine.rules.Load().list {
		if r.info.ID == a.Rule {
			return h.add(a, r.requestFor(terms, seen.Sighting{First: a.Time, Last: a.Time, Count: 1}))
		}
	}
	return false
}

// has tells whether an alert on a combination is held back. The combination is
// not to be confirmed then, though this node remembers it: it would seem that
// another has alerted.
func (h *heldAlerts) has(k remote.Key) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.list, func(x heldAlert) bool { return x.req.Key == k })
}

// keys returns all combinations that an alert is held back on.
func (h *heldAlerts) keys() map[remote.Key]bool {
	// Under the engine's lock a combination that is handed to the disk has its
	// alert among those held.
	h.peers.engine.mu.Lock()
	defer h.peers.engine.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	keys := make(map[remote.Key]bool, len(h.list))
	for i := range h.list {
		keys[h.list[i].req.Key] = true
	}
	return keys
}

// len returns how many alerts are held back.
func (h *heldAlerts) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.list)
}

// finish waits a while for the claims that alerts are held back for: those of
// nodes that live are gone in a moment. Alerts that are still held are held
// again at the next start.
func (h *heldAlerts) finish() {
	for end := time.Now().Add(finishTime); ; time.Sleep(finishTime / 20) {
		h.resolve()
		if h.len() == 0 || time.Now().After(end) {
			return
		}
	}
}

// resolve looks what has become of the claims that alerts are held back for.
func (h *heldAlerts) resolve() {
	h.mu.Lock()
	held := slices.Clone(h.list)
	h.mu.Unlock()
	if len(held) == 0 {
		return
	}
	reqs := make([]remote.Request, len(held))
	for i := range held {
		reqs[i] = held[i].req
	}
	e, store := h.peers.engine, h.peers.store
	var drop seen.Batch
	var keep []heldAlert
	var leave []remote.Request
	for i, a := range store.Claim(reqs) {
		x := held[i]
		switch {
		case a.Kind == remote.Known:
			e.counts.AlertedElsewhere.Add(1)
			drop.Ack(x.alert.ID)
		case a.Kind == remote.Claimed, a.Kind == remote.Down && time.Since(x.since) < store.ClaimTime():
			keep = append(keep, x)
		default: // the other has died; or there is no telling
			e.counts.Alone.Add(1)
			if e.opts.Alert != nil {
				e.opts.Alert(x.alert)
			}
			leave = append(leave, x.req)
		}
	}
	h.mu.Lock()
	h.list = append(keep, h.list[len(held):]...)
	h.mu.Unlock()
	if !drop.Empty() {
		// What cannot be written now is owed, and comes again at worst.
		ctx, cancel := context.WithTimeout(context.Background(), settleEvery)
		_ = e.store.Commit(ctx, &drop)
		cancel()
	}
	// Their alerts have been on disk since they were made, or are owed to it.
	store.Mark(true, leave...)
}
