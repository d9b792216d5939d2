package engine

import (
	"bytes"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// decision is what was decided about one combination of a batch.
type decision struct {
	verdict alert.Verdict
	alerted bool
	before  seen.Sighting  // what was known before the flush
	variant *alert.Variant // what the combination is a variant of, nil for none
	asked   *asked         // what the shared store says, nil if it was not asked
}

// decide asks the rules' memories about the combinations of a batch, makes alerts
// for those that are new, and commits both at once.
func (e *Engine) decide(f *flush, b *match.Batch) {
	f.decisions = append(f.decisions[:0], make([]decision, len(b.Combinations))...)
	f.documents.reset()
	defer f.documents.reset()
	if e.peers != nil {
		e.peers.ask(f, b)
	}
	e.decideAll(f, b)
	if e.opts.Matched && e.opts.Alert != nil {
		e.passMatches(f, b)
	}
}

func (e *Engine) decideAll(f *flush, b *match.Batch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var alerts []*Alert
	f.spent = 0
	since := 0
	for i := range b.Combinations {
		alerts = e.decideRecovering(f, b, i, alerts)
		if f.spent-since > limits.DecisionAlerts {
			// The outbox bounds what it holds; the list here must not grow beside it.
			e.handOverFlush(f, alerts)
			alerts, since = nil, f.spent
		}
	}
	e.now = max(e.now, b.Newest)
	e.handOverFlush(f, alerts)
}

// handOverFlush hands over what was decided about the combinations of a flush.
func (e *Engine) handOverFlush(f *flush, alerts []*Alert) {
	ticket := e.handOver(alerts)
	if ticket != (seen.Ticket{}) {
		f.ticket = ticket
	}
	if e.peers != nil {
		e.peers.decided(ticket)
	}
}

// decideRecovering decides about one combination. A panic must not cost an alert:
// the combination may be remembered by then, so that the chunk, tried again,
// would find it known.
func (e *Engine) decideRecovering(f *flush, b *match.Batch, i int, alerts []*Alert) (out []*Alert) {
	defer func() {
		if why := recover(); why != nil {
			x := e.finding(f, b, i)
			x.d.alerted = true
			out = append(alerts, e.build.plainAlert(x, why))
		}
	}()
	return e.decideOne(f, b, i, alerts)
}

// finding returns what the engine works on when it decides about a combination.
func (e *Engine) finding(f *flush, b *match.Batch, i int) *finding {
	c := &b.Combinations[i]
	return &finding{f: f, batch: b, r: f.rules.list[c.Rule], c: c, d: &f.decisions[i], terms: b.Terms(c)}
}

// decideOne decides about one combination.
func (e *Engine) decideOne(f *flush, b *match.Batch, i int, alerts []*Alert) []*Alert {
	c := &b.Combinations[i]
	r, d := f.rules.list[c.Rule], &f.decisions[i]
	if c.Under != 0 {
		e.rememberExcepted(f, b, r, c)
		return alerts
	}
	now := f.now
	if e.opts.EventTime {
		e.now = max(e.now, c.Newest)
		now = e.now
	}
	r.limiter.Matched(now)
	terms := b.Terms(c)
	var out seen.Outcome
	switch {
	case r.Source.IsQuery():
		d.verdict = alert.Match
	case c.Alone:
		d.verdict = alert.Missing
	default:
		out = e.observe(r.memory, c, terms, now)
		r.counts.evicted(&out)
		if r.normalizer != nil && out.Verdict != seen.Known {
			d.variant = e.variantOf(r, terms, c.At)
		}
		if e.peers != nil {
			e.peers.applyAnswer(r, c, d, terms, &out)
		}
		d.before = out.Previous
		d.verdict = verdicts[out.Verdict]
		if out.Verdict != seen.Known && e.knownFromHistory(r, c, d, terms) {
			d.verdict = alert.Known
		}
		if d.variant != nil && d.verdict != alert.Known {
			d.verdict = alert.VariantSeen
		}
	}
	if d.verdict == alert.Known {
		return alerts
	}
	if e.opts.LearnUntil != 0 && c.At <= e.opts.LearnUntil {
		if d.verdict == alert.Match {
			return alerts // there is nothing to learn
		}
		e.counts.Learned.Add(1)
		r.counts.Learned.Add(1)
		return alerts
	}
	for _, s := range r.limiter.Due(now, false) {
		alerts = append(alerts, e.build.summary(r.ruleState, &s, now))
	}
	x := e.finding(f, b, i)
	x.out, x.now = out, now
	var err error
	if x.list, err = seen.DecodeTerms(terms); err != nil {
		x.list = []any{} // cannot be: AppendTerm wrote them
	}
	if d.verdict == alert.VariantSeen && !r.normalizer.alert && !r.limiter.Learning(now) {
		r.limiter.Variant(d.variant, x.list, len(terms), c.At, now)
		e.counts.Variants.Add(1)
		r.counts.Variants.Add(1)
		return alerts
	}
	x.group = r.limiter.NewCombination(terms, now)
	if r.limiter.Learn(x.list, len(terms), x.group, c.At, now) {
		e.counts.Learned.Add(1)
		r.counts.Learned.Add(1)
		return alerts
	}
	if a := e.allow(x); a != nil {
		d.alerted = true
		if d.holds() {
			a.held = &d.asked.Request
		}
		alerts = append(alerts, a)
	}
	return alerts
}

var verdicts = [...]alert.Verdict{seen.Known: alert.Known, seen.New: alert.New, seen.Expired: alert.Expired}

// observe remembers a combination of a batch. The verdict is on the sighting that
// came first; an earlier one, which came late, only lowers the first sighting.
func (e *Engine) observe(m *seen.Memory, c *match.Combination, terms []byte, now int64) seen.Outcome {
	m.Clock(now + match.Skew.Milliseconds())
	late := c.First < c.At
	s := seen.Sighting{First: c.At, Last: c.Last, Count: c.Count}
	if late {
		s.Count--
	}
	out := m.Observe(terms, s, &e.batch)
	if late {
		m.Observe(terms, seen.Sighting{First: c.First, Last: c.First, Count: 1}, &e.batch)
	}
	e.evicted(&out)
	return out
}

// evicted counts the combinations that made room for others.
func (e *Engine) evicted(out *seen.Outcome) {
	if out.Evicted {
		e.counts.Evicted.Add(1)
	}
	if out.EvictedInsideWindow {
		e.counts.EvictedInsideWin.Add(1)
	}
}

// allow makes the alert for a new combination, unless it is suppressed or over
// the limit.
func (e *Engine) allow(x *finding) *Alert {
	limiter, key := x.r.limiter, ""
	if s := x.r.suppress; s != nil {
		g := x.f.documents.of(x.batch, x.c).groupOf(x.r)
		if !g.lacking || s.MissingFields != rule.DoNotSuppressMissing {
			x.groupedBy, key = g.terms, g.key
			if limiter.Suppressed(key, x.list, len(x.terms), x.group, x.c.At, x.now) {
				e.counts.Suppressed.Add(1)
				x.r.counts.Suppressed.Add(1)
				return nil
			}
		}
	}
	if !limiter.Allow(x.list, len(x.terms), x.group, x.c.At, x.now) {
		e.counts.Held.Add(1)
		x.r.counts.Held.Add(1)
		return nil
	}
	e.counts.New.Add(1)
	a, uuid := e.build.alert(x)
	a.Num, a.Seq, a.Group, a.Terms = x.r.stored.Num, x.out.Seq, x.out.Group, bytes.Clone(x.terms)
	if key != "" {
		limiter.Suppress(key, x.groupedBy, uuid, x.c.At, x.now)
	}
	return a
}

// dueSummaries makes the summaries of all rules whose time has come.
func (e *Engine) dueSummaries(now int64, all bool) []*Alert {
	var alerts []*Alert
	for _, r := range e.rules.Load().list {
		for _, s := range r.limiter.Due(now, all) {
			alerts = append(alerts, e.build.summary(r.ruleState, &s, now))
		}
	}
	return alerts
}

// giveUp forgets the combination of an alert that the full outbox has given up: it
// alerts again when it is next seen. The store calls it, under the lock.
func (e *Engine) giveUp(a seen.OutboxEntry) {
	e.givenUp[a.ID] = true
	if s := e.states[a.Rule]; s != nil && a.Seq != 0 && s.stored.Num == a.Num {
		s.memory.Forget(a.Terms, a.Seq)
	}
}

// handOver gives what has been decided to the store, and the alerts to their
// way out. It is called under the lock and does not wait for the disk. The
// ticket is the zero one if there was nothing to write.
func (e *Engine) handOver(alerts []*Alert) (ticket seen.Ticket) {
	for _, r := range e.rules.Load().list {
		r.writeChanged(&e.batch)
	}
	for _, a := range alerts {
		e.batch.AddAlert(a.OutboxEntry)
	}
	if e.batch.Empty() {
		return seen.Ticket{}
	}
	clear(e.givenUp)
	ticket = e.store.Enqueue(&e.batch)
	first, _ := e.batch.AlertIDs()
	for i, a := range alerts {
		a.ID, a.Ticket = first+uint64(i), ticket
		if e.givenUp[a.ID] {
			continue
		}
		if a.held != nil && e.peers.held.add(a, *a.held) {
			continue
		}
		if e.opts.Alert != nil {
			e.opts.Alert(a)
		}
	}
	return ticket
}
