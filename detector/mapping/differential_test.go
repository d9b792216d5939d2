package mapping

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/record"
)

// otherFields are asked for beside those of the rules: maps, fields of
// envelopes, what filters add.
var otherFields = []string{
	"@timestamp",
	"cluster",
	"event.code",
	"host.name",
	"kubernetes.audit.aks_metadata.category",
	"kubernetes.audit.aks_metadata.container_id",
	"kubernetes.audit.aks_metadata.operation_name",
	"kubernetes.audit.aks_metadata.operationName",
	"kubernetes.audit.aks_metadata.properties.other",
	"kubernetes.audit.aks_metadata.properties.pod",
	"kubernetes.audit.annotations",
	"kubernetes.audit.annotations.authorization_k8s_io/reason",
	"kubernetes.audit.auditID",
	"kubernetes.audit.insertId",
	"kubernetes.audit.labels",
	"kubernetes.audit.level",
	"kubernetes.audit.objectRef",
	"kubernetes.audit.objectRef.name",
	"kubernetes.audit.protoPayload.serviceName",
	"kubernetes.audit.protoPayload.status.code",
	"kubernetes.audit.requestObject",
	"kubernetes.audit.requestObject.metadata.name",
	"kubernetes.audit.requestObject.spec",
	"kubernetes.audit.requestObject.spec.volumes.hostPath",
	"kubernetes.audit.requestReceivedTimestamp",
	"kubernetes.audit.responseObject",
	"kubernetes.audit.responseStatus",
	"kubernetes.audit.responseStatus.code",
	"kubernetes.audit.sourceIPs",
	"kubernetes.audit.stageTimestamp",
	"kubernetes.audit.timestamp",
	"kubernetes.audit.user",
	"kubernetes.audit.user.extra",
	"kubernetes.pod_name",
	"labels.app",
	"source.port",
	"user.email",
}

func differentialFields(t testing.TB) []string {
	fields := append(ruleFields(t), otherFields...)
	slices.Sort(fields)
	return slices.Compact(fields)
}

// differs says where the View of an event and its Document disagree, "" if
// nowhere. With subset, the View may have more values: of a key that occurs
// twice, the Document has the last.
func differs(t testing.TB, ev caught, subset bool) string {
	doc := ev.document(t)
	if ev.raw {
		addAgent(doc)
	}
	flat := flattened(doc)
	// A document that came as one may have its annotations with dots.
	for path, vals := range flat {
		if name, ok := strings.CutPrefix(path, audit+"annotations."); ok && strings.Contains(name, ".") {
			to := audit + "annotations." + strings.ReplaceAll(name, ".", "_")
			flat[to] = append(flat[to], vals...)
		}
	}
	for _, path := range ev.asked {
		if ev.ref.shape == gkeShape && (path == audit+"responseStatus" || path == audit+"annotations") {
			// What is in these may come from elsewhere in Google Cloud's
			// envelope. What they are themselves then, where the event has a
			// scalar in their place, is not worth a slot of its own.
			continue
		}
		want := slices.DeleteFunc(slices.Clone(flat[path]), func(s string) bool { return s == "object" })
		exists := len(flat[path]) > 0
		if ecs.TypeOf(path) == record.Flattened {
			for p, vals := range flat {
				if strings.HasPrefix(p, path+".") {
					want = append(want, slices.DeleteFunc(slices.Clone(vals), func(s string) bool { return s == "object" })...)
				}
			}
			exists = len(want) > 0
		}
		got := slices.Clone(ev.values[path])
		slices.Sort(got)
		slices.Sort(want)
		same := slices.Equal(got, want) && ev.exists[path] == exists
		if subset {
			same = !slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(got, s) })
		}
		if !same {
			return fmt.Sprintf("%s: View has %v (exists: %v), Document %v (exists: %v)", path, got, ev.exists[path], want, exists)
		}
	}
	return ""
}

