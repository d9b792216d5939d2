package detector

import (
	"bytes"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// sightings is what was known of a tuple.
type sightings = seen.Sighting

// decide asks the rules' memories about the tuples of a pass, raises alerts
// for those that are new, and commits both in one transaction.
func (e *Engine) decide(p *pass) {
	if len(p.fold.tuples) == 0 {
		return
	}
	if e.sharing != nil {
		e.sharing.ask(p)
	}
	e.judge(p)
	if p.set.matched {
		e.passMatches(p)
	}
}

func (e *Engine) judge(p *pass) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var alerts []*Alert
	for i := range p.fold.tuples {
		alerts = e.guarded(p, &p.fold.tuples[i], alerts)
	}
	e.now = max(e.now, p.newest)
	ticket := e.handOver(alerts)
	if ticket != (seen.Ticket{}) {
		p.ticket = ticket
	}
	if e.sharing != nil {
		e.sharing.decisions(ticket)
	}
}

// guarded is one, whose panic must not cost an alert: the tuple may be
// remembered by then, so that the chunk, tried again, would find it known.
func (e *Engine) guarded(p *pass, t *tuple, alerts []*Alert) (out []*Alert) {
	defer func() {
		if why := recover(); why != nil {
			c := p.set.rules[t.rule]
			t.alerted = true
			out = append(alerts, e.entry(c.liveRule, &c.info, p, t, func() map[string]any { panic(why) }))
		}
	}()
	return e.one(p, t, alerts)
}

// one decides about one tuple.
func (e *Engine) one(p *pass, t *tuple, alerts []*Alert) []*Alert {
	c := p.set.rules[t.rule]
	if t.under != 0 {
		e.except(p, c, t)
		return alerts
	}
	now := p.now
	if e.opts.EventTime {
		e.now = max(e.now, t.now)
		now = e.now
	}
	c.gov.Matched(now)
	terms := p.fold.terms(t)
	var out seen.Outcome
	switch {
	case t.missing:
		t.verdict, out.Verdict = alert.Missing, seen.New
	default:
		out = e.observe(c.memory, t, terms, now)
		c.counts.evicted(&out)
		if e.sharing != nil {
			e.sharing.heed(c, t, terms, &out)
		}
		t.before = out.Previous
		t.verdict = verdicts[out.Verdict]
		if out.Verdict != seen.Known && e.readmit(c, t, terms) {
			t.verdict = alert.Known
		}
	}
	if t.verdict == alert.Known {
		return alerts
	}
	if t.at <= e.opts.LearnUntil {
		e.counts.Learned.Add(1)
		c.counts.Learned.Add(1)
		return alerts
	}
	for _, s := range c.gov.Due(now, false) {
		alerts = append(alerts, e.summary(c.liveRule, &s, now))
	}
	list, err := seen.DecodeTerms(terms)
	if err != nil {
		list = []any{} // cannot be: AppendTerm wrote them
	}
	if c.gov.Learn(list, len(terms), t.at, now) {
		e.counts.Learned.Add(1)
		c.counts.Learned.Add(1)
		return alerts
	}
	f := &finding{p: p, c: c, t: t, out: out, terms: terms, list: list, now: now}
	if a := e.admit(f); a != nil {
		t.alerted = true
		if t.holds() {
			a.held = &t.asked.Request
		}
		alerts = append(alerts, a)
	}
	return alerts
}

var verdicts = [...]alert.Verdict{seen.Known: alert.Known, seen.New: alert.New, seen.Expired: alert.Expired}

// observe remembers a tuple of a pass. The verdict is on the sighting that came
// first; an earlier one, which came late, only lowers the first sighting.
func (e *Engine) observe(m *seen.Memory, t *tuple, terms []byte, now int64) seen.Outcome {
	m.Clock(now + skew.Milliseconds())
	late := t.first < t.at
	s := seen.Sighting{First: t.at, Last: t.last, Count: t.count}
	if late {
		s.Count--
	}
	out := m.Observe(terms, s, &e.batch)
	if late {
		m.Observe(terms, seen.Sighting{First: t.first, Last: t.first, Count: 1}, &e.batch)
	}
	if out.Evicted {
		e.counts.Evicted.Add(1)
		if out.EvictedInsideWindow {
			e.counts.EvictedInsideWin.Add(1)
		}
	}
	return out
}

// readmit tells whether a tuple that is new to the rule was seen under
// exceptions that have been let go, and so is known.
func (e *Engine) readmit(c *compiled, t *tuple, terms []byte) bool {
	if c.except == nil || len(c.except.let) == 0 {
		return false
	}
	s, ok := c.except.history(terms, t.at, c.window)
	if !ok {
		return false
	}
	t.before = s
	e.counts.Readmitted.Add(1)
	c.memory.Observe(terms, seen.Sighting{First: s.First, Last: s.First, Count: s.Count}, &e.batch)
	return true
}

// admit raises the alert for a new tuple, unless it is suppressed or over the
// limit.
func (e *Engine) admit(f *finding) *Alert {
	gov := f.c.gov
	key := ""
	if s := f.c.suppress; s != nil {
		f.doc = e.document(f)
		terms, lacking := alert.SuppressionTerms(f.doc, s.GroupBy)
		if !lacking || s.MissingFields != rule.DoNotSuppressMissing {
			f.groupedBy, key = terms, alert.GroupKey(terms)
			if gov.Suppressed(key, f.list, len(f.terms), f.t.at, f.now) {
				e.counts.Suppressed.Add(1)
				f.c.counts.Suppressed.Add(1)
				return nil
			}
		}
	}
	if !gov.Admit(f.list, len(f.terms), f.t.at, f.now) {
		e.counts.Held.Add(1)
		f.c.counts.Held.Add(1)
		return nil
	}
	e.counts.New.Add(1)
	a, uuid := e.raise(f)
	a.Num, a.Seq, a.Group, a.Terms = f.c.state.Num, f.out.Seq, f.out.Group, bytes.Clone(f.terms)
	if key != "" {
		gov.Suppress(key, f.groupedBy, uuid, f.t.at, f.now)
	}
	return a
}

// due makes the summaries of all rules whose time has come.
func (e *Engine) due(now int64, all bool) []*Alert {
	var alerts []*Alert
	for _, c := range e.set.Load().rules {
		for _, s := range c.gov.Due(now, all) {
			alerts = append(alerts, e.summary(c.liveRule, &s, now))
		}
	}
	return alerts
}

// giveUp forgets the tuple of an alert that the full outbox has given up: it
// alerts again when it is next seen. The store calls it, under the lock.
func (e *Engine) giveUp(a seen.OutboxEntry) {
	e.givenUp[a.ID] = true
	if l := e.live[a.Rule]; l != nil && a.Seq != 0 && l.state.Num == a.Num {
		l.memory.Forget(a.Terms, a.Seq)
	}
}

// handOver gives what has been decided to the store, and the alerts to their
// way out. It is called under the lock and does not wait for the disk. The
// ticket is the zero one if there was nothing to write.
func (e *Engine) handOver(alerts []*Alert) (ticket seen.Ticket) {
	for _, c := range e.set.Load().rules {
		if c.gov.Changed() {
			c.state.Meta = c.meta()
			e.batch.SetMeta(c.state.Num, c.state.Meta)
		}
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
		a.ID, a.ticket, a.stored = first+uint64(i), ticket, true
		if e.givenUp[a.ID] {
			continue
		}
		if a.held != nil && e.sharing.hold(a, *a.held) {
			continue
		}
		if e.opts.Alert != nil {
			e.opts.Alert(a)
		}
	}
	return ticket
}
