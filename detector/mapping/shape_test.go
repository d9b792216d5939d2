package mapping

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/record"
)

const rawEvent = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","stage":"ResponseComplete","verb":"get","user":{"username":"u"},"userAgent":"kubectl","annotations":{"authorization.k8s.io/decision":"allow"}}`

// ecsEvent is rawEvent after the ingest pipeline.
const ecsEvent = `{"event":{"action":"get","kind":"event"},"user_agent":{"original":"kubectl"},"kubernetes":{"audit":{"auditID":"a","stage":"ResponseComplete","verb":"get","user":{"username":"u"},"annotations":{"authorization_k8s_io/decision":"allow"}}}}`

func quoted(s string) string { return string(appendJSON(nil, s)) }

// TestShapes tells what a record is taken for: the fields of each event as
// verb/message, raw or not.
func TestShapes(t *testing.T) {
	auto := Options{}
	kubernetes, ecs := Options{Mode: KubernetesAudit}, Options{Mode: ECS}
	key := func(name string, m Mode) Options { return Options{Mode: m, LogKey: name} }
	const raw, document = "raw get", "document"
	truncated := rawEvent[:len(rawEvent)-9]
	google := func(service, method string) string {
		return fmt.Sprintf(`{"insertId":"i","protoPayload":{"serviceName":%q,"methodName":%q},"verb":"get"}`, service, method)
	}
	azure := func(category, log string) string {
		return fmt.Sprintf(`{"category":%q,"operationName":"o","resourceId":"r","time":"t","properties":{"log":%s}}`, category, log)
	}
	tests := []struct {
		name string
		opts Options
		in   string
		want string // events, ";" between; "skip" for what was passed over
	}{
		{"raw", auto, rawEvent, raw},
		{"raw with what filters add", auto, strings.Replace(rawEvent, `{`, `{"host":"h","cluster":"c","log":"x","kubernetes":{"pod_name":"p","labels":{"app":"a"}},`, 1), raw},
		{"raw with its own text kept", auto, strings.Replace(rawEvent, `{`, `{"log":`+quoted(rawEvent)+`,`, 1), raw},
		{"text with stream and time", auto, `{"log":` + quoted(rawEvent) + `,"stream":"stdout","time":"t"}`, raw},
		{"lines of a journal", auto, `{"MESSAGE":` + quoted(rawEvent) + `}`, raw},
		{"CloudWatch", auto, `{"@timestamp":"t","@message":` + quoted(rawEvent) + `}`, raw},
		{"Google Cloud's agent", auto, `{"insertId":"i","jsonPayload":` + rawEvent + `}`, raw},
		{"array of events", auto, `[` + rawEvent + `,` + rawEvent + `]`, raw + ";" + raw},

		{"ECS with items", auto, `{"event":{"category":"web"},"items":[{"auditID":"a","stage":"b"}],"message":"m"}`, document},
		{"ECS with a map of items", auto, `{"kind":"List","apiVersion":"v1","items":{"auditID":"a"}}`, document},
		{"list of events of core/v1", auto, `{"kind":"EventList","apiVersion":"v1","items":[{"reason":"Killing"}]}`, document},
		{"ECS with log", auto, `{"log":{"level":"info"},"message":"m"}`, document},
		{"ECS with kind", auto, `{"kind":"Event","stage":"x"}`, document},
		{"ECS with category", auto, `{"category":"a","operationName":"b","resourceId":"c","time":"d","properties":{"x":1}}`, document},
		{"ECS with records", auto, `{"records":[{"a":1},{"a":2}],"message":"m"}`, document},
		{"records that are scalars", auto, `{"records":[1,2]}`, document},
		{"message that is JSON", auto, `{"message":"{\"a\":1}"}`, document},
		{"message that speaks of events", auto, `{"message":"{\"msg\":\"auditID is missing\",\"a\":{}}","a":1}`, document},
		{"map that has an auditID", auto, `{"data":{"auditID":"x"},"a":1}`, document},
		{"message that holds an ECS document", auto, `{"message":` + quoted(ecsEvent) + `}`, document},
		{"logEvents of another kind", auto, `{"logEvents":[{"level":"x"}]}`, document},
		{"empty map", auto, `{}`, document},

		{"Kubernetes ECS, nested", auto, ecsEvent, document},
		{"Kubernetes ECS, dotted", auto, `{"event.action":"get","kubernetes.audit.auditID":"a","kubernetes.audit.stage":"s","kubernetes.audit.verb":"get"}`, document},
		{"Kubernetes ECS, mixed", auto, `{"event":{"action":"get"},"kubernetes.audit":{"auditID":"a","stage":"s"},"kubernetes":{"audit.verb":"get"}}`, document},
		{"Kubernetes ECS that keeps its text", auto, strings.Replace(ecsEvent, `{`, `{"message":`+quoted(rawEvent)+`,`, 1), document},
		{"agent, nested", auto, `{"agent":{"type":"filebeat"},"event":{"dataset":"kubernetes.audit_logs"},"kubernetes":{"audit":` + rawEvent + `}}`, raw},
		{"agent, dotted", auto, `{"kubernetes.audit.auditID":"a","kubernetes.audit.stage":"s","kubernetes.audit.verb":"get"}`, raw},
		{"agent, mixed", auto, `{"kubernetes.audit":{"auditID":"a","stage":"s"},"kubernetes":{"audit.verb":"get"}}`, raw},

		{"Google Cloud", auto, google("k8s.io", "io.k8s.get"), raw},
		{"Google Cloud by its method", auto, google("", "io.k8s.core.v1.pods.get"), raw},
		{"Google Cloud, another service", auto, google("compute.googleapis.com", "v1.compute.instances.insert"), document},
		{"Google Cloud, another service, forced", kubernetes, google("container.googleapis.com", "x"), raw},

		{"AKS", auto, azure("kube-audit", quoted(rawEvent)), raw},
		{"AKS, logs of a component", auto, azure("kube-scheduler", `"I0101 scheduled"`), document},
		{"AKS, broken text", auto, azure("kube-audit", quoted(truncated)), document},
		{"AKS, text that is none", auto, azure("kube-audit-admin", `"I0101"`), document},
		{"AKS export of both", auto, `{"records":[` + azure("kube-audit", quoted(rawEvent)) + `,` + azure("guard", `"x"`) + `]}`, raw + ";" + document},

		{"text of a list with something else", auto, `{"log":` + quoted(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"a":1},`+rawEvent+`]}`) + `}`, document + ";" + raw},
		{"broken text", auto, `{"log":` + quoted(truncated) + `}`, document},
		{"two events in a text", auto, `{"log":` + quoted(rawEvent+rawEvent) + `}`, document},

		{"forced, anything", kubernetes, `{"verb":"get"}`, raw},
		{"forced, text", kubernetes, `{"log":` + quoted(rawEvent) + `}`, raw},
		{"forced, list without items", kubernetes, `{"kind":"EventList","apiVersion":"audit.k8s.io/v1"}`, ""},
		{"list without events", auto, `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[]}`, ""},
		{"forced ECS, raw", ecs, rawEvent, document},
		{"forced ECS, text", ecs, `{"log":` + quoted(rawEvent) + `}`, document},
		{"forced ECS, list", ecs, `{"kind":"EventList","items":[` + rawEvent + `]}`, document},

		{"log_key, text", key("line", Auto), `{"line":` + quoted(rawEvent) + `}`, raw},
		{"log_key, map", key("line", Auto), `{"line":` + rawEvent + `}`, raw},
		{"log_key, array", key("line", Auto), `{"line":[` + rawEvent + `,` + rawEvent + `]}`, raw + ";" + raw},
		{"log_key, text of an array", key("line", Auto), `{"line":` + quoted(`[`+rawEvent+`]`) + `}`, raw},
		{"log_key, any document", key("line", Auto), `{"line":{"verb":"x"}}`, document},
		{"log_key, wrong JSON", key("line", Auto), `{"line":"{\"a\":"}`, "skip"},
		{"log_key, plain text", key("line", Auto), `{"line":"hello"}`, "skip"},
		{"log_key, empty text", key("line", Auto), `{"line":""}`, "skip"},
		{"log_key, array of scalars", key("line", Auto), `{"line":[1,2]}`, "skip;skip"},
		{"log_key, number", key("line", Auto), `{"line":5}`, document},
		{"log_key, missing", key("line", Auto), rawEvent, raw},
		{"log_key, missing in a document", key("line", Auto), `{"a":1}`, document},
		{"log_key with dots", key("a.b", Auto), `{"a":{"b":` + quoted(rawEvent) + `}}`, raw},
		{"log_key with dots, literal", key("a.b", Auto), `{"a.b":` + quoted(rawEvent) + `}`, raw},
		{"log_key with dots, literal, map", key("a.b", Auto), `{"a.b":` + rawEvent + `}`, raw},
		{"log_key, a wrapping in it", key("line", Auto), `{"line":` + quoted(`{"log":`+quoted(rawEvent)+`}`) + `}`, raw},
		{"log_key, a list in it", key("line", Auto), `{"line":{"kind":"EventList","items":[` + rawEvent + `]}}`, raw},
		{"log_key, an export in it", key("line", Auto), `{"line":{"records":[` + azure("kube-audit", quoted(rawEvent)) + `]}}`, raw},
		{"log_key, ECS", key("line", ECS), `{"line":` + quoted(rawEvent) + `}`, document},
		{"log_key, forced", key("line", KubernetesAudit), `{"line":{"verb":"get"}}`, raw},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCatcher(test.opts, "kubernetes.audit.verb")
			check := func(format string) {
				var got []string
				for _, ev := range c.events {
					if ev.raw {
						got = append(got, strings.TrimSpace("raw "+strings.Trim(strings.Join(ev.values["kubernetes.audit.verb"], " "), `"`)))
					} else {
						got = append(got, document)
					}
				}
				for range c.skips {
					got = append(got, "skip")
				}
				if s := strings.Join(got, ";"); s != test.want {
					t.Errorf("%s: %s, want %s", format, s, test.want)
				}
				if n := c.reader.Stats(); n.Skipped != uint64(len(c.skips)) || n.Events != uint64(len(c.events)) {
					t.Errorf("%s: counted %+v", format, n)
				}
			}
			_ = c.reader.Line([]byte(test.in), 0, 0, c)
			check("JSON")
			if test.in[0] == '[' {
				return // a record of Fluent Bit is a map
			}
			c = newCatcher(test.opts, "kubernetes.audit.verb")
			if err := c.reader.Chunk(chunkOf(parse(t, test.in)), c); err != nil {
				t.Error(err)
			}
			check("msgpack")
		})
	}
}

