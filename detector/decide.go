package detector

import (
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/seen"
)

// decide asks the rules' memories about the tuples of a pass, raises alerts
// for those that are new, and commits both in one transaction.
func (e *Engine) decide(p *pass, tag string) (owed error) {
	e.mu.Lock()
	var alerts []*Alert
	for i := range p.fold.tuples {
		alerts = e.one(p, &p.fold.tuples[i], tag, alerts)
	}
	// Time moves on only now, so that it is the same for an event however the
	// lines around it were split into batches.
	for i := range p.fold.tuples {
		e.now = max(e.now, p.fold.tuples[i].last)
	}
	ticket := e.handOver(alerts)
	e.mu.Unlock()
	return e.wait(ticket)
}

// one decides about one tuple.
func (e *Engine) one(p *pass, t *tuple, tag string, alerts []*Alert) []*Alert {
	c := p.set.rules[t.rule]
	now := p.now
	if e.opts.EventTime {
		now = max(e.now, t.first)
	}
	c.gov.Matched(t.first)
	terms := p.fold.terms(t)
	out := c.memory.Observe(terms, seen.Sighting{First: t.first, Last: t.last, Count: t.count}, &e.batch)
	if out.Evicted {
		e.counts.Evicted.Add(1)
		if out.EvictedInsideWindow {
			e.counts.EvictedInsideWin.Add(1)
		}
	}
	if out.Verdict == seen.Known {
		return alerts
	}
	if t.first <= e.opts.LearnUntil {
		e.counts.Learned.Add(1)
		return alerts
	}
	for _, s := range c.gov.Due(now, false) {
		alerts = append(alerts, e.summary(c.liveRule, &s, now))
	}
	list, err := seen.DecodeTerms(terms)
	if err != nil {
		list = []any{} // cannot be: AppendTerm wrote them
	}
	switch c.gov.New(list, len(terms), t.first, now) {
	case alert.Learn:
		e.counts.Learned.Add(1)
	case alert.Hold:
		e.counts.Held.Add(1)
	case alert.Raise:
		e.counts.New.Add(1)
		alerts = append(alerts, e.raise(p, c, t, &out, list, tag, now))
	}
	return alerts
}

// raise makes the alert for a new tuple.
func (e *Engine) raise(p *pass, c *compiled, t *tuple, out *seen.Outcome, list []any, tag string, now int64) *Alert {
	ref := &p.refs[t.ref]
	doc, err := ref.Document()
	if err != nil {
		// The event was scanned, so this is a value too odd to show. The
		// alert must not be lost for it.
		doc = map[string]any{"error.message": err.Error()}
	}
	f := alert.Finding{
		Terms: list, Time: time.UnixMilli(t.first), Detected: time.UnixMilli(now), Tag: tag,
		Instance: e.opts.Instance, Known: c.memory.Len() - 1, NovelUnsure: out.NovelUnsure,
		LearningSince: c.gov.Since(), Truncated: t.truncated, Count: t.count,
		UUID: alert.UUID(c.rule.ID, p.fold.terms(t), time.UnixMilli(t.first), c.rule.Window),
	}
	for i := range c.fields {
		f.Novel = append(f.Novel, out.Novel>>i&1 != 0)
	}
	if out.Verdict == seen.Expired {
		f.Expired = true
		f.FirstSeen, f.LastSeen = time.UnixMilli(out.Previous.First), time.UnixMilli(out.Previous.Last)
	}
	body := alert.Document(doc, &c.info, &f)
	if e.opts.Source != nil {
		own, _ := body["newterms"].(map[string]any)
		for k, v := range e.opts.Source(ref.Record) {
			own[k] = v
		}
	}
	e.counts.Alerts.Add(1)
	return e.entry(c.liveRule, c.info.Severity, body, tag, t.first)
}

// summary makes the record of a summary.
func (e *Engine) summary(l *liveRule, s *alert.Summary, now int64) *Alert {
	e.counts.Summaries.Add(1)
	return e.entry(l, l.info.Severity, alert.SummaryDocument(&l.info, s, time.UnixMilli(now), e.opts.Instance), "", now)
}

func (e *Engine) entry(l *liveRule, severity string, body map[string]any, tag string, ms int64) *Alert {
	text, err := alert.Encode(body)
	if err != nil {
		// A number that JSON has no form for (NaN, infinity) is all that can
		// be wrong: the alert goes without the event's document.
		text, _ = alert.Encode(map[string]any{
			"kibana.alert.uuid": body["kibana.alert.uuid"], "kibana.alert.rule.rule_id": l.info.ID,
			"kibana.alert.rule.name": l.info.Name, "error.message": err.Error(),
			"newterms": map[string]any{"tag": tag},
		})
	}
	return &Alert{RuleName: l.info.Name, OutboxEntry: seen.OutboxEntry{
		Rule: l.info.ID, Severity: severityRank(severity), Time: ms,
		Tag: expandTag(e.opts.AlertTag, l.info.ID, severity, tag), Body: text,
	}}
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

// handOver gives what has been decided to the store, and the alerts to their
// way out. It is called under the lock and does not wait for the disk.
func (e *Engine) handOver(alerts []*Alert) seen.Ticket {
	for _, c := range e.set.Load().rules {
		if c.gov.Changed() {
			c.state.Meta.Extra = c.gov.State()
			e.batch.SetMeta(c.state.Num, c.state.Meta)
		}
	}
	for _, a := range alerts {
		e.batch.AddAlert(a.OutboxEntry)
	}
	ticket := e.store.Enqueue(&e.batch)
	first, _ := e.batch.AlertIDs()
	for i, a := range alerts {
		a.ID, a.ticket, a.stored = first+uint64(i), ticket, true
		if e.opts.Alert != nil {
			e.opts.Alert(a)
		}
	}
	return ticket
}
