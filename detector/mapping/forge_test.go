package mapping

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestNotForged: a document stays the document, whatever its texts hold.
func TestNotForged(t *testing.T) {
	list := `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[` + rawEvent + `]}`
	for _, text := range []string{
		rawEvent, list, `[` + rawEvent + `]`, `{"auditID":"1","stage":"ResponseComplete"}`, `{"auditID":"1","stage":1}`, `{"auditID`,
		`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[]}`, `{"log":` + quoted(rawEvent) + `}`, quoted(rawEvent),
		"2026-11-24T10:00:00.5Z stdout F " + rawEvent, "\ufeff" + rawEvent, "@cee: " + rawEvent, strings.Trim(quoted(rawEvent), `"`),
		`{ google.cloud.audit.AuditLog broken`,
	} {
		for _, in := range []string{
			`{"event":{"category":"web"},"verb":"none","message":` + quoted(text) + `}`,
			`{"user":{"name":"mallory"},"event":{"dataset":"a"},"message":` + quoted(text) + `}`,
			`{"event.kind":"event","log":` + quoted(text) + `}`,
			`{"level":"info","msg":"login failed","name":` + quoted(text) + `}`,
			`{"log":{"level":"info","user":` + quoted(text) + `}}`,
			`{"body":{"names":[` + quoted(text) + `],"count":1}}`,
			`{"kubernetes":{"pod_name":"p","annotations":{"x":` + quoted(text) + `}},"log":"hello"}`,
			`{"event":{"category":"web"},"auditID":"x","stage":"y","message":` + quoted(text) + `}`,
			`{"event":{"category":"web"},"kind":"EventList","items":[],"message":` + quoted(text) + `}`,
		} {
			for _, f := range formats {
				c := newCatcher(Options{Mappings: all()}, "message")
				if got := c.one(t, f.format, parse(t, in)); got.raw {
					t.Errorf("%s: %s was taken for an audit event", f.name, in)
				}
			}
		}
	}
}

// TestUnwraps: an event is found wherever shippers leave it.
func TestUnwraps(t *testing.T) {
	escaped := strings.Trim(quoted(rawEvent), `"`)
	azure := `{"category":"kube-audit","operationName":"o","resourceId":"r","properties":{"log":` + quoted(rawEvent) + `}}`
	for _, in := range []string{
		`{"time":1,"sourcetype":"kube:apiserver-audit","event":` + rawEvent + `}`,
		`{"stream":"stdout","log_processed":` + rawEvent + `,"kubernetes":{"pod_name":"p"}}`,
		`{"log":` + quoted(rawEvent) + `,"log_processed":` + rawEvent + `}`,
		`{"anything":` + rawEvent + `,"host":"h"}`,
		`{"a":{"b":{"c":` + rawEvent + `}},"x":1}`,
		`{"topic":"t","payload":{"records":[` + azure + `]}}`,
		`{"body":{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[` + rawEvent + `]}}`,
		`{"payload":{"logEvents":[{"id":"1","timestamp":2,"message":` + quoted(rawEvent) + `}]}}`,
		`{"message":` + quoted(`[`+rawEvent+`]`) + `}`,
		`{"message":"[]","payload":` + quoted(`[`+rawEvent+`]`) + `}`,
		`{"log":` + quoted("2026-11-24T10:00:00.5Z stdout F "+rawEvent) + `}`,
		`{"log":` + quoted(`{"log":`+quoted(`{"log":`+quoted(rawEvent)+`}`)+`}`) + `}`,
		`{"log":` + quoted(quoted(rawEvent)) + `}`,
		`{"log":` + quoted(escaped) + `}`,
		`{"log":` + quoted("\ufeff"+rawEvent) + `}`,
		`{"log":` + quoted("\x00\x00"+rawEvent+"\n") + `}`,
		`{"log":` + quoted("@cee: "+rawEvent) + `}`,
		`{"foo":` + quoted(rawEvent) + `,"hostname":"h","_SYSTEMD_UNIT":"u"}`,
		`{"message":{"data":"` + base64.StdEncoding.EncodeToString([]byte(rawEvent)) + `","messageId":"1","publishTime":"t"},"subscription":"s"}`,
		azure,
	} {
		for _, f := range formats {
			c := newCatcher(Options{Mappings: all()}, "kubernetes.audit.verb", "user_agent.original")
			got := c.one(t, f.format, parse(t, in))
			if !got.raw || len(got.values["user_agent.original"]) != 1 || c.reader.Stats().Unread != ([UnreadReasons]uint64{}) {
				t.Errorf("%s: %s gives %v", f.name, in, got.values)
			}
			if doc := got.document(t); at(doc, []string{"user_agent", "original"}) != "kubectl" {
				t.Errorf("%s: %s has the document %v", f.name, in, doc)
			}
		}
	}
}