// TestLayers wraps an event ever deeper: up to the bound it is found, then
// the record is a document, or, if it is a list, is skipped once.
func TestLayers(t *testing.T) {
	for _, how := range []struct {
		name string
		wrap func(s string) string
	}{
		{"text", func(s string) string { return `{"log":` + quoted(s) + `}` }},
		{"map", func(s string) string { return `{"log":{"apiVersion":"audit.k8s.io/","items":[` + s + `]}}` }},
		{"list", func(s string) string { return `{"kind":"EventList","items":[` + s + `]}` }},
	} {
		perWrap := 1
		if how.name == "map" {
			perWrap = 2
		}
		in := rawEvent
		for n := 0; n < 9; n++ {
			c := newCatcher(Options{})
			_ = c.reader.Line([]byte(in), 0, 0, c)
			got := c.reader.Stats()
			switch found := len(c.events) == 1 && c.events[0].raw; {
			case n*perWrap <= maxLayers:
				if !found || len(c.skips) != 0 || got.Unread != ([UnreadReasons]uint64{}) {
					t.Errorf("%s, %d layers: %d events, skipped %v", how.name, n, len(c.events), c.skips)
				}
			case how.name == "list":
				if len(c.events) != 0 || len(c.skips) != 1 || !errors.Is(c.skips[0], ErrNested) {
					t.Errorf("list, %d layers: %d events, skipped %v", n, len(c.events), c.skips)
				}
			default:
				if len(c.events) != 1 || found || len(c.skips) != 0 || got.Unread[UnreadLayers] != 1 {
					t.Errorf("%s, %d layers: %d events, skipped %v, %+v", how.name, n, len(c.events), c.skips, got)
				}
			}
			in = how.wrap(in)
		}
	}
}

