package detector

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
)

// With a shared store, a tuple that is new to this node is asked about before
// the decision, and what comes of it depends on the answer:
//
//	claimed for us    an alert; once tuple and alert are on disk, the tuple is
//	                  marked as seen
//	known             no alert; the node remembers it
//	claimed by other  an alert is made and put on disk with the tuple, but held
//	                  back until the other has marked the tuple (the alert is
//	                  struck off) or its claim is gone (the alert leaves)
//	no answer         an alert: the node decides by itself
//
// Whatever is remembered has its alert on this disk or on another, so whoever
// dies, and when, no alert is lost.

// asked is a tuple that the shared store was asked about.
type asked struct {
	remote.Request
	remote.Answer
}

// sharing is what an engine has to do with the shared store besides asking.
type sharing struct {
	e     *Engine
	store *remote.Store

	mu       sync.Mutex
	unmarked []unmarked
	held     []heldAlert
	told     map[string]remote.Baseline // by rule_id: what the store knows of its learning
	toldAt   time.Time

	decided []remote.Request // of the decision at hand; guarded by the engine's lock
	wake    chan struct{}    // capacity 1
}

// unmarked are tuples to be marked once their commit is durable.
type unmarked struct {
	ticket  seen.Ticket
	reqs    []remote.Request
	claimed time.Time // when their claims began
}

// heldAlert is an alert whose tuple is another node's claim.
type heldAlert struct {
	alert *Alert
	req   remote.Request
	since time.Time
}

const (
	// settleEvery is how often claims that are not our own are looked at.
	settleEvery = time.Second
	// baselineEvery is how often the learning of rules is compared.
	baselineEvery = time.Minute
	// finishTime is how long an engine that closes waits for other nodes.
	finishTime = time.Second
	// maxHeld bounds the alerts that are held back, in memory; what is over
	// leaves at once.
	maxHeld = 10_000
)

func newSharing(e *Engine) *sharing {
	return &sharing{
		e: e, store: e.opts.Shared, told: make(map[string]remote.Baseline), wake: make(chan struct{}, 1),
	}
}

// ask asks the shared store about the tuples of a pass that this node does not
// know. The engine's lock is not held over the network.
func (s *sharing) ask(p *pass) {
	var reqs []remote.Request
	var places []int
	s.e.mu.Lock()
	for i := range p.fold.tuples {
		t := &p.fold.tuples[i]
		if t.under != 0 || t.missing {
			continue
		}
		c := p.set.rules[t.rule]
		terms := p.fold.terms(t)
		if have, ok := c.memory.Peek(terms); ok && (c.window == 0 || t.at-have.Last <= c.window) {
			continue
		}
		reqs, places = append(reqs, c.request(t, terms)), append(places, i)
	}
	s.e.mu.Unlock()
	if len(reqs) == 0 {
		return
	}
	for k, a := range s.store.Claim(reqs) {
		p.fold.tuples[places[k]].asked = &asked{reqs[k], a}
	}
}

func (c *compiled) request(t *tuple, terms []byte) remote.Request {
	return remote.Request{Rule: c.shared, Key: c.shared.Key(terms), Terms: c.shared.Terms(terms), Sighting: seen.Sighting{First: t.at, Last: t.last, Count: t.count}}
}

// heed brings what the node found about a tuple into line with what the store
// answered, and notes what is to be marked. The engine's lock is held.
func (s *sharing) heed(c *compiled, t *tuple, terms []byte, out *seen.Outcome) {
	a := t.asked
	if a != nil && a.Kind != remote.Down && len(a.Terms) > 0 {
		out.Novel &= a.Novel // novel is what nobody has seen
	}
	switch {
	case out.Verdict == seen.Known:
		if a == nil && c.shared.Stale(out.Previous.Last, t.last) {
			if r := c.request(t, terms); !s.holds(r.Key) {
				s.store.Mark(false, r)
			}
		}
		return // if it was asked about, another flush of this node was faster
	case a == nil:
		// Known before the flush, and forgotten since to make room.
		t.asked = &asked{c.request(t, terms), remote.Answer{Kind: remote.Down}}
	case a.Kind == remote.Known:
		s.e.counts.KnownElsewhere.Add(1)
		c.memory.Observe(terms, a.Previous, &s.e.batch)
		out.Verdict, out.Previous = seen.Known, a.Previous
		return
	case a.Kind == remote.Expired && a.Previous.Last > out.Previous.Last:
		out.Verdict, out.Previous = seen.Expired, a.Previous
	case a.Kind == remote.Claimed:
		return // it is the other's to mark
	}
	r := t.asked.Request
	r.First = t.first
	if t.asked.Ours() {
		r.Count = 0 // the claim has counted them
	}
	s.decided = append(s.decided, r)
}

