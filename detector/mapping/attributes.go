package mapping

import "fluent-bit-newterms/detector/record"

// attributes finds the attributes of OpenTelemetry that came with a record: those
// of the log record in its metadata, those of scope and resource in the group
// that it is in. Their names are fields, like those of the record's body.
//
// Source: Fluent Bit's in_opentelemetry (opentelemetry_logs.c).
type attributes struct {
	layout *record.Layout
	view   *record.View
	slots  []int32
	spans  [][]byte // of the record at hand
}

func newAttributes() *attributes {
	a := &attributes{layout: record.NewLayout()}
	for _, path := range [...][]string{{"otlp", "attributes"}, {"attributes"}, {"scope", "attributes"}, {"resource", "attributes"}} {
		a.slots = append(a.slots, a.layout.WantSpan(path...))
	}
	a.view = a.layout.NewView(0, nil)
	return a
}

// find looks into a record's metadata and group, either of which may be nil.
func (a *attributes) find(meta, group []byte) {
	a.spans = a.spans[:0]
	for _, b := range [...][]byte{meta, group} {
		if b == nil {
			continue
		}
		a.view.Reset()
		if _, err := a.layout.ScanMsgpack(b, a.view); err != nil {
			continue // it was skipped as a whole value before
		}
		for _, slot := range a.slots {
			for i := a.view.Slot(slot); i != 0; i = a.view.Next(i) {
				a.spans = append(a.spans, a.view.At(i).Bytes())
			}
		}
	}
}