// TestLabelsOfDocuments: the keys of labels are read with underscores for
// Google Cloud's sake; documents have theirs in any spelling.
func TestLabelsOfDocuments(t *testing.T) {
	for _, in := range []string{
		`{"labels":{"k8s.app":"x"}}`, `{"labels":{"k8s":{"app":"x"}}}`, `{"labels.k8s.app":"x"}`, `{"labels":{"k8s_app":"x"}}`,
	} {
		for _, f := range formats {
			c := newCatcher(Options{}, "labels.k8s.app", "labels.k8s_app")
			got := c.one(t, f.format, parse(t, in))
			if want := `"x"`; strings.Join(got.values["labels.k8s.app"], " ") != want {
				t.Errorf("%s, %s: %v", in, f.name, got.values)
			}
		}
	}
	c := newCatcher(Options{Mode: ECS}, "labels.a.b", "labels.a_b")
	got := c.one(t, record.JSON, parse(t, `{"labels":{"a.b":"x"}}`))
	if got.exists["labels.a_b"] || !got.exists["labels.a.b"] {
		t.Errorf("in mode ecs: %v", got.values)
	}
}

// TestFailedGuess: what only looked like a wrapped event is a document, whole.
func TestFailedGuess(t *testing.T) {
	for _, in := range []string{
		`{"message":"{\"auditID\":1,\"outer\":\"in\"}","outer":"x"}`,
		`{"message":"{\"log\":\"{\\\"auditID\\\":1,\\\"outer\\\":\\\"in\\\"}\",\"outer\":\"in\"}","outer":"x"}`,
		`{"data":{"auditID":"a","outer":"in"},"outer":"x"}`,
		`{"body":{"apiVersion":"audit.k8s.io/v1","outer":"in"},"outer":"x"}`,
	} {
		for _, f := range formats {
			c := newCatcher(Options{}, "outer")
			got := c.one(t, f.format, parse(t, in))
			if doc := got.document(t); got.raw || strings.Join(got.values["outer"], " ") != `"x"` || doc["outer"] != "x" {
				t.Errorf("%s, %s: %v, %v", in, f.name, got.values, doc)
			}
		}
	}
}

