package mapping

import (
	"testing"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/record"
)

// matcher runs one query over the events of a reader.
type matcher struct {
	pred    *kql.Predicate
	memo    *kql.Memo
	reader  *Reader
	events  int
	matched int
}

func newMatcher(t testing.TB, o Options, query string) *matcher {
	t.Helper()
	node, err := kql.Parse(query)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlan(o)
	c := kql.NewCompiler(p)
	m := &matcher{}
	if m.pred, err = c.Compile(node); err != nil {
		t.Fatal(err)
	}
	m.memo, m.reader = c.NewMemo(), p.NewReader()
	return m
}

func (m *matcher) Event(ev *Event) {
	m.memo.Reset()
	m.events++
	if m.pred.Match(ev.View, m.memo) {
		m.matched++
	}
}

// queryEvent has what the queries below ask for.
const queryEvent = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","stage":"ResponseComplete","verb":"create",
	"user":{"username":"Alice","groups":["system:masters","dev team"],"extra":{"authentication.kubernetes.io/pod-name":["web-1"],"empty":{}}},
	"sourceIPs":["10.1.2.3","::1"],"userAgent":"kubectl/v1.33 (linux/amd64)",
	"objectRef":{"resource":"roles","namespace":"","x":{"y":""}},
	"requestObject":{"metadata":{"name":"secret-name"},
		"rules":[{"verbs":["get","list"],"resources":["pods"]},{"verbs":["*"],"resources":["secrets"],"apiGroups":[""]}],
		"spec":{"hostPID":true,"containers":[{"image":"docker.io/library/alpine:3.20","securityContext":{"privileged":true,"runAsUser":0}}],
			"volumes":[{"name":"v","hostPath":{"path":"/etc","type":""}}]}},
	"responseObject":{"metadata":{"name":"secret-name"}},
	"responseStatus":{"metadata":{},"code":201},
	"requestReceivedTimestamp":"2026-11-23T01:08:49.978817Z",
	"annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding","pod-security.kubernetes.io/enforce-policy":"privileged:latest"}}`

var queries = []struct {
	query string
	want  bool
}{
	// types
	{`source.ip: "10.0.0.0/8"`, true},
	{`client.ip: "192.168.0.0/16"`, false},
	{`kubernetes.audit.user.groups: DEV`, true},
	{`kubernetes.audit.user.username: alice`, false},
	{`user.name: Alice`, true},
	{`user.name.caseless: ALICE`, true},
	{`user_agent.original.text: LINUX`, true},
	{`kubernetes.audit.responseStatus.code >= 200 and kubernetes.audit.responseStatus.code < 300`, true},
	{`kubernetes.audit.requestObject.spec.hostPID: true`, true},
	{`kubernetes.audit.requestObject.spec.containers.image: alpine`, true},
	{`kubernetes.audit.requestObject.spec.containers.image: docker`, false},
	{`kubernetes.audit.requestObject.spec.containers.image: alpine*`, true},
	{`kubernetes.audit.requestObject.spec.containers.securityContext.runAsUser: 0`, true},
	{`kubernetes.audit.requestReceivedTimestamp >= "2026-11-23"`, true},
	{`kubernetes.audit.annotations.authorization_k8s_io/reason: clusterrolebinding`, true},
	{`kubernetes.audit.annotations.pod-security_kubernetes_io/enforce-policy: "privileged:latest"`, true},
	{`kubernetes.audit.user.extra.authentication.kubernetes.io/pod-name: web-1`, true},
	// flattened: the field is all its leaves, a path below is one
	{`kubernetes.audit.requestObject.spec.volumes.hostPath: "/etc"`, true},
	{`kubernetes.audit.requestObject.spec.volumes.hostPath.path: "/etc"`, true},
	{`kubernetes.audit.requestObject.spec.volumes.hostPath: *`, true},
	{`kubernetes.audit.requestObject.spec.containers.volumeMounts: *`, false},
	// what is empty is not there
	{`kubernetes.audit.objectRef.namespace: *`, false},
	{`kubernetes.audit.objectRef.x: *`, false},
	{`kubernetes.audit.objectRef: *`, true},
	{`kubernetes.audit.user.extra.empty: *`, false},
	{`kubernetes.audit.user.extra: *`, true},
	{`kubernetes.audit.responseObject: *`, false},
	{`kubernetes.audit.requestObject: *`, true},
	{`kubernetes.audit.requestObject.metadata.name: *`, false},
	// nested
	{`kubernetes.audit.requestObject.rules: { verbs: "*" and resources: "secrets" }`, true},
	{`kubernetes.audit.requestObject.rules: { verbs: get and resources: secrets }`, false},
	{`kubernetes.audit.requestObject.rules: { verbs: get and resources: pods }`, true},
	{`kubernetes.audit.requestObject.rules: { verbs: * }`, true},
	{`kubernetes.audit.requestObject.rules: { apiGroups: * }`, false},
	{`kubernetes.audit.requestObject.rules: { verb*: list }`, true},
	{`kubernetes.audit.requestObject.rules: { nothing: * }`, false},
	{`kubernetes.audit.responseObject.rules: { verbs: * }`, false},
	{`not kubernetes.audit.requestObject.rules: { verbs: delete }`, true},
	// patterns and bare values
	{`kubernetes.audit.user.user*: Alice`, true},
	{`user.n*: Alice`, true},
	{`*.ip: "10.1.2.3"`, true},
	{`event.d*: "kubernetes.audit_logs"`, true},
	{`host.*: linux`, true},
	{`kubernetes.audit.requestObject.metadata.*: *`, false},
	{`"kubectl/v1.33 (linux/amd64)"`, true},
	{`secret-name`, false},
	{`alice`, true},
	// constants
	{`data_stream.dataset: "kubernetes.audit_logs" and event.dataset: "kubernetes.audit_logs" and host.os.type: linux and event.kind: event`, true},
	{`event.outcome: success and event.action: create and related.user: Alice and related.ip: "::1"`, true},
	{`kubernetes.audit.unknown: * or unknown: * or verb: * or user.username: *`, false},
}

// TestQueries runs queries over one event in every wrapping.
func TestQueries(t *testing.T) {
	event := parse(t, queryEvent)
	for _, q := range queries {
		m := newMatcher(t, Options{}, q.query)
		for _, w := range wrappings {
			for _, f := range formats {
				m.events, m.matched = 0, 0
				for range 2 { // the second time from used memory
					var err error
					if f.format == record.JSON {
						err = m.reader.Line(appendJSON(nil, w.wrap(event)), 0, 0, m)
					} else {
						err = m.reader.Chunk(chunkOf(w.wrap(event)), m)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				want := 0
				if q.want {
					want = 2
				}
				if m.events != 2 || m.matched != want {
					t.Errorf("%s, %s: %s: %d of %d events match, want %v", w.name, f.name, q.query, m.matched, m.events, q.want)
				}
			}
		}
	}
}

// TestQueriesOnDocuments runs the same queries over the document that the
// pipeline makes of the event, in the three ways to write it.
func TestQueriesOnDocuments(t *testing.T) {
	c := newCatcher(Options{})
	doc := c.one(t, record.JSON, parse(t, queryEvent)).document(t)
	addAgent(doc)
	nested := parse(t, string(mustMarshal(t, doc)))
	var flat object
	for _, m := range nested {
		for _, inner := range m.val.(object) {
			flat = append(flat, member{m.name + "." + inner.name, inner.val})
		}
	}
	for _, q := range queries {
		for _, o := range []Options{{}, {Mode: ECS}} {
			m := newMatcher(t, o, q.query)
			for _, in := range []object{nested, flat} {
				for _, f := range formats {
					m.events, m.matched = 0, 0
					if f.format == record.JSON {
						_ = m.reader.Line(appendJSON(nil, in), 0, 0, m)
					} else {
						_ = m.reader.Chunk(chunkOf(in), m)
					}
					if m.events != 1 || (m.matched == 1) != q.want {
						t.Errorf("%s, mode %d: %s: %d of %d events match, want %v", f.name, o.Mode, q.query, m.matched, m.events, q.want)
					}
				}
			}
		}
	}
}

// TestElementsOfManyEvents: the elements of an event are not those of the one
// before it.
func TestElementsOfManyEvents(t *testing.T) {
	m := newMatcher(t, Options{}, `kubernetes.audit.requestObject.rules: { verbs: x and n: 2999 }`)
	event := func(rules ...any) object {
		return object{{"auditID", "a"}, {"stage", "s"}, {"requestObject", object{{"rules", rules}}}}
	}
	var many []any
	for n := range 3000 {
		many = append(many, object{{"verbs", "x"}, {"n", n}})
	}
	body := listOfEvents(event(many...), event(), event(object{{"verbs", "x"}}, object{{"n", 2999}}), event(many...), event(5, "x", nil))
	if err := m.reader.Chunk(chunkOf(body), m); err != nil {
		t.Fatal(err)
	}
	if m.events != 5 || m.matched != 2 {
		t.Errorf("%d of %d events match, want 2 of 5", m.matched, m.events)
	}
}
