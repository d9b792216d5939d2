package engine

import (
	"fmt"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// finding is a new combination, on its way to become an alert.
type finding struct {
	f     *flush
	batch *match.Batch
	r     *runningRule
	c     *match.Combination
	d     *decision
	out   seen.Outcome
	terms []byte // encoded
	list  []any  // decoded
	now   int64  // ms
	group uint64 // the noisy group that it belongs to, 0 for none

	groupedBy []alert.SuppressionTerm
}

// builder makes the records that leave: alerts, summaries and matching records.
type builder struct {
	opts   *Options
	counts *Counts
	peers  *Peers // nil without a shared store
}

// alert makes the alert for a new combination.
func (b *builder) alert(x *finding) (a *Alert, uuid string) {
	r, c, d := x.r, x.c, x.d
	ev := x.f.documents.of(x.batch, c)
	shown := ev.shownBy(r)
	if d.variant != nil {
		shown = shown.Low()
	}
	f := alert.Finding{
		Terms: x.list, Time: time.UnixMilli(c.At), Detected: time.UnixMilli(x.now), Tag: x.f.tag,
		Instance: b.opts.Instance, Known: r.memory.Len(), NovelUnsure: x.out.NovelUnsure,
		LearningSince: r.limiter.Since(), Truncated: c.Truncated,
		Verdict: d.verdict, Variant: d.variant, FirstSeen: time.UnixMilli(c.At), LastSeen: time.UnixMilli(c.At), Count: 1,
	}
	switch d.verdict {
	case alert.Missing, alert.Match:
		f.UUID = alert.EventUUID(r.info.ID, x.terms, time.Unix(0, c.Stamp), ev.Digest())
	default:
		f.UUID = alert.UUID(r.info.ID, x.terms, f.Time, r.Source.Window)
		f.Known-- // this one is among them
	}
	for i := range r.Source.Terms {
		f.Novel = append(f.Novel, x.out.Novel>>i&1 != 0)
	}
	if d.verdict == alert.Expired {
		f.FirstSeen, f.LastSeen = time.UnixMilli(d.before.First), time.UnixMilli(d.before.Last)
	}
	if x.groupedBy != nil {
		f.Suppression = &alert.Suppression{Terms: x.groupedBy, Start: f.Time, End: f.Time}
	}
	b.counts.Alerts.Add(1)
	r.counts.Alerts.Add(1)
	if b.peers != nil {
		b.peers.count(d)
	}
	make := func(small bool) *Alert {
		return b.record(r.ruleState, shown, x.f.tag, c.At, func() map[string]any {
			body := b.addSource(alert.Document(ev.Event, shown, &f, small), x.batch.Event(c.Event).Record)
			if b.peers != nil {
				provenance(body, d)
			}
			return body
		}, func(why any) map[string]any { return plainDocument(shown, x, why) })
	}
	small := x.f.spent > limits.DecisionAlerts
	a = make(small)
	switch {
	case small:
	case len(a.Body) > limits.Alert:
		a = make(true)
	case len(a.Body) > limits.RefusedAlertBytes && x.f.spent < limits.DecisionAlerts/8:
		// What a full outbox, or a receiver that refuses the whole, has of it.
		// A flush of very many long alerts has no memory to spare for it.
		if short := make(true).Body; len(short) <= limits.RefusedAlertBytes {
			a.Short = short
		}
	}
	x.f.spent += len(a.Body) + len(a.Short)
	return a, f.UUID
}

// addSource adds to a record where its event came from.
func (b *builder) addSource(body map[string]any, index int) map[string]any {
	if own, ok := body["newterms"].(map[string]any); ok && b.opts.Source != nil {
		for k, v := range b.opts.Source(index) {
			own[k] = v
		}
	}
	return body
}

// summary makes the record of a summary.
func (b *builder) summary(s *ruleState, sum *alert.Summary, now int64) *Alert {
	b.counts.Summaries.Add(1)
	s.counts.Summaries.Add(1)
	shown := &s.info
	if sum.Kind == alert.Variants && sum.Marked == 0 {
		shown = shown.Low()
	}
	return b.record(s, shown, "", now, func() map[string]any {
		return alert.SummaryDocument(shown, sum, time.UnixMilli(now), b.opts.Instance)
	}, func(why any) map[string]any { return plainDocument(shown, nil, why) })
}

// match makes the record of a matching event that raised no alert.
func (b *builder) match(x *finding, m match.Match, f *alert.Finding) *Alert {
	f.Terms, _ = seen.DecodeTerms(x.terms)
	f.Tag, f.Instance = x.f.tag, b.opts.Instance
	r := x.r
	a := b.record(r.ruleState, &r.info, x.f.tag, m.At, func() map[string]any {
		return b.addSource(alert.MatchedDocument(x.f.documents.at(x.batch, m.Event).Event, &r.info, f), x.batch.Event(m.Event).Record)
	}, func(why any) map[string]any { return plainDocument(&r.info, x, why) })
	a.Matched = true
	b.counts.Passed.Add(1)
	return a
}

// plainAlert makes an alert where everything else has failed.
func (b *builder) plainAlert(x *finding, why any) *Alert {
	document := func(why any) map[string]any { return plainDocument(&x.r.info, x, why) }
	return b.record(x.r.ruleState, &x.r.info, x.f.tag, x.c.At, func() map[string]any { panic(why) }, document)
}

// record makes a record with the document that build returns, or, whatever goes
// wrong, with the one that plain returns: its combination is remembered already.
func (b *builder) record(s *ruleState, shown *alert.Rule, tag string, at int64, build func() map[string]any, plain func(why any) map[string]any) *Alert {
	return &Alert{RuleName: s.info.Name, OutboxEntry: seen.OutboxEntry{
		Rule: s.info.ID, Severity: rule.SeverityRank(shown.Severity), Time: at,
		Tag: alert.ExpandTag(b.opts.AlertTag, s.info.ID, shown.Severity, tag), Body: encode(build, plain),
	}}
}

// plainDocument is the document of a record that cannot be shown in full. x is
// nil for a record that no event is behind.
func plainDocument(r *alert.Rule, x *finding, why any) map[string]any {
	doc := map[string]any{
		"event": map[string]any{"kind": "signal"}, "kibana.alert.rule.rule_id": r.ID,
		"kibana.alert.rule.name": r.Name, "kibana.alert.severity": r.Severity,
		"error.message": fmt.Sprint("the alert cannot be shown in full: ", why),
	}
	if x != nil {
		at := time.UnixMilli(x.c.At)
		doc["kibana.alert.uuid"] = alert.UUID(r.ID, x.terms, at, x.r.Source.Window)
		if x.c.Alone {
			place := fmt.Append(nil, x.batch.Event(x.c.Event).Record)
			doc["kibana.alert.uuid"] = alert.EventUUID(r.ID, x.terms, time.Unix(0, x.c.Stamp), place)
		}
		doc["kibana.alert.original_time"] = alert.Timestamp(at)
		doc["kibana.alert.new_terms"], _ = seen.DecodeTerms(x.terms) // nothing of them is better than no alert
	}
	return doc
}

// encode returns the document that build makes as JSON; if that fails, the one
// that plain makes.
func encode(build func() map[string]any, plain func(why any) map[string]any) (text []byte) {
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