// TestViewIsDocumentOnRealEvents compares View and Document on events of real
// clusters and on the integration's samples, in every wrapping.
func TestViewIsDocumentOnRealEvents(t *testing.T) {
	var events []object
	cluster := lines(reference(t, "k8s-audit/cluster-a.jsonl.gz"))
	for i := 0; i < len(cluster); i += 97 {
		events = append(events, parse(t, string(cluster[i])))
	}
	for _, line := range lines(reference(t, "k8s-audit/webhook.jsonl.gz"))[:4] {
		items := parse(t, string(line)).get("items").([]any)
		for i := 0; i < len(items); i += 17 {
			events = append(events, items[i].(object))
		}
	}
	c := newCatcher(Options{}, differentialFields(t)...)
	for i, event := range events {
		for k, w := range wrappings {
			if i >= 100 && (i+k)%7 != 0 {
				continue // all of them for the first events, one in seven then
			}
			f := formats[(i+k/7)%2]
			got := c.one(t, f.format, w.wrap(event))
			if diff := differs(t, got, false); diff != "" || !got.raw {
				t.Fatalf("%s, %s: %s (raw: %v)\n%s", w.name, f.name, diff, got.raw, text(event))
			}
		}
	}
	inputs, _ := samples(t)
	for _, event := range append(inputs, parse(t, string(lines(reference(t, "elastic-k8s/test-audit.log"))[4]))) {
		for _, f := range formats {
			if diff := differs(t, c.one(t, f.format, event), false); diff != "" {
				t.Errorf("%s: %s\n%s", f.name, diff, text(event))
			}
		}
	}
}

// drawValue draws what may stand where an event has a scalar.
func drawValue(t *rapid.T, label string, usual ...any) any {
	switch rapid.IntRange(0, 11).Draw(t, label) {
	case 0:
		return ""
	case 1:
		return nil
	case 2:
		return []any{}
	case 3:
		return object{}
	case 4:
		return rapid.SampledFrom([]any{0, 7, false, true, 1.5}).Draw(t, label)
	case 5:
		return []any{rapid.SampledFrom(usual).Draw(t, label), "", nil, "b", "b", object{{"x", ""}}, []any{"c"}}
	case 6:
		return object{{"a", object{{"b", ""}}}}
	case 7:
		return object{{"a", object{{"b", "c"}}}}
	}
	return rapid.SampledFrom(usual).Draw(t, label)
}

// drawMap draws a map of some of the members, or what may stand for one.
func drawMap(t *rapid.T, label string, members ...member) any {
	var o object
	for _, m := range members {
		if rapid.IntRange(0, 3).Draw(t, label+"."+m.name) > 0 {
			o = append(o, m)
		}
	}
	switch rapid.IntRange(0, 13).Draw(t, label) {
	case 0:
		return "text"
	case 1:
		return 5
	case 2:
		return nil
	case 3:
		return []any{}
	case 4:
		return []any{o, object{}}
	}
	return o
}

func drawAnnotations(t *rapid.T, label string) any {
	return drawMap(t, label,
		member{"authorization.k8s.io/decision", drawValue(t, "dots", "allow", "forbid")},
		member{"authorization_k8s_io/decision", drawValue(t, "underscores", "allow", "forbid")},
		member{"authorization.k8s.io/reason", drawValue(t, "reason", "RBAC")},
	)
}

func drawRequest(t *rapid.T, label string) any {
	return drawMap(t, label,
		member{"metadata", drawMap(t, "metadata", member{"name", "m"})},
		member{"spec", drawMap(t, "spec",
			member{"hostPID", drawValue(t, "hostPID", true)},
			member{"containers", []any{object{{"image", drawValue(t, "image", "alpine:3")}}, object{{"image", "nginx"}}}},
			member{"volumes", []any{object{{"hostPath", drawMap(t, "hostPath", member{"path", drawValue(t, "path", "/etc")})}}}},
		)},
	)
}

// drawEvent draws an audit event, odd in many ways.
func drawEvent(t *rapid.T) object {
	users := func(label string) any {
		return drawMap(t, label,
			member{"username", drawValue(t, "username", "alice", "system:anonymous")},
			member{"uid", drawValue(t, "uid", "1", "alice")},
			member{"groups", drawValue(t, "groups", "system:masters")},
			member{"extra", drawMap(t, "extra", member{"a.b/c", []any{"x"}})},
			member{"email", "a@b"},
		)
	}
	all := object{
		{"kind", "Event"}, {"apiVersion", drawValue(t, "apiVersion", "audit.k8s.io/v1")}, {"level", "Metadata"},
		{"verb", drawValue(t, "verb", "get", "list")},
		{"userAgent", drawValue(t, "userAgent", "kubectl/v1", "curl")},
		{"user", users("user")},
		{"impersonatedUser", users("impersonatedUser")},
		{"sourceIPs", drawValue(t, "sourceIPs", "10.0.0.1", []any{"10.0.0.1", "::1", "10.0.0.1"})},
		{"objectRef", drawMap(t, "objectRef",
			member{"resource", drawValue(t, "resource", "pods")},
			member{"namespace", drawValue(t, "namespace", "default")},
			member{"name", drawValue(t, "name", "n")})},
		{"responseStatus", drawMap(t, "responseStatus", member{"metadata", object{}}, member{"code", drawValue(t, "code", 200, 0)})},
		{"annotations", drawAnnotations(t, "annotations")},
		{"requestObject", drawRequest(t, "requestObject")},
		{"responseObject", drawRequest(t, "responseObject")},
		{"requestReceivedTimestamp", drawValue(t, "received", "2026-01-01T00:00:00Z")},
		{"stageTimestamp", "2026-01-01T00:00:00Z"},
	}
	var o object
	for _, m := range all {
		if rapid.IntRange(0, 5).Draw(t, "has "+m.name) > 0 {
			o = append(o, m)
		}
	}
	return o
}

