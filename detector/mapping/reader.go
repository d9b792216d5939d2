package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"fluent-bit-newterms/detector/geoip"
	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/record"
)

// Event is one event of a record: the record itself, the event that it wraps,
// or one item of the list that it holds. It is valid during the call that
// hands it over.
type Event struct {
	View *record.View
	// Time is the event's own time if it is a document that has one
	// (@timestamp), else the record's, in nanoseconds since the epoch; NoTime if
	// neither has one.
	Time int64
	// RecordTime is the record's time alone.
	RecordTime int64
	// Record is the record's place in its chunk, Item the event's place in
	// the record's list, what was skipped counted, both from 0.
	Record, Item int

	shape  shape
	format record.Format
	span   []byte // the event
	aks    []byte // Azure's envelope around it, if any
	aksFmt record.Format
	file   *Mapping
	geo    *geoip.DB
	extra  [][]byte // see Reader.extra
	moved  bool     // span lies in the reader's own memory

	focused        bool
	focus          *Focus // it was read through, if it is focused
	whole          bool   // ReadMore has scanned the rest of it
	more, anything bool   // see Beyond
}

// NoTime is the time of a record that has none.
const NoTime = math.MinInt64

// Raw tells whether the event is a raw Kubernetes audit event.
func (e *Event) Raw() bool { return e.shape != ecsShape }

// Handler takes the events of records, in order.
type Handler interface {
	Event(ev *Event)
}

// Errors of records that hold no event. The record is passed over.
var (
	ErrNotMap = record.ErrNotMap
	ErrText   = errors.New("the text that should hold an event is not a JSON object")
	ErrNested = errors.New("events wrapped in too many layers")
)

// Stats counts what a Reader has read since it was made.
type Stats struct {
	Records uint64 // records read
	Events  uint64 // events handed over
	Skipped uint64 // records, or parts of them, that hold no event
	// Unread counts records that look like audit events and were not read as
	// such, by reason.
	Unread [UnreadReasons]uint64
	// PodEvents counts audit events in the output of pods that are no API
	// servers.
	PodEvents uint64
}

// Reader finds the events of records and the fields that the plan asks of
// them. It reuses its memory, and is not safe for concurrent use.
type Reader struct {
	plan *Plan
	view *record.View
	aks  *record.View // of events in envelopes of Azure, whose fields stay in view
	ev   Event
	time int64 // the record's; a Handler may change the event's

	chunk    record.Chunk
	attrs    *attributes           // nil before a record has any
	extra    [][]byte              // maps whose entries count as the record's own, beside its body
	texts    [maxLayers + 1][]byte // text found in text, by layer
	walks    [maxLayers + 1]*walk  // maps and arrays that are searched, by layer
	guess    bool                  // what is being read is only guessed to be an event
	strict   bool                  // the record holds more than wrapping: no text in it is an event
	used     int                   // the layer that the View was last filled for
	pod      bool                  // the record is the output of a pod that is no API server
	found    []shape               // the mapping files that the record is a raw event of
	why      Unread                // what kept the search of the record from finding an event
	item     int                   // events handed over and parts skipped, of the record at hand
	hollow   *hollowness
	elements []*elements
	handed   uint64 // events, so that each is counted once that asks for a field
	stats    Stats
	steps    [maxShapes]steps
	memos    []*kql.Memo       // of the plan's compilers
	focus    *Focus            // how events are read that are like those before, or nil
	recall   func(*Event) bool // see Focus
	outer    *record.Layout    // of log_key alone, nil without one
	onScan   func(b []byte)    // a test's count of the work, or nil
	// Skip, if not nil, is told of every record or part of one that is
	// passed over, and why.
	Skip func(record int, err error)
}

// NewReader returns a Reader. The plan must be complete.
func (p *Plan) NewReader() *Reader {
	r := &Reader{plan: p}
	r.view = r.newView()
	r.view.Defer(p.later, r.late)
	for s := range p.shapes {
		r.steps[s] = steps{p.objects[s], p.copies[s], p.unions[s], p.outcomes[s], p.consts[s], p.derives[s]}
	}
	for _, c := range p.compilers {
		r.memos = append(r.memos, c.NewMemo())
	}
	if p.opts.LogKey != "" {
		r.outer = p.layout.Only(func(slot int32) bool { return slot == p.mark.logKeyText || slot == p.mark.logKeyMap })
	}
	return r
}

