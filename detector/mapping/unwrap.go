package mapping

import (
	"fmt"

	"fluent-bit-newterms/detector/record"
)

// maxLayers is how many wrappings are taken off: text under log_key, that
// holds an export of Azure, that holds text, that holds a list, and one more.
const maxLayers = 5

// keptText is how much memory a Reader keeps for text found in text, so that
// one huge record does not hold it for good.
const keptText = 1 << 20

// scanned looks at what the View now holds of the map b: an event to hand
// over, or a wrapping to take off. taken is false if b, which was only guessed
// to be an event, is nothing but a document like any other; nothing has become
// of it then.
func (r *Reader) scanned(f record.Format, b []byte, layer int, h Handler) (taken bool) {
	v, p := r.view, r.plan
	m := &p.mark
	if p.opts.LogKey != "" && layer == 0 {
		if i := v.Slot(m.logKeyText); i != 0 && v.At(i).Kind == record.String {
			r.innerText(f, v.At(i).Str, layer, h)
			return true
		}
		if i := v.Slot(m.logKeyMap); i != 0 {
			r.list(f, v.At(i).Bytes(), layer, h)
			return true
		}
	}
	switch {
	case p.opts.Mode == ECS:
		r.hand(ecsShape, v, f, b, h)
	case v.Slot(m.auditID) != 0 && v.Slot(m.stage) != 0:
		r.hand(rawShape, v, f, b, h)
	case p.isList(v):
		if i := v.Slot(m.items); i != 0 {
			r.list(f, v.At(i).Bytes(), layer, h)
		}
	case m.azure.in(v):
		r.azure(f, b, h)
	case p.isGoogle(v):
		r.hand(gkeShape, v, f, b, h)
	case p.isAgent(v):
		r.hand(agentShape, v, f, b, h)
	case m.holdsRecords(v):
		r.list(f, v.At(v.Slot(m.records)).Bytes(), layer, h)
	case m.holdsLogEvents(v):
		r.list(f, v.At(v.Slot(m.logEvents)).Bytes(), layer, h)
	default:
		return r.other(f, b, layer, h)
	}
	return true
}

// other hands over what is no audit event as it stands: one under a key that
// log shippers use, or a document.
func (r *Reader) other(f record.Format, b []byte, layer int, h Handler) (taken bool) {
	v, guessed := r.view, r.guess
	if !r.plan.isProcessed(v) {
		for k := range r.plan.mark.wraps {
			w := &r.plan.mark.wraps[k]
			isMap := w.holdsMap(v)
			if !isMap && !w.holdsText(v) {
				continue
			}
			r.guess = true
			if isMap {
				taken = r.inner(f, v.At(v.Slot(w.span)).Bytes(), layer, h)
			} else {
				taken = r.innerText(f, v.At(v.Slot(w.text)).Str, layer, h)
			}
			r.guess = guessed
			if taken {
				return true
			}
			// It only looked like one. The View has to be filled again.
			r.view.Reset()
			if _, err := f.Scan(r.plan.layout, b, r.view); err != nil {
				return true // cannot be: it was read before
			}
			break
		}
	}
	if guessed {
		return false
	}
	s := ecsShape
	if r.plan.opts.Mode == KubernetesAudit {
		s = rawShape
	}
	r.hand(s, v, f, b, h)
	return true
}

// innerText reads what a text in a record holds. Text out of JSON lies in the
// View's scratch, which the next scan takes: it is moved first.
func (r *Reader) innerText(f record.Format, s string, layer int, h Handler) (taken bool) {
	if layer >= maxLayers {
		r.skip(ErrNested)
		return true
	}
	val := record.Value{Str: s}
	b := val.Bytes()
	if f == record.JSON {
		r.texts[layer] = append(r.texts[layer][:0], b...)
		b, r.ev.moved = r.texts[layer], true
	}
	taken, _ = r.text(b, layer+1, h) // the error was told to Skip
	if cap(r.texts[layer]) > keptText {
		r.texts[layer] = nil
	}
	return taken
}

// inner reads the map b, which lies in a record.
func (r *Reader) inner(f record.Format, b []byte, layer int, h Handler) (taken bool) {
	if layer >= maxLayers {
		r.skip(ErrNested)
		return true
	}
	_, focused, err := r.scan(f, b, layer+1)
	switch {
	case err != nil:
		r.skip(err)
		return true
	case focused:
		r.handFocused(f, b, h)
		return true
	}
	return r.scanned(f, b, layer+1, h)
}

// azure reads the event in an envelope of Azure Kubernetes Service. It gets a
// View of its own: names of the envelope (level) are names of events too.
func (r *Reader) azure(f record.Format, b []byte, h Handler) {
	outer, m := r.view, &r.plan.mark.azure
	if r.aks == nil {
		r.aks = r.newView()
	}
	v := r.aks
	v.Reset()
	moved := r.ev.moved
	var inner []byte
	innerFmt := f
	if i := outer.Slot(m.logText); i != 0 && outer.At(i).Kind == record.String {
		inner, innerFmt = outer.At(i).Bytes(), record.JSON
		// Text out of JSON may lie in the outer View's scratch: to keep it
		// is to copy it.
		r.ev.moved = moved || f == record.JSON
	} else {
		inner = outer.At(outer.Slot(m.logMap)).Bytes()
	}
	n, err := innerFmt.Scan(r.plan.layout, inner, v)
	if err != nil {
		r.skip(fmt.Errorf("properties.log: %w: %w", ErrText, err))
		r.ev.moved = moved
		return
	}
	for i := range r.plan.aks {
		c := &r.plan.aks[i]
		for k := outer.Slot(c.src); k != 0; k = outer.Next(k) {
			if val := outer.At(k); val.Kind != record.Object {
				v.PushSlot(c.dst, *val)
			}
		}
	}
	r.ev.aks, r.ev.aksFmt = b, f
	r.hand(rawShape, v, innerFmt, inner[:n], h)
	r.ev.aks, r.ev.moved = nil, moved
}

// list reads the events of an array, or the one that b is itself.
func (r *Reader) list(f record.Format, b []byte, layer int, h Handler) {
	if layer >= maxLayers {
		r.skip(ErrNested)
		return
	}
	w := &r.lists[layer]
	if w.fn == nil {
		w.fn = w.one
	}
	w.reader, w.format, w.layer, w.h = r, f, layer, h
	guess := r.guess
	r.guess = false // what lies in a list of events is one
	if !f.Each(b, w.fn) {
		r.skip(record.ErrTruncated)
	}
	r.guess = guess
	w.h = nil
}

// listWalk is the state of a list that is being read, kept so that its
// callback is made only once.
type listWalk struct {
	reader *Reader
	fn     func([]byte) bool
	format record.Format
	layer  int
	h      Handler
}

func (w *listWalk) one(b []byte) bool {
	w.reader.inner(w.format, b, w.layer, w.h)
	return true
}