// drawBeside draws what filters put beside an event.
func drawBeside(t *rapid.T) object {
	all := object{
		{"cluster", drawValue(t, "cluster", "prod")},
		{"host", drawMap(t, "host", member{"name", "node"}, member{"os", object{{"type", "windows"}}})},
		{"source", drawMap(t, "source", member{"ip", "9.9.9.9"}, member{"port", 5})},
		{"kubernetes", object{{"pod_name", drawValue(t, "pod", "p")}}},
		{"event.code", "c"}, {"event.reason", "none"}, {"data_stream.namespace", "prod"},
		{"@timestamp", "2026-02-02T00:00:00Z"},
	}
	var o object
	for _, m := range all {
		if rapid.Bool().Draw(t, "has "+m.name) {
			// The walk flattens arrays of maps beside an event; the
			// document leaves out those that could hide its own fields.
			if _, isList := m.val.([]any); !isList {
				o = append(o, m)
			}
		}
	}
	return o
}

// TestViewIsDocumentOnOddEvents does the same on events that no API server
// would write.
func TestViewIsDocumentOnOddEvents(t *testing.T) {
	c := newCatcher(Options{}, differentialFields(t)...)
	rapid.Check(t, func(rt *rapid.T) {
		event := append(object{{"auditID", "id"}, {"stage", "ResponseComplete"}}, drawEvent(rt)...)
		if rapid.Bool().Draw(rt, "beside") {
			event = append(event, drawBeside(rt)...)
		}
		twice := rapid.IntRange(0, 4).Draw(rt, "twice") == 0
		if twice {
			event = append(event, member{"verb", "again"}, member{"user", object{{"username", "again"}}})
		}
		w := rapid.SampledFrom(wrappings).Draw(rt, "wrapping")
		f := rapid.SampledFrom(formats).Draw(rt, "format")
		got := c.one(t, f.format, w.wrap(event))
		if diff := differs(t, got, twice); diff != "" || !got.raw {
			rt.Fatalf("%s, %s: %s (raw: %v)\n%s", w.name, f.name, diff, got.raw, text(event))
		}
	})
}

// TestViewIsDocumentOnGoogleEntries does the same on entries of Google Cloud,
// which have an event's own names as well now and then.
func TestViewIsDocumentOnGoogleEntries(t *testing.T) {
	c := newCatcher(Options{}, differentialFields(t)...)
	rapid.Check(t, func(rt *rapid.T) {
		entry := object{
			{"insertId", "i"},
			{"protoPayload", object{
				{"serviceName", "k8s.io"},
				{"resourceName", drawValue(rt, "resourceName", "r")},
				{"status", object{{"code", drawValue(rt, "code", 0, 7)}, {"message", "m"}}},
			}},
			{"receiveTimestamp", drawValue(rt, "receiveTimestamp", "2026-01-01T00:00:00Z")},
			{"timestamp", "2026-01-01T00:00:01Z"},
			{"labels", drawAnnotations(rt, "labels")},
			{"resource", drawMap(rt, "resource", member{"type", drawValue(rt, "type", "k8s_cluster")},
				member{"labels", object{{"cluster_name", "c"}, {"project_id", "p"}}})},
		}
		if rapid.Bool().Draw(rt, "auditID too") {
			entry = append(entry, member{"auditID", "a"})
		}
		if rapid.Bool().Draw(rt, "event too") {
			entry = append(entry, drawEvent(rt)...)
		}
		f := rapid.SampledFrom(formats).Draw(rt, "format")
		got := c.one(t, f.format, entry)
		if diff := differs(t, got, false); diff != "" || !got.raw {
			rt.Fatalf("%s: %s (raw: %v)\n%s", f.name, diff, got.raw, text(entry))
		}
	})
}
