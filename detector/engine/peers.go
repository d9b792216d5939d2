package engine

import (
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
)

// With a shared store, a combination that is new to this node is asked about
// before the decision, and what comes of it depends on the answer:
//
//	claimed for us    an alert; once combination and alert are on disk, the
//	                  combination is confirmed in the store
//	known             no alert; the node remembers it
//	claimed by other  an alert is made and put on disk with the combination, but
//	                  held back until the other has confirmed the combination
//	                  (the alert is acknowledged) or its claim is gone (the alert
//	                  leaves)
//	no answer         an alert: the node decides by itself
//
// Whatever is remembered has its alert on this disk or on another, so whoever
// dies, and when, no alert is lost.

// asked is a combination that the shared store was asked about.
type asked struct {
	remote.Request
	remote.Answer
}

// Peers is what an engine does with the store that its node shares with others.
type Peers struct {
	engine *Engine
	store  *remote.Store

	confirmations confirmations
	held          heldAlerts
	learning      peerLearning

	requests []remote.Request // of the decision at hand, to be confirmed; guarded by the engine's lock
}

func newPeers(e *Engine) *Peers {
	p := &Peers{engine: e, store: e.opts.Shared}
	p.confirmations = confirmations{disk: e.store, store: p.store, wake: make(chan struct{}, 1)}
	p.held.peers = p
	p.learning = peerLearning{engine: e, store: p.store, told: make(map[string]remote.Baseline)}
	return p
}

// settleEvery is how often claims that are not our own are looked at.
const settleEvery = time.Second

// Run confirms combinations and settles claims until stop is closed, and then
// once more.
func (p *Peers) Run(stop <-chan struct{}) {
	timer := time.NewTicker(settleEvery)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			p.confirmations.confirm(commitWait)
			p.held.finish()
			return
		case <-p.confirmations.wake:
			p.confirmations.confirm(settleEvery)
		case <-timer.C:
			p.confirmations.confirm(settleEvery)
			p.held.resolve()
			p.learning.compare()
		}
	}
}

// CompareLearning compares the learning of rules with what other nodes know.
func (p *Peers) CompareLearning() { p.learning.compare() }

// Held returns how many alerts are held back for the claims of other nodes.
func (p *Peers) Held() int { return p.held.len() }

// HoldAgain holds back an alert of the outbox that was held back when the
// process before this one ended; false for any other.
func (p *Peers) HoldAgain(a *Alert) bool { return p.held.again(a) }

// ask asks the shared store about the combinations of a batch that this node
// does not know. The engine's lock is not held over the network.
func (p *Peers) ask(f *flush, b *match.Batch) {
	var reqs []remote.Request
	var places []int
	p.engine.mu.Lock()
	for i := range b.Combinations {
		c := &b.Combinations[i]
		if c.Under != 0 || c.Alone {
			continue
		}
		r, terms := f.rules.list[c.Rule], b.Terms(c)
		if have, ok := r.memory.Peek(terms); ok && (r.Window == 0 || c.At-have.Last <= r.Window) {
			continue
		}
		reqs, places = append(reqs, r.request(c, terms)), append(places, i)
	}
	p.engine.mu.Unlock()
	if len(reqs) == 0 {
		return
	}
	for k, a := range p.store.Claim(reqs) {
		f.decisions[places[k]].asked = &asked{reqs[k], a}
	}
}

func (r *runningRule) request(c *match.Combination, terms []byte) remote.Request {
	return r.requestFor(terms, seen.Sighting{First: c.At, Last: c.Last, Count: c.Count})
}

func (r *runningRule) requestFor(terms []byte, s seen.Sighting) remote.Request {
	return remote.Request{Rule: r.shared, Key: r.shared.Key(terms), Terms: r.shared.Terms(terms), Sighting: s}
}

