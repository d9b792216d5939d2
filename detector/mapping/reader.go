package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"fluent-bit-newterms/detector/record"
)

// Event is one event of a record: the record itself, the event that it wraps,
// or one item of the list that it holds. It is valid during the call that
// hands it over.
type Event struct {
	View *record.View
	// Time is the record's time, in nanoseconds since the epoch.
	Time int64
	// Record is the record's place in its chunk, Item the event's place in
	// the record's list, both from 0.
	Record, Item int

	shape  shape
	format record.Format
	span   []byte // the event
	aks    []byte // Azure's envelope around it, if any
	aksFmt record.Format
	moved  bool // span lies in the reader's own memory
}

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

// maxLayers is how many wrappings are taken off: text under log_key, that
// holds an export of Azure, that holds text, that holds a list, and one more.
const maxLayers = 5

// Stats counts what a Reader has read since it was made.
type Stats struct {
	Records uint64 // records read
	Events  uint64 // events handed over
	Skipped uint64 // records, or parts of them, that hold no event
}

// Reader finds the events of records and the fields that the plan asks of
// them. It reuses its memory, and is not safe for concurrent use.
type Reader struct {
	plan *Plan
	view *record.View
	ev   Event

	chunk    record.Chunk
	texts    [maxLayers + 1][]byte // text found in text, by layer
	items    itemWalk
	elements []*elements
	stats    Stats
	// Skip, if not nil, is told of every record or part of one that is
	// passed over, and why.
	Skip func(record int, err error)
}

// NewReader returns a Reader. The plan must be complete.
func (p *Plan) NewReader() *Reader {
	r := &Reader{plan: p}
	r.view = p.layout.NewView(len(p.lazies), r)
	r.view.SetTable(p.tables[ecsShape])
	r.items.reader = r
	r.items.fn = r.items.one
	return r
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
		r.stats.Records++
		r.ev = Event{View: r.view, Time: c.Time, Record: c.Index}
		r.view.Reset()
		n, err := r.plan.layout.ScanMsgpack(c.Body, r.view)
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
		r.scanned(record.Msgpack, c.Body, 0, h)
	}
}

// Line reads one record written as JSON, whose time is ns nanoseconds since
// the epoch and whose place among its like is index.
func (r *Reader) Line(line []byte, ns int64, index int, h Handler) error {
	r.stats.Records++
	r.ev = Event{View: r.view, Time: ns, Record: index}
	return r.text(line, 0, h)
}

// text reads an event, or what wraps one, from JSON text.
func (r *Reader) text(b []byte, layer int, h Handler) error {
	r.view.Reset()
	n, err := r.plan.layout.ScanJSON(b, r.view)
	if err == nil && len(bytes.TrimSpace(b[n:])) > 0 {
		err = fmt.Errorf("%w: more text after the object", record.ErrJSON)
	}
	if err != nil {
		if layer > 0 {
			err = fmt.Errorf("%w: %w", ErrText, err)
		}
		r.skip(err)
		return err
	}
	r.scanned(record.JSON, b[:n], layer, h)
	return nil
}

func (r *Reader) skip(err error) {
	r.stats.Skipped++
	if r.Skip != nil {
		r.Skip(r.ev.Record, err)
	}
}

// scanned looks at what the View now holds of the map b: an event to hand
// over, or a wrapping to take off.
func (r *Reader) scanned(f record.Format, b []byte, layer int, h Handler) {
	v, m := r.view, &r.plan.mark
	if layer > maxLayers {
		r.skip(ErrNested)
		return
	}
	if r.plan.opts.LogKey != "" && layer == 0 {
		if i := v.Slot(m.logKeyText); i != 0 && v.At(i).Kind == record.String {
			r.innerText(f, v.At(i).Str, layer, h)
			return
		}
		if i := v.Slot(m.logKeyMap); i != 0 {
			r.inner(f, v.At(i).Bytes(), layer, h)
			return
		}
	}
	if r.plan.opts.Mode == ECS {
		r.hand(ecsShape, f, b, h)
		return
	}
	switch {
	case v.Slot(m.auditID) != 0 && v.Slot(m.stage) != 0:
		r.hand(rawShape, f, b, h)
	case v.Slot(m.items) != 0 && r.isList():
		r.list(f, v.At(v.Slot(m.items)).Bytes(), layer, h)
	case v.Slot(m.category) != 0 && v.Slot(m.operation) != 0 && v.Slot(m.resource) != 0 && v.Slot(m.time) != 0 &&
		(v.Slot(m.logText) != 0 || v.Slot(m.logMap) != 0):
		r.azure(f, b, h)
	case v.Slot(m.payload) != 0 && v.Slot(m.insertID) != 0:
		r.hand(gkeShape, f, b, h)
	case r.isAgent():
		r.hand(agentShape, f, b, h)
	case v.Slot(m.records) != 0 && layer < maxLayers && r.plan.opts.LogKey == "":
		r.list(f, v.At(v.Slot(m.records)).Bytes(), layer, h)
	default:
		r.other(f, b, layer, h)
	}
}

