package mapping

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fluent-bit-newterms/detector/record"
)

// numbersAsFloats makes documents from two decoders comparable.
func numbersAsFloats(t testing.TB, doc any) any {
	t.Helper()
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// samples are the integration's own tests: the events that go in and the
// documents that must come out.
func samples(t testing.TB) (events []object, want []map[string]any) {
	for _, name := range []string{"elastic-k8s/test-audit.log", "elastic-k8s/test-kube-audit.log"} {
		var expected struct{ Expected []map[string]any }
		if err := json.Unmarshal(reference(t, name+"-expected.json"), &expected); err != nil {
			t.Fatal(err)
		}
		in := lines(reference(t, name))
		for i, doc := range expected.Expected {
			delete(doc, "@timestamp")
			delete(doc, "ecs")
			// The test's configuration sets tags, not the event.
			delete(doc, "tags")
			event := doc["event"].(map[string]any)
			delete(event, "ingested")
			delete(event, "original")
			events = append(events, parse(t, string(in[i])))
			want = append(want, doc)
		}
	}
	return events, want
}

func documentOf(t testing.TB, ev caught) any {
	doc := ev.document(t)
	delete(doc, "@timestamp")
	return numbersAsFloats(t, doc)
}

// withoutMapped takes what the mapping of Google Kubernetes Engine adds out of a
// document, to what the pipeline makes.
func withoutMapped(doc, pipeline map[string]any) {
	for _, f := range builtins()[gkeMapping].fields {
		if path := strings.Split(f.target, "."); at(pipeline, path) == nil {
			remove(doc, path)
		}
	}
	clean(doc)
}

func TestDocumentOfSamples(t *testing.T) {
	events, want := samples(t)
	if len(events) != 5 {
		t.Fatalf("%d samples, want 5", len(events))
	}
	c := newCatcher(Options{})
	for i, event := range events {
		for _, f := range formats {
			got := c.one(t, f.format, event)
			if !got.raw {
				t.Errorf("sample %d is no raw event", i)
			}
			doc := documentOf(t, got)
			if got.ref.shape == gkeShape {
				withoutMapped(doc.(map[string]any), want[i])
			}
			if diff := cmp.Diff(numbersAsFloats(t, want[i]), doc); diff != "" {
				t.Errorf("sample %d, %s: -want +got\n%s", i, f.name, diff)
			}
		}
	}
}

// aksMetadataWant is aks_metadata of the wrappings with Azure's envelope.
var aksMetadataWant = map[string]any{
	"category": "kube-audit", "level": "Informational", "operation_name": "Read", "service_build": "na", "pod": "kube-apiserver-1",
	"container_id": "c1", "resource_id": "/CLUSTERS/A", "time": "2026-01-02T03:04:05Z",
	"properties": map[string]any{"other": "o"},
}

// TestDocumentInEveryWrapping wants the same document of an event however it
// comes.
func TestDocumentInEveryWrapping(t *testing.T) {
	events, want := samples(t)
	events, want = events[:3], want[:3] // no envelopes yet
	c := newCatcher(Options{})
	for _, w := range wrappings {
		t.Run(w.name, func(t *testing.T) {
			for i, event := range events {
				for _, f := range formats {
					got := documentOf(t, c.one(t, f.format, w.wrap(event)))
					if w.azure {
						of := got.(map[string]any)["kubernetes"].(map[string]any)["audit"].(map[string]any)
						if diff := cmp.Diff(aksMetadataWant, of["aks_metadata"]); diff != "" {
							t.Errorf("aks_metadata: -want +got\n%s", diff)
						}
						delete(of, "aks_metadata")
					}
					if diff := cmp.Diff(numbersAsFloats(t, want[i]), got); diff != "" {
						t.Errorf("sample %d, %s: -want +got\n%s", i, f.name, diff)
					}
				}
			}
		})
	}
}

// TestGoogleInEveryWrapping is the same for Google Cloud's envelope.
func TestGoogleInEveryWrapping(t *testing.T) {
	events, want := samples(t)
	c := newCatcher(Options{})
	for _, name := range []string{"text under log", "map under log", "CloudWatch query", "text within text"} {
		w := wrappings[slices.IndexFunc(wrappings, func(w wrapping) bool { return w.name == name })]
		for _, f := range formats {
			doc := documentOf(t, c.one(t, f.format, w.wrap(events[3])))
			withoutMapped(doc.(map[string]any), want[3])
			if diff := cmp.Diff(numbersAsFloats(t, want[3]), doc); diff != "" {
				t.Errorf("%s, %s: -want +got\n%s", w.name, f.name, diff)
			}
		}
	}
}

func TestDocument(t *testing.T) {
	const head = `"auditID":"a","stage":"Panic"`
	tests := []struct{ name, in, want string }{
		{
			// Items of a list have no kind and apiVersion: nor has the
			// document, as the pipeline has nothing to copy.
			"item of a list", `{` + head + `,"verb":"get"}`,
			`{"event":{"kind":"event","action":"get"},"orchestrator":{"type":"kubernetes"},"kubernetes":{"audit":{` + head + `,"verb":"get"}}}`,
		},
		{
			"what is empty goes, from the leaves up",
			`{` + head + `,"user":{"username":"","extra":{}},"sourceIPs":[""],"objectRef":{"a":{"b":""}},"level":null,"responseStatus":{"code":0,"metadata":{}},"requestObject":{"metadata":{"name":"x"}},"responseObject":{"ok":false,"metadata":{"name":"x"}}}`,
			`{"event":{"kind":"event"},"orchestrator":{"type":"kubernetes"},"kubernetes":{"audit":{` + head + `,"responseStatus":{"code":0},"responseObject":{"ok":false}}}}`,
		},
		{
			"scalars where maps are expected",
			`{` + head + `,"user":"bob","objectRef":5,"annotations":"x","sourceIPs":"10.0.0.1"}`,
			`{"event":{"kind":"event"},"orchestrator":{"type":"kubernetes"},"source":{"ip":"10.0.0.1"},"client":{"ip":"10.0.0.1"},"related":{"ip":["10.0.0.1"]},
			  "kubernetes":{"audit":{` + head + `,"user":"bob","objectRef":5,"annotations":"x","sourceIPs":"10.0.0.1"}}}`,
		},
		{
			"annotations in both spellings",
			`{` + head + `,"annotations":{"authorization_k8s_io/decision":"allow","authorization.k8s.io/decision":"forbid"}}`,
			`{"event":{"kind":"event","outcome":"failure"},"orchestrator":{"type":"kubernetes"},"kubernetes":{"audit":{` + head + `,"annotations":{"authorization_k8s_io/decision":["forbid","allow"]}}}}`,
		},
		{
			"what a filter added",
			`{` + head + `,"cluster":"prod","host":{"name":"node-1"},"source":"stdout","kubernetes":{"pod_name":"p","audit":{"verb":"x"}},"event.dataset":"other","labels":{"a":"b"}}`,
			`{"event":{"kind":"event"},"orchestrator":{"type":"kubernetes"},"cluster":"prod","host":{"name":"node-1"},"labels":{"a":"b"},
			  "kubernetes":{"pod_name":"p","audit":{` + head + `}}}`,
		},
		{
			"annotations and labels of Google Cloud",
			`{"insertId":"i","auditID":"a","protoPayload":{"serviceName":"k8s.io","status":{"code":7},"resourceName":"r"},"annotations":{"x.y":"1"},"labels":{"authorization.k8s.io/decision":"allow"},"resource":{"type":"k8s_cluster"},"objectRef":{"resource":"pods","name":"n"}}`,
			`{"event":{"kind":"event"},"orchestrator":{"type":"kubernetes","resource":{"type":"k8s_cluster","name":"n"}},
			  "kubernetes":{"audit":{"insertId":"i","auditID":"a","protoPayload":{"serviceName":"k8s.io","resourceName":"r"},"stage":"ResponseComplete","responseStatus":{"code":7},"annotations":{"x_y":"1"},"labels":{"authorization.k8s.io/decision":"allow"},"resource":{"type":"k8s_cluster"},"objectRef":{"resource":"pods","name":"n"}}}}`,
		},
		{
			"agent, with what it adds",
			`{"@timestamp":"2026-01-01T00:00:00Z","agent":{"id":"1"},"host":{"os":{"type":"linux"}},"kubernetes":{"pod":{"name":"p"},"audit.stage":"Panic"},"kubernetes.audit":{"user.username":"u","annotations.a.b":"c"},"kubernetes.audit.auditID":"a"}`,
			`{"agent":{"id":"1"},"host":{"os":{"type":"linux"}},"event":{"kind":"event"},"orchestrator":{"type":"kubernetes"},"user":{"name":"u"},"related":{"user":["u"]},
			  "kubernetes":{"pod":{"name":"p"},"audit":{` + head + `,"user.username":"u","annotations":{"a_b":"c"}}}}`,
		},
	}
	c := newCatcher(Options{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var want any
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			for _, f := range formats {
				if diff := cmp.Diff(want, documentOf(t, c.one(t, f.format, parse(t, test.in)))); diff != "" {
					t.Errorf("%s: -want +got\n%s", f.name, diff)
				}
			}
		})
	}
}

// TestRefOutlivesTheEvent keeps references to all items of a text within text
// until the reader has read other records.
func TestRefOutlivesTheEvent(t *testing.T) {
	c := newCatcher(Options{})
	item := func(id string) any { return azureOf(text(object{{"auditID", id}, {"stage", "Panic"}})) }
	events := c.read(t, record.JSON, under1("log", text(object{{"records", []any{item("a"), item("b"), item("c")}}})))
	c.read(t, record.JSON, under1("log", text(object{{"records", []any{item("x"), item("y"), item("z")}}})))
	for i, id := range []string{"a", "b", "c"} {
		got := events[i].document(t)["kubernetes"].(map[string]any)["audit"].(map[string]any)["auditID"]
		if got != id || events[i].item != i || events[i].time != chunkTime {
			t.Errorf("event %d is %v, item %d at %d", i, got, events[i].item, events[i].time)
		}
	}
}