// applyAnswer brings what the node found about a combination into line with what
// the store answered, and notes what is to be confirmed. The engine's lock is
// held.
func (p *Peers) applyAnswer(r *runningRule, c *match.Combination, d *decision, terms []byte, out *seen.Outcome) {
	a := d.asked
	if a != nil && a.Kind != remote.Down && len(a.Terms) > 0 {
		out.Novel &= a.Novel // novel is what nobody has seen
	}
	switch {
	case out.Verdict == seen.Known:
		if a == nil && r.shared.Stale(out.Previous.Last, c.Last) {
			if req := r.request(c, terms); !p.held.has(req.Key) {
				p.store.Mark(false, req)
			}
		}
		return // if it was asked about, another flush of this node was faster
	case a == nil:
		// Known before the flush, and forgotten since to make room.
		d.asked = &asked{r.request(c, terms), remote.Answer{Kind: remote.Down}}
	case a.Kind == remote.Known:
		p.engine.counts.KnownElsewhere.Add(1)
		r.memory.Observe(terms, a.Previous, &p.engine.batch)
		out.Verdict, out.Previous = seen.Known, a.Previous
		return
	case a.Kind == remote.Expired && a.Previous.Last > out.Previous.Last:
		out.Verdict, out.Previous = seen.Expired, a.Previous
	case a.Kind == remote.Claimed:
		return // it is the other's to confirm
	}
	req := d.asked.Request
	req.First = c.First
	if d.asked.Ours() {
		req.Count = 0 // the claim has counted them
	}
	p.requests = append(p.requests, req)
}

// holds tells whether an alert on a combination is to be held back.
func (d *decision) holds() bool { return d.asked != nil && d.asked.Kind == remote.Claimed }

// provenance says in an alert whether its combination is new to all nodes
// ("shared"), or this node decided by itself ("local"): then another may alert on
// it too, with the same uuid.
func provenance(body map[string]any, d *decision) {
	own, ok := body["newterms"].(map[string]any)
	if !ok {
		return
	}
	own["store"] = "local"
	if d.shared() {
		own["store"] = "shared"
	} else if d.holds() {
		own["held"] = true // by which HoldAgain knows it
	}
}

// shared tells whether the combination is new to all nodes.
func (d *decision) shared() bool {
	return d.verdict == alert.Missing || d.verdict == alert.Match || d.asked != nil && d.asked.Ours() && !d.asked.Doubt
}

// count counts an alert that this node decides by itself.
func (p *Peers) count(d *decision) {
	if !d.shared() && !d.holds() {
		p.engine.counts.Alone.Add(1)
	}
}

// decided takes over what was decided about a batch, once it is handed to the
// store. The engine's lock is held.
func (p *Peers) decided(ticket seen.Ticket) {
	p.confirmations.add(ticket, p.requests)
	p.requests = p.requests[:0]
}

// Known gives yield the combinations that are on this node's disk and inside
// their windows, as seen from the rule's latest sighting, less those that an
// alert is held back on.
func (p *Peers) Known(disk *seen.Snapshot, yield func(r *remote.Rule, terms []byte, s seen.Sighting) bool) error {
	fingerprints := make(map[string]string) // of the rules on disk
	for _, r := range disk.Rules() {
		fingerprints[r.ID] = r.Fingerprint
	}
	for _, r := range p.engine.rules.Load().list {
		if fingerprints[r.info.ID] != r.shared.Fingerprint {
			continue // it is about to be written, and is empty
		}
		var tuples []seen.Tuple
		newest := int64(0)
		err := disk.Tuples(r.info.ID, func(t seen.Tuple) error {
			newest = max(newest, t.Last)
			tuples = append(tuples, t)
			return nil
		})
		if err != nil {
			return err
		}
		held := p.held.keys() // after the disk was read
		for i := range tuples {
			t := &tuples[i]
			if len(held) > 0 && held[r.shared.Key(t.Raw)] {
				continue
			}
			if r.Window > 0 && newest-t.Last > r.Window {
				continue
			}
			if !yield(r.shared, t.Raw, t.Sighting) {
				return nil
			}
		}
	}
	return nil
}
