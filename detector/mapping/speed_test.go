package mapping

import (
	"testing"

	"fluent-bit-newterms/detector/record"
)

// seedFields are those of the Kubernetes rules.
var seedFields = []string{
	"host.os.type", "event.dataset", "data_stream.dataset", "data_stream.type", "data_stream.namespace",
	"kubernetes.audit.stage", "user_agent.original", "kubernetes.audit.user.username", "user.name", "source.ip",
	"kubernetes.audit.annotations.authorization_k8s_io/decision", "kubernetes.audit.verb", "kubernetes.audit.requestURI",
	"kubernetes.audit.objectRef.resource", "kubernetes.audit.user.groups", "kubernetes.audit.impersonatedUser.username",
	"kubernetes.audit.requestObject.spec.containers.image",
}

type ignore struct{ events int }

func (h *ignore) Event(*Event) { h.events++ }

// TestNoAllocations reads every shape with memory that has been used before.
func TestNoAllocations(t *testing.T) {
	event := parse(t, queryEvent)
	google := parse(t, `{"insertId":"i","protoPayload":{"serviceName":"k8s.io","status":{"code":7}},"labels":{"authorization.k8s.io/decision":"allow"}}`)
	all := append(append([]string{}, otherFields...), seedFields...)
	for path := range sources {
		all = append(all, path)
	}
	inputs := []wrapping{
		{name: "Google Cloud", wrap: func(object) object { return google }},
		{name: "ECS", wrap: func(object) object { return parse(t, ecsEvent) }},
		{name: "looks like an event", wrap: func(object) object { return under1("message", `{"auditID":1}`) }},
	}
	for _, w := range append(inputs, wrappings...) {
		for _, f := range formats {
			for _, o := range []Options{{}, {LogKey: "log"}} {
				p := NewPlan(o)
				for _, path := range all {
					p.Field(path)
				}
				r, h := p.NewReader(), &ignore{}
				line, chunk := appendJSON(nil, w.wrap(event)), chunkOf(w.wrap(event))
				run := func() {
					var err error
					if f.format == record.JSON {
						err = r.Line(line, 0, 0, h)
					} else {
						err = r.Chunk(chunk, h)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				run()
				if n := testing.AllocsPerRun(50, run); n != 0 || h.events == 0 {
					t.Errorf("%s, %s, log_key %q: %v allocations, %d events", w.name, f.name, o.LogKey, n, h.events)
				}
			}
		}
	}
}

// TestNestedDoesNotAllocate does the same for the elements of a nested field.
func TestNestedDoesNotAllocate(t *testing.T) {
	m := newMatcher(t, Options{}, `kubernetes.audit.requestObject.rules: { verbs: "*" and resources: "secrets" }`)
	chunk := chunkOf(parse(t, queryEvent))
	n := testing.AllocsPerRun(50, func() {
		if err := m.reader.Chunk(chunk, m); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 || m.matched == 0 || m.matched != m.events {
		t.Errorf("%v allocations, %d of %d events match", n, m.matched, m.events)
	}
}

// scanOnly is the least that finding the same fields can cost: one walk of the
// record with a layout of nothing else.
func scanOnly(fields []string) (*record.Layout, *record.View) {
	l := record.NewLayout()
	l.Underscore("annotations")
	for _, path := range fields {
		if src, ok := sources[path]; ok && src.path != nil {
			l.Want(src.path...)
		} else if len(path) > len(audit) && path[:len(audit)] == audit {
			l.Want(splitRaw(path[len(audit):])...)
		}
	}
	return l, l.NewView(0, nil)
}

// BenchmarkReader reads a thousand real events; the plain scan is the measure.
func BenchmarkReader(b *testing.B) {
	all := lines(reference(b, "k8s-audit/cluster-a.jsonl.gz"))[:1000]
	events := make([]object, len(all))
	for i, line := range all {
		events[i] = parse(b, string(line))
	}
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
		b.ReportAllocs()
	}
	for _, f := range formats {
		b.Run("scan/"+f.name, func(b *testing.B) {
			l, v := scanOnly(seedFields)
			bodies := make([][]byte, len(events))
			for i, e := range events {
				if bodies[i] = appendMsgpack(nil, e); f.format == record.JSON {
					bodies[i] = appendJSON(nil, e)
				}
			}
			for b.Loop() {
				for _, body := range bodies {
					v.Reset()
					if _, err := f.format.Scan(l, body, v); err != nil {
						b.Fatal(err)
					}
				}
			}
			report(b)
		})
	}
	for _, mode := range []struct {
		name string
		opts Options
	}{{"auto", Options{}}, {"kubernetes_audit", Options{Mode: KubernetesAudit}}} {
		for _, w := range []int{0, 1, 3, 11, 12, 17} {
			w := wrappings[w]
			for _, f := range formats {
				b.Run(mode.name+"/"+w.name+"/"+f.name, func(b *testing.B) {
					p := NewPlan(mode.opts)
					for _, path := range seedFields {
						p.Field(path)
					}
					r, h := p.NewReader(), &ignore{}
					inputs := make([][]byte, len(events))
					for i, e := range events {
						if inputs[i] = chunkOf(w.wrap(e)); f.format == record.JSON {
							inputs[i] = appendJSON(nil, w.wrap(e))
						}
					}
					n := 0
					for b.Loop() {
						for i, in := range inputs {
							var err error
							if f.format == record.JSON {
								err = r.Line(in, 0, i, h)
							} else {
								err = r.Chunk(in, h)
							}
							if err != nil {
								b.Fatal(err)
							}
						}
						n++
					}
					if h.events != n*len(events) {
						b.Fatalf("%d events, want %d", h.events, n*len(events))
					}
					report(b)
				})
			}
		}
	}
}
