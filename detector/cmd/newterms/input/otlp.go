package input

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// resourceLogs is a part of OpenTelemetry's logs in their JSON form (OTLP,
// opentelemetry/proto/logs/v1), as the Collector's file exporter writes them.
// An event is made of each log record: attributes of resource and record under
// their own names, then the body, whose fields go first. A body that is a JSON
// text is the event itself.
type resourceLogs struct {
	Resource struct {
		Attributes []keyValue `json:"attributes"`
	} `json:"resource"`
	ScopeLogs []struct {
		LogRecords []logRecord `json:"logRecords"`
	} `json:"scopeLogs"`
}

type logRecord struct {
	Time       nanos      `json:"timeUnixNano"`
	Observed   nanos      `json:"observedTimeUnixNano"`
	Body       anyValue   `json:"body"`
	Attributes []keyValue `json:"attributes"`
}

type keyValue struct {
	Key   string   `json:"key"`
	Value anyValue `json:"value"`
}

// anyValue has one of its fields set.
type anyValue struct {
	String *string      `json:"stringValue"`
	Bool   *bool        `json:"boolValue"`
	Int    *json.Number `json:"intValue"` // a text, or a number
	Double *json.Number `json:"doubleValue"`
	Bytes  *string      `json:"bytesValue"` // base64
	Array  *struct {
		Values []anyValue `json:"values"`
	} `json:"arrayValue"`
	List *struct {
		Values []keyValue `json:"values"`
	} `json:"kvlistValue"`
}

// nanos is a time in nanoseconds since the epoch: a text, or a number.
type nanos int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *nanos) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseInt(string(bytes.Trim(b, `"`)), 10, 64)
	*n = nanos(v)
	return err
}

// events calls fn for each log record.
func (r *resourceLogs) events(fn func(event []byte, ns int64)) {
	for i := range r.ScopeLogs {
		for k := range r.ScopeLogs[i].LogRecords {
			l := &r.ScopeLogs[i].LogRecords[k]
			ns := int64(l.Time)
			if ns == 0 {
				ns = int64(l.Observed)
			}
			if s := l.Body.String; s != nil && inText(*s, ns, fn) {
				continue
			}
			doc := make(map[string]any)
			put(doc, r.Resource.Attributes)
			put(doc, l.Attributes)
			switch {
			case l.Body.List != nil:
				put(doc, l.Body.List.Values)
			case l.Body != (anyValue{}):
				doc["message"] = l.Body.value()
			}
			event, err := json.Marshal(doc)
			if err != nil {
				continue // cannot be: it came from JSON
			}
			fn(event, ns)
		}
	}
}

func put(doc map[string]any, list []keyValue) {
	for i := range list {
		doc[list[i].Key] = list[i].Value.value()
	}
}

func (v *anyValue) value() any {
	switch {
	case v.String != nil:
		return *v.String
	case v.Bool != nil:
		return *v.Bool
	case v.Int != nil:
		return *v.Int
	case v.Double != nil:
		return *v.Double
	case v.Bytes != nil:
		return *v.Bytes
	case v.Array != nil:
		list := make([]any, len(v.Array.Values))
		for i := range list {
			list[i] = v.Array.Values[i].value()
		}
		return list
	case v.List != nil:
		doc := make(map[string]any, len(v.List.Values))
		put(doc, v.List.Values)
		return doc
	}
	return nil
}