// isList tells whether the record is a list of audit events.
func (r *Reader) isList() bool {
	v, m := r.view, &r.plan.mark
	if i := v.Slot(m.kind); i != 0 && v.At(i).Str == "EventList" {
		return true
	}
	i := v.Slot(m.version)
	return i != 0 && strings.HasPrefix(v.At(i).Str, "audit.k8s.io/")
}

// isAgent tells whether an event lies under kubernetes.audit as the API server
// wrote it, before the ingest pipeline has added to it.
func (r *Reader) isAgent() bool {
	v, m := r.view, &r.plan.mark
	if v.Slot(m.agentID) == 0 || v.Slot(m.agentStage) == 0 {
		return false
	}
	for _, s := range m.ecs {
		if v.Slot(s) != 0 {
			return false
		}
	}
	return true
}

// other hands over what is no audit event as it stands: one under a key that
// log shippers use, or an ECS document.
func (r *Reader) other(f record.Format, b []byte, layer int, h Handler) {
	v, m := r.view, &r.plan.mark
	for k, s := range m.wrapID {
		if v.Slot(s) != 0 && v.Slot(m.wrapMap[k]) != 0 {
			r.inner(f, v.At(v.Slot(m.wrapMap[k])).Bytes(), layer, h)
			return
		}
	}
	for _, s := range m.wrapText {
		if i := v.Slot(s); i != 0 && wrapsEvent(v.At(i)) {
			r.innerText(f, v.At(i).Str, layer, h)
			return
		}
	}
	if r.plan.opts.Mode == KubernetesAudit {
		r.hand(rawShape, f, b, h)
		return
	}
	r.hand(ecsShape, f, b, h)
}

// wrapsEvent tells whether a value is the text of an audit event or of what
// wraps one. ECS documents too have texts under message; few of them look so.
func wrapsEvent(v *record.Value) bool {
	if v.Kind != record.String {
		return false
	}
	s := strings.TrimLeft(v.Str, " \t\r\n")
	if s == "" || s[0] != '{' {
		return false
	}
	return strings.Contains(s, "audit.k8s.io/") || strings.Contains(s, `"auditID"`) || strings.Contains(s, "cloudaudit.googleapis.com")
}

// innerText reads what a text in a record holds. Text out of JSON lies in the
// View's scratch, which the next scan takes: it is moved first.
func (r *Reader) innerText(f record.Format, s string, layer int, h Handler) {
	if layer >= maxLayers {
		r.skip(ErrNested)
		return
	}
	val := record.Value{Str: s}
	b := val.Bytes()
	if f == record.JSON {
		r.texts[layer] = append(r.texts[layer][:0], b...)
		b, r.ev.moved = r.texts[layer], true
	}
	_ = r.text(b, layer+1, h) // told to Skip
}

// inner reads the map b, which lies in a record.
func (r *Reader) inner(f record.Format, b []byte, layer int, h Handler) {
	r.view.Reset()
	if _, err := f.Scan(r.plan.layout, b, r.view); err != nil {
		r.skip(err)
		return
	}
	r.scanned(f, b, layer+1, h)
}

