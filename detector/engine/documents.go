package engine

import (
	"fmt"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/match"
)

// documents makes the documents of the events of a batch, one at a time: the
// combinations of an event lie side by side, and share its document.
type documents struct {
	now   *eventDocument // nil for none
	event int32          // the event that it is of
}

// eventDocument is an event's document, and what one rule makes of it.
type eventDocument struct {
	*alert.Event
	rule  *runningRule // what follows is for
	shown *alert.Rule
	group *eventGroup
}

// eventGroup is what the alerts of a rule on an event are grouped by.
type eventGroup struct {
	terms   []alert.SuppressionTerm
	key     string
	lacking bool // the event lacks one of the fields
}

// reset forgets the document, whose batch is over.
func (d *documents) reset() { d.now = nil }

// of returns the document of a combination's event.
func (d *documents) of(b *match.Batch, c *match.Combination) *eventDocument { return d.at(b, c.Event) }

// at returns the document of an event. A value too odd to show, or a bug in the
// reader, must not cost the alert: it goes without.
func (d *documents) at(b *match.Batch, event int32) *eventDocument {
	if d.now == nil || d.event != event {
		d.now, d.event = &eventDocument{Event: readDocument(b, event)}, event
	}
	return d.now
}

func readDocument(b *match.Batch, event int32) (e *alert.Event) {
	defer func() {
		if why := recover(); why != nil {
			e = alert.NewEvent(map[string]any{"error.message": fmt.Sprint("the event cannot be shown: ", why)})
		}
	}()
	doc, err := b.Event(event).Document()
	if err != nil {
		doc = map[string]any{"error.message": err.Error()}
	}
	return alert.NewEvent(doc)
}

func (d *eventDocument) use(r *runningRule) {
	if d.rule != r {
		d.rule, d.shown, d.group = r, nil, nil
	}
}

// shownBy returns a rule as the alerts on the event show it.
func (d *eventDocument) shownBy(r *runningRule) *alert.Rule {
	if d.use(r); d.shown == nil {
		d.shown = r.info.For(d.Whole())
	}
	return d.shown
}

// groupOf returns what the alerts of a rule that suppresses are grouped by.
func (d *eventDocument) groupOf(r *runningRule) *eventGroup {
	if d.use(r); d.group == nil {
		g := &eventGroup{}
		g.terms, g.key, g.lacking = alert.SuppressionTerms(d.Whole(), r.suppress.GroupBy)
		d.group = g
	}
	return d.group
}