// holds tells whether an alert on a tuple is to be held back.
func (t *tuple) holds() bool { return t.asked != nil && t.asked.Kind == remote.Claimed }

// provenance says in an alert whether its tuple is new to all nodes ("shared"),
// or this node decided by itself ("local"): then another may alert on it too,
// with the same uuid.
func (s *sharing) provenance(body map[string]any, t *tuple) {
	own, ok := body["newterms"].(map[string]any)
	if !ok {
		return
	}
	own["store"] = "local"
	if t.verdict == alert.Missing || t.asked != nil && t.asked.Ours() && !t.asked.Doubt {
		own["store"] = "shared"
		return
	}
	if t.holds() {
		own["held"] = true // by which holdAgain knows it
		return
	}
	s.e.counts.Alone.Add(1)
}

// decisions takes over what a pass has decided, once it is handed to the
// store. The engine's lock is held.
func (s *sharing) decisions(ticket seen.Ticket) {
	if len(s.decided) == 0 {
		return
	}
	reqs := slices.Clone(s.decided)
	s.decided = s.decided[:0]
	s.mu.Lock()
	s.unmarked = append(s.unmarked, unmarked{ticket, reqs, time.Now()})
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// hold keeps an alert back; false if there are too many.
func (s *sharing) hold(a *Alert, r remote.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) >= maxHeld {
		return false
	}
	s.held = append(s.held, heldAlert{a, r, time.Now()})
	return true
}

// holdAgain holds back an alert of the outbox that was held back when the
// process before this one ended. What it is asked by is read from the alert. If
// that is not what it was, terms too long to show for one, nobody has claimed
// it, and the alert leaves: twice rather than never.
func (s *sharing) holdAgain(a *Alert) bool {
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
	for _, c := range s.e.set.Load().rules {
		if c.rule.ID == a.Rule {
			t := &tuple{at: a.Time, last: a.Time, count: 1}
			return s.hold(a, c.request(t, terms))
		}
	}
	return false
}

// holds tells whether an alert on a tuple is held back. The tuple is not to be
// marked then, though this node remembers it: it would seem that another has
// alerted.
func (s *sharing) holds(k remote.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.held, func(h heldAlert) bool { return h.req.Key == k })
}

// holding returns all tuples that an alert is held back on.
func (s *sharing) holding() map[remote.Key]bool {
	// Under the engine's lock a tuple that is handed to the disk has its alert
	// among those held.
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make(map[remote.Key]bool, len(s.held))
	for i := range s.held {
		keys[s.held[i].req.Key] = true
	}
	return keys
}

// run settles claims until stop is closed, and then once more.
func (s *sharing) run(stop <-chan struct{}) {
	timer := time.NewTicker(settleEvery)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			s.settle(commitWait)
			s.finish()
			return
		case <-s.wake:
			s.settle(settleEvery)
		case <-timer.C:
			s.settle(settleEvery)
			s.resolve()
			s.baselines()
		}
	}
}

// finish waits a while for the claims that alerts are held back for: those of
// nodes that live are gone in a moment. Alerts that are still held are held
// again at the next start.
func (s *sharing) finish() {
	for end := time.Now().Add(finishTime); ; time.Sleep(finishTime / 20) {
		s.resolve()
		if s.waiting() == 0 || time.Now().After(end) {
			return
		}
	}
}

