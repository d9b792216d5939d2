package input

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// Containers are objects that other programs wrap events in when they export
// them. Each is told by the keys that the program always writes; an event
// that has a key of that name keeps it.
//
//	{"_index":…,"_source":{…}}                               Elasticsearch: a hit, elasticdump
//	{"hits":{"hits":[hit, …]}}                               Elasticsearch: a search response
//	{"result":{"_raw":"{…}"}}, {"_raw":"{…}","_time":…}      Splunk
//	{"labels":{…},"line":"{…}","timestamp":…}                Loki: logcli -o jsonl
//	{"streams":[{"stream":{…},"values":[["NANOS","{…}"]]}]}  Loki: a push
//	{"data":{"result":[{"stream":…,"values":…}]}}            Loki: a query response
//	{"resourceLogs":[…]}                                     OpenTelemetry: see otlp
//	{"structured":{…},"log_type":…}                          OpenShift Logging

// containerKeys are keys that a container may begin with, and the key that
// tells it for one then.
var containerKeys = map[string][]string{
	"_index": {"_source"}, "_type": {"_source"}, "_id": {"_source"}, "_score": {"_source"}, "_source": {"_index"},
	"took": {"hits"}, "hits": {"took"}, "_scroll_id": {"hits"}, "timed_out": {"hits"},
	"preview": {"_raw"}, "offset": {"_raw"}, "result": {"_raw"}, "_raw": {"_time"}, "_time": {"_raw"}, "_bkt": {"_raw"}, "_cd": {"_raw"},
	"labels": {"line"}, "line": {"labels"}, "timestamp": {"labels", "structured"},
	"streams": {"values"}, "status": {"streams"}, "data": {"streams"},
	"resourceLogs": {"scopeLogs"},
	"@timestamp":   {"structured"}, "structured": {"log_type"}, "message": {"structured"}, "hostname": {"structured"},
	"docker": {"structured"}, "kubernetes": {"structured"}, "level": {"structured"}, "log_type": {"structured"}, "openshift": {"structured"},
}

// unpack calls fn for the events of a container, or for the event itself.
func unpack(event []byte, ns int64, fn func(event []byte, ns int64)) {
	if !mayWrap(event) || !unwrap(event, ns, fn) {
		fn(event, ns)
	}
}

// mayWrap tells, from its first key, whether an object may be a container: to
// look at every key of every event would cost.
func mayWrap(event []byte) bool {
	b := bytes.TrimLeft(event, " \t\r\n{")
	if len(b) == 0 || b[0] != '"' {
		return false
	}
	key, _, ok := bytes.Cut(b[1:min(len(b), 64)], []byte{'"'})
	if !ok {
		return false
	}
	for _, other := range containerKeys[string(key)] {
		if bytes.Contains(event, []byte(`"`+other+`"`)) {
			return true
		}
	}
	return false
}

// envelope has the keys of all containers.
type envelope struct {
	Index  json.RawMessage `json:"_index"`
	ID     json.RawMessage `json:"_id"`
	Source json.RawMessage `json:"_source"`
	Hits   *struct {
		Hits []json.RawMessage `json:"hits"`
	} `json:"hits"`

	Raw    *string `json:"_raw"`
	Result *struct {
		Raw *string `json:"_raw"`
	} `json:"result"`

	Labels    json.RawMessage `json:"labels"`
	Line      *string         `json:"line"`
	Timestamp json.RawMessage `json:"timestamp"`
	Streams   []stream        `json:"streams"`
	Data      *struct {
		Result []stream `json:"result"`
	} `json:"data"`

	ResourceLogs []resourceLogs `json:"resourceLogs"`

	Structured json.RawMessage `json:"structured"`
	LogType    json.RawMessage `json:"log_type"`
	OpenShift  json.RawMessage `json:"openshift"`
}

// stream is a stream of Loki's. A value is a list: time in nanoseconds, line,
// and perhaps structured metadata.
type stream struct {
	Values [][]json.RawMessage `json:"values"`
}

// unwrap calls fn for the events of a container, and tells whether event is
// one. A container with a fault in it is none: the reader of events sees it.
func unwrap(event []byte, ns int64, fn func(event []byte, ns int64)) bool {
	var e envelope
	if json.Unmarshal(event, &e) != nil {
		return false
	}
	switch {
	case isObject(e.Source) && (e.Index != nil || e.ID != nil):
		fn(e.Source, ns)
	case e.Hits != nil:
		for _, hit := range e.Hits.Hits {
			unpack(hit, ns, fn)
		}
	case e.Raw != nil:
		return inText(*e.Raw, ns, fn)
	case e.Result != nil && e.Result.Raw != nil:
		return inText(*e.Result.Raw, ns, fn)
	case e.Line != nil && e.Labels != nil && e.Timestamp != nil:
		var at time.Time
		if json.Unmarshal(e.Timestamp, &at) == nil {
			ns = at.UnixNano()
		}
		return inText(*e.Line, ns, fn)
	case e.ResourceLogs != nil:
		for i := range e.ResourceLogs {
			e.ResourceLogs[i].events(fn)
		}
	case isObject(e.Structured) && (e.LogType != nil || e.OpenShift != nil):
		fn(e.Structured, ns)
	default:
		streams := e.Streams
		if e.Data != nil {
			streams = e.Data.Result
		}
		for i := range streams {
			streams[i].events(ns, fn)
		}
		return len(streams) > 0
	}
	return true
}

// inText reads the events in a text, if an object begins in it.
func inText(text string, ns int64, fn func(event []byte, ns int64)) bool {
	b := bytes.TrimSpace([]byte(text))
	if !isObject(b) && prefixLen(b) == 0 {
		return false
	}
	return Events(b, func(event []byte, own int64) {
		if own == 0 {
			own = ns
		}
		fn(event, own)
	}) == nil
}

func (s *stream) events(ns int64, fn func(event []byte, ns int64)) {
	for _, value := range s.Values {
		var at, line string
		if len(value) < 2 || json.Unmarshal(value[0], &at) != nil || json.Unmarshal(value[1], &line) != nil {
			continue
		}
		if own, err := strconv.ParseInt(at, 10, 64); err == nil {
			ns = own
		}
		if !inText(line, ns, fn) {
			text, _ := json.Marshal(map[string]string{"message": line}) // a text has a JSON form
			fn(text, ns)
		}
	}
}
