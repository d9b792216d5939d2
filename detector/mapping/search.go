package mapping

import (
	"bytes"
	"encoding/base64"

	"fluent-bit-newterms/detector/record"
)

// A record that is no event may wrap one: as a map or an array under any key, as
// text under one. search looks for it, layer by layer. A map that is an event
// tells so by itself. A text may be anything that somebody else chose, so that
// it is read only where the record holds nothing but wrapping, from its top down
// to the text (see shipped).

// walk is the state of a search through one map, or one array, kept so that its
// callbacks are made only once.
type walk struct {
	reader *Reader
	format record.Format
	layer  int
	h      Handler
	strict bool // something around the map is no wrapping
	taken  bool

	foreign    int  // names of the map that no shipper puts there
	containers bool // values that are maps or arrays, which are looked into first
	texts      bool // values that are texts of JSON

	count, containersFn, textsFn func(key string, value []byte) bool
	elementFn                    func(element []byte) bool
}

// walkAt returns the walk for a layer, ready for b.
func (r *Reader) walkAt(f record.Format, layer int, h Handler) *walk {
	w := r.walks[layer]
	if w == nil {
		w = &walk{reader: r, layer: layer}
		w.count, w.containersFn, w.textsFn, w.elementFn = w.see, w.tryContainer, w.tryText, w.element
		r.walks[layer] = w
	}
	w.format, w.h, w.strict, w.taken = f, h, r.strict, false
	w.foreign, w.containers, w.texts = 0, false, false
	return w
}

// search looks for events in the map b, which is none itself, and hands them
// over. taken is false if there are none.
func (r *Reader) search(f record.Format, b []byte, layer int, h Handler) (taken bool) {
	if layer >= maxLayers {
		r.why = UnreadLayers
		return false
	}
	w, guess := r.walkAt(f, layer, h), r.guess
	if !f.Entries(b, w.count) {
		return false
	}
	r.guess = true
	if w.containers {
		f.Entries(b, w.containersFn)
	}
	if w.texts && !w.taken {
		f.Entries(b, w.textsFn)
	}
	r.guess, r.strict, w.h = guess, w.strict, nil
	return w.taken
}

// see notes what kinds of entries the map has.
func (w *walk) see(key string, value []byte) bool {
	if !w.reader.plan.wraps(key) {
		w.foreign++
	}
	switch w.format.FormOf(value) {
	case record.AMap, record.AnArray:
		w.containers = w.containers || !noEventIn[key]
	case record.AText:
		w.texts = true
	}
	return true
}

// beside tells whether something beside the entry is no wrapping.
func (w *walk) beside(key string) bool {
	return w.strict || w.foreign > 1 || w.foreign == 1 && w.reader.plan.wraps(key)
}

func (w *walk) tryContainer(key string, value []byte) bool {
	r := w.reader
	form := w.format.FormOf(value)
	if noEventIn[key] || form != record.AMap && form != record.AnArray {
		return true
	}
	r.strict = w.beside(key)
	if form == record.AMap {
		w.taken = r.inner(w.format, value, w.layer, w.h)
	} else {
		w.taken = r.list(w.format, value, w.layer+1, w.h)
	}
	return !w.taken
}

func (w *walk) tryText(key string, value []byte) bool {
	r := w.reader
	if w.format.FormOf(value) != record.AText {
		return true
	}
	text, copied, ok := r.textOf(w.format, value, w.layer)
	if ok && key == "data" && trimmed(text) == nil {
		text, copied = decoded(text), true
	}
	if !ok || trimmed(text) == nil {
		return true
	}
	if w.beside(key) {
		r.why = UnreadBeside
		return true
	}
	r.strict = false
	w.taken = r.innerText(text, copied, w.layer, w.h)
	return !w.taken
}

// list reads the events of an array, or the one that b is itself. Of an array
// that is only guessed to hold events, one has to be an event; what comes after
// it and is none is a document then. taken is false if none is.
func (r *Reader) list(f record.Format, b []byte, layer int, h Handler) (taken bool) {
	if layer >= maxLayers {
		return r.tooDeep()
	}
	guess := r.guess
	w := r.walkAt(f, layer, h)
	if !f.Each(b, w.elementFn) && !r.guess {
		r.skip(record.ErrTruncated)
	}
	taken = w.taken || !guess
	r.guess, w.h = guess, nil
	return taken
}

func (w *walk) element(b []byte) bool {
	r := w.reader
	if r.guess {
		switch w.format.FormOf(b) {
		case record.Scalar, record.AnArray:
			return false // no list of events
		case record.AText:
			if r.strict {
				return false
			}
		}
	}
	strict, h, layer := w.strict, w.h, w.layer
	if r.inner(w.format, b, layer, h) {
		r.guess, w.taken = false, true
	}
	r.strict = strict
	w.h, w.strict = h, strict
	return true
}

// wraps tells whether a name beside a text leaves the record a wrapping.
func (p *Plan) wraps(name string) bool { return isShipped(name) || p.unwrap[name] }

// decoded returns the JSON that a text holds in base64, as Pub/Sub and Firehose
// deliver it under data; nil if it holds none.
func decoded(b []byte) []byte {
	const object, array = "ey", "W" // how { and [ begin
	if !bytes.HasPrefix(b, []byte(object)) && !bytes.HasPrefix(b, []byte(array)) {
		return nil
	}
	out, err := base64.StdEncoding.AppendDecode(nil, b)
	if err != nil {
		return nil
	}
	return out
}

// trimmed returns what of a text may be JSON, without what loggers put before
// it: white space, a byte order mark, the NUL bytes of a file that was
// truncated while it was written to, the cookie of structured syslog (@cee:),
// the head of a line of a container's log. It is nil if the text is no object,
// array or text of JSON.
func trimmed(b []byte) []byte {
	b = bytes.TrimLeft(b, " \t\r\n\x00")
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if rest, ok := bytes.CutPrefix(b, []byte("@cee:")); ok {
		b = bytes.TrimLeft(rest, " ")
	} else if len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		b = afterCRI(b)
	}
	b = bytes.TrimRight(b, " \t\r\n\x00")
	if len(b) < 2 || b[0] != '{' && b[0] != '[' && (b[0] != '"' || b[1] != '{' && b[1] != '[' && b[1] != '\\') {
		return nil
	}
	return b
}

// afterCRI returns what follows the head of a line of a container's log:
// 2026-11-24T10:00:00.5Z stdout F. Without one it returns nil.
//
// Source: Kubernetes, the log format of the Container Runtime Interface.
func afterCRI(b []byte) []byte {
	const most = 64 // bytes of a head
	i := bytes.Index(b[:min(len(b), most)], []byte(" std"))
	if i < len("2006-01-02T15:04:05Z") || b[10] != 'T' {
		return nil
	}
	b = b[i+1:]
	for _, stream := range []string{"stdout F ", "stderr F "} {
		if rest, ok := bytes.CutPrefix(b, []byte(stream)); ok {
			return bytes.TrimLeft(rest, " ")
		}
	}
	return nil
}

// isEscaped tells whether a text of JSON was escaped once more than it is
// quoted: {\"auditID\":…
func isEscaped(b []byte) bool {
	rest := bytes.TrimLeft(b[1:], " \t\r\n[{")
	return len(rest) > 1 && rest[0] == '\\' && rest[1] == '"'
}
