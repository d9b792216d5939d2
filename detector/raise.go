package detector

import (
	"fmt"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// finding is a new tuple, on its way to become an alert.
type finding struct {
	p     *pass
	c     *compiled
	t     *tuple
	out   seen.Outcome
	terms []byte // as bytes
	list  []any  // as values
	now   int64  // ms

	doc       map[string]any // the event's document, nil until it is asked for
	groupedBy []alert.SuppressionTerm
}

// document returns the whole document of a finding's event. A value too odd to
// show, or a bug in the reader, must not cost the alert: it goes without.
func (e *Engine) document(f *finding) (doc map[string]any) {
	if f.doc != nil {
		return f.doc
	}
	defer func() {
		if r := recover(); r != nil {
			doc = map[string]any{"error.message": fmt.Sprint("the event cannot be shown: ", r)}
		}
	}()
	doc, err := f.p.refs[f.t.ref].Document()
	if err != nil {
		doc = map[string]any{"error.message": err.Error()}
	}
	return doc
}

// raise makes the alert for a new tuple.
func (e *Engine) raise(f *finding) (a *Alert, uuid string) {
	c, t := f.c, f.t
	doc := e.document(f)
	shown := c.info.For(doc)
	x := alert.Finding{
		Terms: f.list, Time: time.UnixMilli(t.at), Detected: time.UnixMilli(f.now), Tag: f.p.tag,
		Instance: e.opts.Instance, Known: c.memory.Len(), NovelUnsure: f.out.NovelUnsure,
		LearningSince: c.gov.Since(), Truncated: t.truncated,
		Verdict: t.verdict, FirstSeen: time.UnixMilli(t.at), LastSeen: time.UnixMilli(t.at), Count: 1,
	}
	switch t.verdict {
	case alert.Missing:
		text, _ := alert.Encode(doc)
		x.UUID = alert.EventUUID(c.rule.ID, f.terms, x.Time, text)
	default:
		x.UUID = alert.UUID(c.rule.ID, f.terms, x.Time, c.rule.Window)
		x.Known-- // this one is among them
	}
	for i := range c.fields {
		x.Novel = append(x.Novel, f.out.Novel>>i&1 != 0)
	}
	if t.verdict == alert.Expired {
		x.FirstSeen, x.LastSeen = time.UnixMilli(t.before.First), time.UnixMilli(t.before.Last)
	}
	if f.groupedBy != nil {
		x.Suppression = &alert.Suppression{Terms: f.groupedBy, Start: x.Time, End: x.Time}
	}
	e.counts.Alerts.Add(1)
	c.counts.Alerts.Add(1)
	return e.entry(c.liveRule, shown, f.p, t, func() map[string]any {
		body := e.sourced(alert.Document(doc, shown, &x), f.p.refs[t.ref].Record)
		if e.sharing != nil {
			e.sharing.provenance(body, t)
		}
		return body
	}), x.UUID
}

// sourced adds to a record where its event came from.
func (e *Engine) sourced(body map[string]any, index int) map[string]any {
	if own, ok := body["newterms"].(map[string]any); ok && e.opts.Source != nil {
		for k, v := range e.opts.Source(index) {
			own[k] = v
		}
	}
	return body
}

// summary makes the record of a summary.
func (e *Engine) summary(l *liveRule, s *alert.Summary, now int64) *Alert {
	e.counts.Summaries.Add(1)
	l.counts.Summaries.Add(1)
	return e.entry(l, &l.info, nil, &tuple{at: now}, func() map[string]any {
		return alert.SummaryDocument(&l.info, s, time.UnixMilli(now), e.opts.Instance)
	})
}

// entry makes the record whose document build returns. p is nil for a record
// that no event is behind.
func (e *Engine) entry(l *liveRule, shown *alert.Rule, p *pass, t *tuple, build func() map[string]any) *Alert {
	tag := ""
	if p != nil {
		tag = p.tag
	}
	return &Alert{RuleName: l.info.Name, OutboxEntry: seen.OutboxEntry{
		Rule: l.info.ID, Severity: rule.SeverityRank(shown.Severity), Time: t.at,
		Tag: alert.ExpandTag(e.opts.AlertTag, l.info.ID, shown.Severity, tag), Body: encoded(build, func(why any) map[string]any {
			return plain(shown, p, t, why)
		}),
	}}
}

// plain is the document of an alert that cannot be shown in full.
func plain(r *alert.Rule, p *pass, t *tuple, why any) map[string]any {
	doc := map[string]any{
		"event": map[string]any{"kind": "signal"}, "kibana.alert.rule.rule_id": r.ID,
		"kibana.alert.rule.name": r.Name, "kibana.alert.severity": r.Severity,
		"error.message": fmt.Sprint("the alert cannot be shown in full: ", why),
	}
	if p != nil {
		terms, at := p.fold.terms(t), time.UnixMilli(t.at)
		doc["kibana.alert.uuid"] = alert.UUID(r.ID, terms, at, p.set.rules[t.rule].rule.Window)
		doc["kibana.alert.original_time"] = alert.Timestamp(at)
		doc["kibana.alert.new_terms"], _ = seen.DecodeTerms(terms) // nothing of them is better than no alert
	}
	return doc
}

// encoded returns the document that build makes as JSON. Whatever goes wrong,
// there is a record, the one that plain makes: its tuple is remembered already.
func encoded(build func() map[string]any, plain func(why any) map[string]any) (text []byte) {
	defer func() {
		if why := recover(); why != nil {
			text, _ = alert.Encode(plain(why))
		}
	}()
	text, err := alert.Encode(build())
	if err != nil {
		text, _ = alert.Encode(plain(err))
	}
	return text
}