// azure reads the event in an envelope of Azure Kubernetes Service, whose
// fields stay in the View beside the event's.
func (r *Reader) azure(f record.Format, b []byte, h Handler) {
	v, m := r.view, &r.plan.mark
	r.ev.aks, r.ev.aksFmt = b, f
	defer func() { r.ev.aks = nil }()
	inner, innerFmt := []byte(nil), f
	if i := v.Slot(m.logText); i != 0 && v.At(i).Kind == record.String {
		inner, innerFmt = v.At(i).Bytes(), record.JSON
		if f == record.JSON {
			r.texts[maxLayers] = append(r.texts[maxLayers][:0], inner...)
			inner, r.ev.moved = r.texts[maxLayers], true
		}
	} else if i := v.Slot(m.logMap); i != 0 {
		inner = v.At(i).Bytes()
	}
	n, err := innerFmt.Scan(r.plan.layout, inner, v)
	if err != nil {
		r.skip(fmt.Errorf("properties.log: %w: %w", ErrText, err))
		return
	}
	r.hand(rawShape, innerFmt, inner[:n], h)
}

// list reads the events of an array. A list in a list is not looked for.
func (r *Reader) list(f record.Format, b []byte, layer int, h Handler) {
	w := &r.items
	if w.busy {
		r.skip(ErrNested)
		return
	}
	w.busy, w.format, w.layer, w.h, w.n = true, f, layer, h, 0
	if !f.Each(b, w.fn) {
		r.skip(record.ErrTruncated)
	}
	r.ev.Item = 0
	w.busy, w.h = false, nil
}

// itemWalk is the state of list, kept so that its callback is made only once.
type itemWalk struct {
	reader *Reader
	fn     func([]byte) bool
	busy   bool
	format record.Format
	layer  int
	n      int
	h      Handler
}

func (w *itemWalk) one(b []byte) bool {
	w.reader.ev.Item = w.n
	w.n++
	w.reader.inner(w.format, b, w.layer, w.h)
	return true
}

// hand completes the View for the event's shape and hands the event over.
func (r *Reader) hand(s shape, f record.Format, b []byte, h Handler) {
	v, p := r.view, r.plan
	v.SetTable(p.tables[s])
	r.ev.shape, r.ev.format, r.ev.span = s, f, b
	if s != ecsShape {
		v.DropEmpty()
		for _, c := range p.copies[s] {
			v.AliasSlot(c.dst, c.src)
		}
		for i := range p.unions[s] {
			union(v, &p.unions[s][i])
		}
		if p.outcomes[s] >= 0 {
			pushOutcome(v, p.outcomes[s], p.decision[s])
		}
		for _, c := range p.consts[s] {
			v.PushSlot(c.slot, record.Value{Kind: record.String, Str: c.value})
		}
	}
	r.stats.Events++
	h.Event(&r.ev)
}

// pushOutcome derives event.outcome from the authorizer's decision.
func pushOutcome(v *record.View, dst, decision int32) {
	i := v.Slot(decision)
	if i == 0 {
		return
	}
	switch v.At(i).Str {
	case "allow":
		v.PushSlot(dst, record.Value{Kind: record.String, Str: "success"})
	case "forbid":
		v.PushSlot(dst, record.Value{Kind: record.String, Str: "failure"})
	}
}

func union(v *record.View, u *slotUnion) {
	for _, src := range u.src {
	values:
		for i := v.Slot(src); i != 0; i = v.Next(i) {
			val := *v.At(i)
			for j := v.Slot(u.dst); j != 0; j = v.Next(j) {
				if *v.At(j) == val {
					continue values
				}
			}
			v.PushSlot(u.dst, val)
		}
	}
}

// Ref is an event that can be kept after the call that handed it over, for
// Document: as long as the chunk or line that it was read from.
type Ref struct {
	Record, Item int

	shape  shape
	format record.Format
	span   []byte
	aks    []byte
	aksFmt record.Format
}

// Ref returns a reference to the event.
func (e *Event) Ref() Ref {
	ref := Ref{Record: e.Record, Item: e.Item, shape: e.shape, format: e.format, span: e.span, aks: e.aks, aksFmt: e.aksFmt}
	if e.moved {
		// Text out of text lies in the reader's memory, which is used again.
		ref.span, ref.aks = bytes.Clone(e.span), bytes.Clone(e.aks)
	}
	return ref
}