// TestUnread: what looks like an event and is read as none is counted, once.
func TestUnread(t *testing.T) {
	for in, want := range map[string]Unread{
		`{"log":"{\"auditID\":"}`:                        UnreadText,
		`{"log":` + quoted(rawEvent) + `,"user":"me"}`:   UnreadBeside,
		`{"msg":"auditID is missing","level":"info"}`:    UnreadUnknown,
		`{"a":{"apiVersion":"audit.k8s.io/v1","x":"y"}}`: UnreadUnknown,
	} {
		for _, f := range formats {
			c := newCatcher(Options{})
			got := c.one(t, f.format, parse(t, in))
			var only [UnreadReasons]uint64
			only[want] = 1
			if n := c.reader.Stats().Unread; got.raw || n != only {
				t.Errorf("%s: %s counts %v", f.name, in, n)
			}
		}
	}
	for u := range UnreadReasons {
		if u.String() == "" || u.Fix() == "" {
			t.Errorf("reason %d says nothing", u)
		}
	}
}

// TestPodEvents: events in the output of a pod that is no API server are
// counted, and refused if they are to be.
func TestPodEvents(t *testing.T) {
	for in, fromPod := range map[string]bool{
		`{"log":` + quoted(rawEvent) + `,"kubernetes":{"pod_name":"web-1","namespace_name":"shop"}}`:                     true,
		`{"log":` + quoted(rawEvent) + `,"kubernetes":{"pod_name":"kube-apiserver-a","namespace_name":"shop"}}`:          true,
		`{"log":` + quoted(rawEvent) + `,"kubernetes":{"pod_name":"kube-apiserver-a","namespace_name":"kube-system"}}`:   false,
		`{"log":` + quoted(rawEvent) + `,"kubernetes":{"pod":{"name":"apiserver-1"},"namespace":"openshift-apiserver"}}`: false,
		`{"log_processed":` + rawEvent + `,"kubernetes":{"pod_name":"web-1","namespace_name":"shop"}}`:                   true,
		strings.Replace(rawEvent, `{`, `{"kubernetes":{"pod_name":"web-1","namespace_name":"shop"},`, 1):                 true,
		`{"log":` + quoted(rawEvent) + `}`: false,
	} {
		for _, f := range formats {
			for _, refuse := range []bool{false, true} {
				c := newCatcher(Options{RefusePodEvents: refuse})
				// The second time, the record is read through a specialization.
				c.reader.Focus(focusOf(t, c, rawShape), nil)
				for range 2 {
					c.read(t, f.format, parse(t, in))
				}
				s := c.reader.Stats()
				want := uint64(0)
				if fromPod {
					want = 2
				}
				if s.PodEvents != want || refuse && s.Unread[UnreadPod] != want || len(c.events) != 1 && !(refuse && fromPod) {
					t.Errorf("%s, refuse %v: %s: %d events, %+v", f.name, refuse, in, len(c.events), s)
				}
			}
		}
	}
}

func focusOf(t testing.TB, c *catcher, s shape) *Focus {
	t.Helper()
	f, ok := c.reader.plan.Focus(Shape{s}, c.byField)
	if !ok {
		t.Fatal("no specialization")
	}
	return f
}

// TestSearchIsLinear: looking for events in many wrappings costs in proportion
// to their bytes.
func TestSearchIsLinear(t *testing.T) {
	work := func(n int) (calls int) {
		in := `{"a":{"b":[` + strings.Repeat(`{"x":{"y":[{"z":1}]}},`, n) + `{"x":1}]},"c":1}`
		r := NewPlan(Options{}).NewReader()
		r.onScan = func(b []byte) { calls += len(b) }
		if err := r.Line([]byte(in), 0, 0, &counter{t: t}); err != nil {
			t.Fatal(err)
		}
		return calls
	}
	small, large := work(1000), work(4000)
	if large > 5*small {
		t.Errorf("4 times the bytes: %d bytes scanned, then %d", small, large)
	}
}
