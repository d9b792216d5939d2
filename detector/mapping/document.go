package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/geoip"
	"fluent-bit-newterms/detector/record"
)

// Ref is an event that can be kept after the call that handed it over, for
// Document: as long as the chunk or line that it was read from.
type Ref struct {
	Record, Item int

	shape  shape
	format record.Format
	span   []byte
	aks    []byte
	aksFmt record.Format
	file   *Mapping // of a raw event that a mapping file describes
	extra  [][]byte // maps of msgpack whose entries are a document's own too
	geo    *geoip.DB
}

// Ref returns a reference to the event.
func (e *Event) Ref() Ref {
	ref := e.borrow()
	if e.moved {
		// Text out of text lies in the reader's memory, which is used again.
		ref.span, ref.aks = bytes.Clone(e.span), bytes.Clone(e.aks)
	}
	return ref
}

// borrow is Ref for the time that the event itself is valid.
func (e *Event) borrow() Ref {
	return Ref{Record: e.Record, Item: e.Item, shape: e.shape, format: e.format, span: e.span, aks: e.aks, aksFmt: e.aksFmt, extra: slices.Clone(e.extra), file: e.file, geo: e.geo}
}

// Document returns the whole ECS document of an event: for a raw audit event
// what the Kubernetes integration's ingest pipeline makes of it (@timestamp
// and what the agent adds aside), for any other the record itself. The values
// are those of package record's Decode, and share nothing with the event.
//
// Names that a filter put beside a raw event stay beside kubernetes.audit in
// its document; what lies around a wrapping is not part of it. What databases of
// addresses say of source.ip is part of it.
func (ref *Ref) Document() (map[string]any, error) {
	doc, err := ref.document()
	if err == nil && ref.geo != nil {
		addGeo(doc, ref.geo)
	}
	return doc, err
}

func (ref *Ref) document() (map[string]any, error) {
	doc, err := decodeMap(ref.format, ref.span)
	if err != nil {
		return nil, err
	}
	if ref.file != nil {
		return ref.file.interpret(doc), nil
	}
	switch ref.shape {
	case ecsShape:
		for _, b := range ref.extra {
			more, err := decodeMap(record.Msgpack, b)
			if err != nil {
				return nil, err
			}
			addAll(doc, more)
		}
		return doc, nil
	case agentShape:
		event := takeAudit(doc)
		return pipeline(ref.shape, event, nil, doc), nil
	}
	var envelope map[string]any
	if ref.aks != nil {
		if envelope, err = decodeMap(ref.aksFmt, ref.aks); err != nil {
			return nil, err
		}
	}
	beside := make(map[string]any)
	for name, val := range doc {
		if !own(ref.shape, name) {
			beside[name] = val
			delete(doc, name)
		}
	}
	if ref.shape != gkeShape {
		return pipeline(ref.shape, doc, envelope, beside), nil
	}
	made := builtins()[gkeMapping].values(doc)
	doc = pipeline(ref.shape, doc, envelope, beside)
	for _, name := range sortedKeys(made) {
		if fits(doc, strings.Split(name, ".")) {
			set(doc, name, made[name])
		}
	}
	clean(doc)
	return doc, nil
}

// fits tells whether nothing is at a path, or in its way.
func fits(doc map[string]any, path []string) bool {
	for k := 1; k < len(path); k++ {
		if val, ok := at(doc, path[:k]).(map[string]any); !ok {
			return val == nil && at(doc, path[:k]) == nil
		}
	}
	return at(doc, path) == nil
}

var errNotDocument = errors.New("the event is not a map")

func decodeMap(f record.Format, b []byte) (map[string]any, error) {
	val, err := f.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("cannot decode the event: %w", err)
	}
	m, ok := val.(map[string]any)
	if !ok {
		return nil, errNotDocument
	}
	return m, nil
}
