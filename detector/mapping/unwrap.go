package mapping

import (
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
			// The next scan takes the View's scratch, where the text may lie.
			text := v.At(i).Bytes()
			if f == record.JSON {
				r.texts[layer] = append(r.texts[layer][:0], text...)
				text = r.texts[layer]
			}
			r.innerText(text, f == record.JSON, layer, h)
			if cap(r.texts[layer]) > keptText {
				r.texts[layer] = nil
			}
			return true
		}
		if i := v.Slot(m.logKeyMap); i != 0 {
			r.list(f, v.At(i).Bytes(), layer, h)
			return true
		}
	}
	if layer == 0 {
		r.pod = m.pod.in(v)
	}
	switch {
	case p.opts.Mode == ECS:
		r.hand(ecsShape, v, f, b, h)
	case p.isProcessed(v):
		return r.other(f, b, layer, h)
	case v.Slot(m.auditID) != 0 && v.Slot(m.stage) != 0:
		r.hand(rawShape, v, f, b, h)
	case p.isList(v):
		// What lies in a list of audit events is one, or a document.
		if i := v.Slot(m.items); i != 0 {
			if layer >= maxLayers {
				return r.tooDeep()
			}
			guess := r.guess
			r.guess = guess && layer+1 >= maxLayers
			taken = r.list(f, v.At(i).Bytes(), layer, h)
			r.guess = guess
			return taken
		}
	case m.azure.in(v) && r.azure(f, b, layer, h):
	case p.isGoogle(v):
		r.hand(gkeShape, v, f, b, h)
		return r.files(f, b, layer, true, h)
	case p.isAgent(v):
		r.hand(agentShape, v, f, b, h)
	case m.holdsRecords(v):
		return r.list(f, v.At(v.Slot(m.records)).Bytes(), layer, h)
	case m.holdsLogEvents(v):
		return r.list(f, v.At(v.Slot(m.logEvents)).Bytes(), layer, h)
	default:
		return r.files(f, b, layer, false, h) || r.other(f, b, layer, h)
	}
	return true
}

// other hands over what is no audit event as it stands: the events that it
// wraps, or a document.
func (r *Reader) other(f record.Format, b []byte, layer int, h Handler) (taken bool) {
	processed := r.plan.isProcessed(r.view)
	if !processed && r.search(f, b, layer, h) {
		return true
	}
	if r.guess {
		return false
	}
	if r.used != layer {
		// The View was used for what only looked like an event: fill it again.
		r.view.Reset()
		if _, err := r.fill(f, b, layer); err != nil {
			return true // cannot be: it was read before
		}
		r.used = layer
	}
	if !processed {
		r.noteUnread(b)
	}
	s := ecsShape
	if r.plan.opts.Mode == KubernetesAudit {
		s = rawShape
	}
	r.hand(s, r.view, f, b, h)
	return true
}

// innerText reads what a text in a record holds; moved says that the text lies
// in the Reader's own memory.
func (r *Reader) innerText(b []byte, moved bool, layer int, h Handler) (taken bool) {
	if layer >= maxLayers {
		return r.tooDeep()
	}
	was := r.ev.moved
	r.ev.moved = was || moved
	taken, _ = r.text(b, layer+1, h) // the error was told to Skip
	r.ev.moved = was
	return taken
}

// tooDeep gives up on what is wrapped in too many layers.
func (r *Reader) tooDeep() (taken bool) {
	if r.guess {
		r.why = UnreadLayers
		return false
	}
	r.skip(ErrNested)
	return true
}

// inner reads the map, or the text, b, which lies in a record.
func (r *Reader) inner(f record.Format, b []byte, layer int, h Handler) (taken bool) {
	if layer >= maxLayers {
		return r.tooDeep()
	}
	if f.FormOf(b) == record.AText {
		if text, copied, ok := r.textOf(f, b, layer); ok && trimmed(text) != nil {
			return r.innerText(text, copied, layer, h)
		}
	}
	_, focused, err := r.scan(f, b, layer+1)
	switch {
	case err != nil:
		return r.failed(err)
	case focused:
		r.handFocused(f, b, h)
		return true
	}
	return r.scanned(f, b, layer+1, h)
}

// failed is what becomes of what cannot be read: if it was only guessed to be an
// event, what holds it is a document.
func (r *Reader) failed(err error) (taken bool) {
	if r.guess {
		r.why = UnreadText
		return false
	}
	r.skip(err)
	return true
}

// textOf returns the text that b is. One with escapes lies in the Reader's
// memory for the layer.
func (r *Reader) textOf(f record.Format, b []byte, layer int) (text []byte, copied, ok bool) {
	text, copied, ok = f.Text(b, r.texts[layer])
	if copied {
		r.texts[layer] = text
		if cap(text) > keptText {
			r.texts[layer] = nil
		}
	}
	return text, copied, ok
}

// azure reads the event in an envelope of Azure Kubernetes Service. It gets a
// View of its own: names of the envelope (level) are names of events too. It is
// false, and has done nothing, if what should be the event is none.
func (r *Reader) azure(f record.Format, b []byte, layer int, h Handler) bool {
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
		// Text out of JSON may lie in the outer View's scratch: to keep it
		// is to copy it.
		inner, innerFmt = trimmed(outer.At(i).Bytes()), record.JSON
		if moved = moved || f == record.JSON; inner == nil {
			return false
		}
	} else {
		inner = outer.At(outer.Slot(m.logMap)).Bytes()
	}
	n, err := innerFmt.Scan(r.plan.layout, inner, v)
	if err != nil {
		r.why = UnreadText
		return false
	}
	for i := range r.plan.aks {
		c := &r.plan.aks[i]
		for k := outer.Slot(c.src); k != 0; k = outer.Next(k) {
			if val := outer.At(k); val.Kind != record.Object {
				v.PushSlot(c.dst, *val)
			}
		}
	}
	moved, r.ev.moved = r.ev.moved, moved
	r.ev.aks, r.ev.aksFmt = b, f
	r.hand(rawShape, v, innerFmt, inner[:n], h)
	r.ev.aks, r.ev.moved = nil, moved
	return true
}