func TestParseMode(t *testing.T) {
	for in, want := range map[string]Mode{"": Auto, "auto": Auto, "Kubernetes_Audit": KubernetesAudit, "ecs": ECS} {
		if got, err := ParseMode(in); err != nil || got != want {
			t.Errorf("ParseMode(%q) = %d, %v", in, got, err)
		}
	}
	if _, err := ParseMode("kubernetes"); err == nil || !strings.Contains(err.Error(), "kubernetes_audit") {
		t.Errorf("ParseMode of a wrong name: %v", err)
	}
}

// TestChunk reads a chunk with records that are no maps, and with a break.
func TestChunk(t *testing.T) {
	c := newCatcher(Options{}, "kubernetes.audit.verb")
	head := chunkOf(nil)[:13]
	event := chunkOf(parse(t, rawEvent))
	var data []byte
	data = append(data, event...)
	data = append(append(data, head...), 0x93, 1, 2, 3) // an array
	data = append(append(data, head...), 0xa1, 'x')     // a text
	data = append(data, event...)
	if err := c.reader.Chunk(data, c); err != nil {
		t.Fatal(err)
	}
	if len(c.events) != 2 || len(c.skips) != 2 || !errors.Is(c.skips[0], ErrNotMap) {
		t.Errorf("%d events, skipped %v", len(c.events), c.skips)
	}
	if got, want := c.reader.Stats(), (Stats{Records: 4, Events: 2, Skipped: 2}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	for cut := 1; cut < len(event); cut++ {
		c := newCatcher(Options{})
		err := c.reader.Chunk(append(append([]byte{}, event...), event[:cut]...), c)
		if err == nil || len(c.events) != 1 || c.events[0].time != chunkTime {
			t.Fatalf("cut after %d bytes: %d events, %v", cut, len(c.events), err)
		}
	}
	for _, body := range [][]byte{{0x93, 1}, {0x81, 0xa1}, {0xc1}} {
		c := newCatcher(Options{})
		if err := c.reader.Chunk(append(append([]byte{}, head...), body...), c); err == nil || len(c.events) != 0 {
			t.Errorf("body % x: %d events, %v", body, len(c.events), err)
		}
	}
}