func (r *Reader) newView() *record.View {
	v := r.plan.layout.NewView(len(r.plan.lazies), r)
	v.SetTable(r.plan.tables[ecsShape])
	return v
}

// Stats returns what has been read so far.
func (r *Reader) Stats() Stats { return r.stats }

// Chunk reads the records of a Fluent Bit chunk. A chunk that breaks off gives
// the events before the break, and an error.
func (r *Reader) Chunk(data []byte, h Handler) error {
	c := &r.chunk
	c.Reset(data)
	for {
		ok, err := c.Next()
		if err != nil || !ok {
			return err
		}
		r.begin(c.Time, c.Index)
		if c.Meta != nil || c.Group != nil {
			if r.attrs == nil {
				r.attrs = newAttributes()
			}
			r.attrs.find(c.Meta, c.Group)
			r.extra = r.attrs.spans
		}
		n, focused, err := r.scan(record.Msgpack, c.Body, 0)
		switch err {
		case nil:
			c.Advance(n)
		case record.ErrNotMap:
			if err := c.SkipBody(); err != nil {
				return err
			}
			r.skip(err)
			continue
		default:
			return c.Fail(err)
		}
		if focused {
			r.handFocused(record.Msgpack, c.Body, h)
		} else {
			r.scanned(record.Msgpack, c.Body, 0, h)
		}
	}
}

// Line reads one record written as JSON, whose time is ns nanoseconds since
// the epoch, or NoTime, and whose place among its like is index.
func (r *Reader) Line(line []byte, ns int64, index int, h Handler) error {
	r.begin(ns, index)
	_, err := r.text(line, 0, h)
	return err
}

func (r *Reader) begin(ns int64, index int) {
	r.stats.Records++
	r.time, r.item, r.guess = ns, 0, false
	r.strict, r.pod, r.why = false, false, UnreadUnknown
	r.extra = nil
	r.ev = Event{Record: index}
}

// text reads an event, or what wraps one, from JSON text. See scanned for what
// it returns.
func (r *Reader) text(b []byte, layer int, h Handler) (taken bool, err error) {
	if t := trimmed(b); t != nil {
		b = t
	}
	if layer < maxLayers && len(b) > 1 && (b[0] == '"' || isEscaped(b)) {
		// Text in text, quoted or only escaped.
		text, copied, ok := b, true, true
		if b[0] == '"' {
			text, copied, ok = r.textOf(record.JSON, b, layer)
		} else {
			text = record.Unescaped(r.texts[layer][:0], b)
			r.texts[layer] = text
		}
		if ok && r.innerText(text, copied, layer, h) {
			return true, nil
		}
	}
	n, focused, err := r.scan(record.JSON, b, layer)
	if err == record.ErrNotMap && len(b) > 0 && b[0] == '[' {
		return r.list(record.JSON, b, layer, h), nil
	}
	if err == nil && len(bytes.TrimSpace(b[n:])) > 0 {
		err = fmt.Errorf("%w: more text after the object", record.ErrJSON)
	}
	if err != nil {
		if layer > 0 {
			err = fmt.Errorf("%w: %w", ErrText, err)
		}
		return r.failed(err), err
	}
	if focused {
		r.handFocused(record.JSON, b[:n], h)
		return true, nil
	}
	return r.scanned(record.JSON, b[:n], layer, h), nil
}

func (r *Reader) skip(err error) {
	r.stats.Skipped++
	r.item++
	if r.Skip != nil {
		r.Skip(r.ev.Record, err)
	}
}

// hand completes the View for the event's shape and hands the event over.
func (r *Reader) hand(s shape, v *record.View, f record.Format, b []byte, h Handler) {
	if r.refuses(s) {
		return
	}
	r.complete(s, v, f)
	r.ev.focused = false
	r.present(s, v, f, b)
	h.Event(&r.ev)
}