// settle marks the tuples whose commit is durable, and renews the claims of
// those that the disk still owes. It waits for the disk, most at most.
func (s *sharing) settle(most time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	for {
		s.mu.Lock()
		if len(s.unmarked) == 0 {
			s.mu.Unlock()
			return
		}
		next := s.unmarked[0]
		s.mu.Unlock()
		if s.e.store.Wait(ctx, next.ticket) != nil {
			break // those behind it are not durable either
		}
		s.store.Mark(true, next.reqs...)
		s.mu.Lock()
		s.unmarked = slices.Delete(s.unmarked, 0, 1)
		s.mu.Unlock()
	}
	now := time.Now()
	var renew []remote.Request
	s.mu.Lock()
	for i := range s.unmarked {
		if x := &s.unmarked[i]; now.Sub(x.claimed) > s.store.ClaimTime()/3 {
			x.claimed = now
			renew = append(renew, x.reqs...)
		}
	}
	s.mu.Unlock()
	if len(renew) > 0 {
		s.store.Claim(renew)
	}
}

// resolve looks what has become of the claims that alerts are held back for.
func (s *sharing) resolve() {
	s.mu.Lock()
	held := slices.Clone(s.held)
	s.mu.Unlock()
	if len(held) == 0 {
		return
	}
	reqs := make([]remote.Request, len(held))
	for i := range held {
		reqs[i] = held[i].req
	}
	var drop seen.Batch
	var keep []heldAlert
	var leave []remote.Request
	for i, a := range s.store.Claim(reqs) {
		h := held[i]
		switch {
		case a.Kind == remote.Known:
			s.e.counts.AlertedElsewhere.Add(1)
			drop.Ack(h.alert.ID)
		case a.Kind == remote.Claimed, a.Kind == remote.Down && time.Since(h.since) < s.store.ClaimTime():
			keep = append(keep, h)
		default: // the other has died; or there is no telling
			s.e.counts.Alone.Add(1)
			s.release(h.alert)
			leave = append(leave, h.req)
		}
	}
	s.mu.Lock()
	s.held = append(keep, s.held[len(held):]...)
	s.mu.Unlock()
	if !drop.Empty() {
		// What cannot be written now is owed, and comes again at worst.
		ctx, cancel := context.WithTimeout(context.Background(), settleEvery)
		_ = s.e.store.Commit(ctx, &drop)
		cancel()
	}
	// Their alerts have been on disk since they were made, or are owed to it.
	s.store.Mark(true, leave...)
}

// release lets a held alert go.
func (s *sharing) release(a *Alert) {
	if s.e.opts.Alert != nil {
		s.e.opts.Alert(a)
	}
}

// waiting returns how many alerts are held back.
func (s *sharing) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

// baselines compares the learning of rules with what other nodes know: a node
// that joins late does not learn what the others have learned. What this node
// has learned is said when its tuples are there, or the others would stop
// learning and alert on them.
func (s *sharing) baselines() {
	all := time.Since(s.toldAt) >= baselineEvery
	if !all && !s.unsaid() {
		return
	}
	synced := s.store.Synced()
	for _, c := range s.e.set.Load().rules {
		mine := s.e.learning(c)
		if told, ok := s.told[c.rule.ID]; ok && (told == mine || !synced) && !all {
			continue
		}
		if !synced {
			mine = remote.Baseline{}
		}
		got, err := s.store.Baseline(c.shared, mine)
		if err != nil {
			return // again in a second, or when the store is back
		}
		s.e.learned(c, got)
		s.told[c.rule.ID] = got
	}
	s.toldAt = time.Now()
}

// unsaid tells whether the store lacks what this node knows of a rule.
func (s *sharing) unsaid() bool {
	synced := s.store.Synced()
	for _, c := range s.e.set.Load().rules {
		if told, ok := s.told[c.rule.ID]; !ok || synced && told != s.e.learning(c) {
			return true
		}
	}
	return false
}

// learning returns what is known of a rule's learning.
func (e *Engine) learning(c *compiled) remote.Baseline {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := remote.Baseline{Done: c.state.Meta.BaselineDone != 0}
	if since := c.gov.Since(); !since.IsZero() {
		b.Since = since.UnixMilli()
	}
	return b
}

// learned takes over what other nodes know of a rule's learning.
func (e *Engine) learned(c *compiled, b remote.Baseline) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c.gov.Began(b.Since)
	if b.Done && c.state.Meta.BaselineDone == 0 {
		limits := e.limits(c.rule)
		limits.Learn = 0
		c.gov.SetLimits(limits)
		c.state.Meta = c.meta()
		c.state.Meta.BaselineDone = e.opts.Clock().UnixMilli()
		e.batch.SetMeta(c.state.Num, c.state.Meta)
	}
}
