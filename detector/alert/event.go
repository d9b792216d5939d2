package alert

import (
	"crypto/sha256"
	"maps"

	"fluent-bit-newterms/detector/limits"
)

// Event is the document of an event, made ready for the alerts on it. All of them
// share it. It is not safe for concurrent use.
type Event struct {
	whole map[string]any // to look things up in
	shown map[string]any // what alerts show: inside limits.AlertDocument and AlertDepth
	cut   []string       // the fields that are shortened in it
	size  int            // of the whole in JSON, in bytes

	small    map[string]any // the smallest form, nil until it is asked for
	smallCut []string
	digest   []byte // of the whole, nil until it is asked for
}

// NewEvent takes over a document, nil for an empty one.
func NewEvent(doc map[string]any) *Event {
	if doc == nil {
		doc = make(map[string]any)
	}
	sanitize(doc)
	e := &Event{whole: doc, shown: doc, size: jsonSize(doc)}
	if e.size > limits.AlertDocument || deep(doc, limits.AlertDepth) {
		e.shown, e.cut = shorten(doc, limits.AlertDocument)
	}
	return e
}

// Whole returns the whole document, which must not be changed.
func (e *Event) Whole() map[string]any { return e.whole }

// document returns a copy of the document that an alert may add to, and the fields
// that are shortened in it.
func (e *Event) document(small bool) (doc map[string]any, cut []string) {
	from, cut := e.shown, e.cut
	if small && e.size > limits.SmallDocument {
		if e.small == nil {
			e.small, e.smallCut = shorten(e.shown, limits.SmallDocument)
		}
		from, cut = e.small, e.smallCut
	}
	doc = maps.Clone(from)
	if event, ok := doc["event"].(map[string]any); ok {
		doc["event"] = maps.Clone(event)
	}
	return doc, cut
}

// Digest returns a hash of the whole document.
func (e *Event) Digest() []byte {
	if e.digest == nil {
		text, _ := Encode(e.whole) // what cannot be written has no text of its own
		sum := sha256.Sum256(text)
		e.digest = sum[:]
	}
	return e.digest
}