// refuses counts an audit event in the output of a pod that is no API server,
// and tells whether it is not to be handed over.
func (r *Reader) refuses(s shape) bool {
	if !r.pod || s == ecsShape || s >= fileShape {
		return false
	}
	r.stats.PodEvents++
	if r.plan.opts.RefusePodEvents {
		r.stats.Unread[UnreadPod]++
		r.item++
	}
	return r.plan.opts.RefusePodEvents
}

// present makes ev the event at hand.
func (r *Reader) present(s shape, v *record.View, f record.Format, b []byte) {
	r.ev.View, r.ev.Time, r.ev.RecordTime, r.ev.Item = v, r.time, r.time, r.item
	for _, slot := range r.plan.timesOf(s) {
		if i := v.Slot(slot); i != 0 {
			if ns, ok := Time(v.At(i)); ok {
				r.ev.Time = ns
				break
			}
		}
	}
	r.ev.shape, r.ev.format, r.ev.span, r.ev.geo = s, f, b, r.plan.opts.Geo
	if r.ev.file = nil; s >= fileShape {
		r.ev.file = r.plan.files[s-fileShape].m
	}
	if r.ev.extra = nil; s == ecsShape {
		r.ev.extra = r.extra
	}
	r.stats.Events++
	r.item++
	r.handed++
}

// complete adds to the View of an event what its shape stands for.
func (r *Reader) complete(s shape, v *record.View, f record.Format) {
	v.SetTable(r.plan.tables[s])
	r.run(&r.steps[s], s, v, f)
}

func (r *Reader) run(st *steps, s shape, v *record.View, f record.Format) {
	if s == ecsShape {
		r.forgetHollow(v, f, st.objects)
	} else if s < fileShape {
		r.dropEmpty(v, f, st.objects)
	}
	for i := range st.copies {
		c := &st.copies[i]
		if (c.when == nil || r.isPresent(v, f, c.when)) && (c.unless == nil || !r.isPresent(v, f, c.unless)) {
			v.AliasSlot(c.dst, c.src)
		}
	}
	for i := range st.unions {
		union(v, &st.unions[i])
	}
	if st.outcome != none {
		pushOutcome(v, st.outcome, r.plan.decision[s])
	}
	for i := range st.derives {
		r.derive(&st.derives[i], v, f)
	}
	for i := range st.consts {
		c := &st.consts[i]
		if c.own != none && v.Slot(c.own) != 0 {
			v.AliasSlot(c.slot, c.own)
			continue
		}
		v.PushSlot(c.slot, record.Value{Kind: record.String, Str: c.value})
	}
}

// pushOutcome derives event.outcome from the authorizer's decision. An event
// that has two of them, one spelt with underscores, was forbidden if either
// says so.
func pushOutcome(v *record.View, dst, decision int32) {
	var result string
	for i := v.Slot(decision); i != 0; i = v.Next(i) {
		if val := v.At(i); val.Kind == record.String {
			result = outcomeOf(val.Str, result)
		}
	}
	if result != "" {
		v.PushSlot(dst, record.Value{Kind: record.String, Str: result})
	}
}

// outcomeOf returns the outcome that follows from a decision and from those
// before it.
func outcomeOf(decision, before string) string {
	switch {
	case decision == "forbid":
		return "failure"
	case decision == "allow" && before == "":
		return "success"
	}
	return before
}

// maxCompared is how many values of a union are told apart.
const maxCompared = 64

func union(v *record.View, u *slotUnion) {
	n := 0
	for _, src := range u.src {
	values:
		for i := v.Slot(src); i != 0; i = v.Next(i) {
			val := *v.At(i)
			if val.Kind == record.Object {
				continue
			}
			// Every pair is compared, so only among so many: a value that
			// stands there twice does no harm.
			if n < maxCompared {
				for j := v.Slot(u.dst); j != 0; j = v.Next(j) {
					if *v.At(j) == val {
						continue values
					}
				}
			}
			v.PushSlot(u.dst, val)
			n++
		}
	}
}
