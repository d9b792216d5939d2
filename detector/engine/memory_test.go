package engine

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// addresses are as a client's X-Forwarded-For makes them.
func addresses(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = fmt.Sprintf("%d.%d.%d.%d", i/9/199/199%199+1, i/9/199%199+1, i/9%199+1, i%9+1)
	}
	return list
}

// packed makes a chunk of records of lines.
func packed(t testing.TB, lines ...[]byte) (chunk []byte) {
	for _, line := range lines {
		val, err := record.JSON.Decode(line)
		if err != nil {
			t.Fatal(err)
		}
		chunk = append(chunk, 0x92, 0x92, 0xce, 0x69, 0xa3, 0x84, 0x80, 0x80)
		if chunk, err = msgp.AppendIntf(chunk, val); err != nil {
			t.Fatal(err)
		}
	}
	return chunk
}

// peak returns by how many bytes what is alive on the heap grew at most while fn
// ran.
func peak(fn func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	read := func() int64 { metrics.Read(sample); return int64(sample[0].Value.Uint64()) }
	runtime.GC()
	before, most := read(), int64(0)
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				most = max(most, read())
				time.Sleep(200 * time.Microsecond)
			}
		}
	}()
	fn()
	close(stop)
	<-done
	return most - before
}

const mb = 1_000_000

// hostileChunks are requests that anybody can send to an API server.
func hostileChunks(t testing.TB) map[string][][]byte {
	const at = "2026-11-23T01:12:00.000000Z"
	uri := "/api/v1/secrets?x=" + strings.Repeat("A", mb)
	ips := addresses(150)
	event := func(user, agent string, edit map[string]any) []byte {
		return auditEvent(user, agent, at, func(e map[string]any) {
			for k, v := range edit {
				e[k] = v
			}
		})
	}
	long := func(n int) []byte {
		return event("system:anonymous", "evil/1"+strings.Repeat("A", 50_000), map[string]any{"verb": "get", "sourceIPs": addresses(n), "annotations": map[string]any{"authorization.k8s.io/decision": "forbid"}})
	}
	var many [][]byte
	for i := range 600 {
		many = append(many, event("u", fmt.Sprint(i, strings.Repeat("x", 100_000)), nil))
	}
	return map[string][][]byte{
		"oom": {
			event("system:anonymous", "evil", map[string]any{"requestURI": uri, "sourceIPs": ips, "annotations": map[string]any{"authorization.k8s.io/decision": "forbid"}, "responseStatus": map[string]any{"code": 403}}),
			event("dev", "evil", map[string]any{"requestURI": uri, "sourceIPs": ips, "verb": "create", "objectRef": map[string]any{"resource": "deployments"}}),
			event("dev", "evil", map[string]any{"requestURI": uri, "sourceIPs": ips, "verb": "create", "objectRef": map[string]any{"resource": "pods"}, "requestObject": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"image": "busybox"}}}}}),
		},
		"xff 5000 50000":  {long(5000)},
		"xff 130000":      {long(130_000)},
		"600 long agents": many,
	}
}

// TestMemoryOfAFlush: whatever a chunk holds, a flush takes no more than 32 MiB
// beside the chunk, the outbox and the state, which have bounds of their own; each
// event alerts, and no alert is longer than its bound.
func TestMemoryOfAFlush(t *testing.T) {
	rules := append(kubernetesRules(t), accessRule(t))
	for name, lines := range hostileChunks(t) {
		t.Run(name, func(t *testing.T) {
			alerts, shortened, outbox := 0, 0, 0
			store := seen.OpenMemory(seen.Options{})
			e := newTestEngine(t, Options{Clock: time.Now, Alert: func(a *Alert) {
				alerts++
				outbox += len(a.Body)
				if len(a.Body) > limits.Alert {
					t.Errorf("an alert of %d bytes", len(a.Body))
				}
				if strings.Contains(string(a.Body), `"shortened_fields"`) {
					shortened++
				}
			}}, rules, store)
			chunk := packed(t, lines...)
			grown := peak(func() {
				if owed, err := e.Chunk("kube", chunk); owed != nil || err != nil {
					t.Fatal(owed, err)
				}
			})
			held := store.Stats().OutboxBytes
			t.Logf("%d KiB of chunk: %d MiB more, %d MiB of them in the outbox; %d alerts, %d shortened, %d combinations not looked at",
				len(chunk)>>10, grown>>20, held>>20, alerts, shortened, e.Counts().Truncated.Load())
			if alerts == 0 {
				t.Error("no alert")
			}
			if grown-held > 32<<20 {
				t.Errorf("%d MiB more", (grown-held)>>20)
			}
		})
	}
}

// TestWorkIsLinear: twice the input takes no more than a little over twice the
// allocations, in number and in bytes, wherever it is long.
func TestWorkIsLinear(t *testing.T) {
	suppressing := accessRule(t)
	suppressing.ID, suppressing.Suppression = "s", &rule.Suppression{GroupBy: []string{"source.ip", "related.ip"}}
	severe := accessRule(t)
	severe.ID, severe.SeverityMapping = "m", []rule.SeverityMapping{{Field: "source.ip", Value: "1.1.1.1", Severity: "high"}}
	text := func(n int) string { return strings.Repeat("A", n) }
	for name, c := range map[string]struct {
		n    int
		edit func(e map[string]any, n int)
	}{
		"addresses":   {20_000, func(e map[string]any, n int) { e["sourceIPs"] = addresses(n) }},
		"a long URI":  {400_000, func(e map[string]any, n int) { e["requestURI"] = text(n) }},
		"a long name": {400_000, func(e map[string]any, n int) { e["user"] = map[string]any{"username": text(n)} }},
		"annotations": {20_000, func(e map[string]any, n int) {
			m := make(map[string]any, n)
			for i := range n {
				m[fmt.Sprint("key", i)] = "v"
			}
			e["annotations"] = m
		}},
		"containers": {20_000, func(e map[string]any, n int) {
			list := make([]any, n)
			for i := range list {
				list[i] = map[string]any{"image": fmt.Sprint(i)}
			}
			e["requestObject"] = map[string]any{"spec": map[string]any{"containers": list}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cost := func(n int) (count, size float64) {
				e := newTestEngine(t, Options{Clock: time.Now}, []*rule.Rule{accessRule(t), suppressing, severe}, seen.OpenMemory(seen.Options{}))
				line := auditEvent("u", "a", "2026-11-23T01:12:00.000000Z", func(ev map[string]any) { c.edit(ev, n) })
				chunk := packed(t, line)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				if owed, err := e.Chunk("kube", chunk); owed != nil || err != nil {
					t.Fatal(owed, err)
				}
				runtime.ReadMemStats(&after)
				return float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)
			}
			n1, b1 := cost(c.n)
			n2, b2 := cost(2 * c.n)
			t.Logf("%.0f, then %.0f allocations; %.1f, then %.1f MB", n1, n2, b1/1e6, b2/1e6)
			if n2 > 2.6*n1+1000 || b2 > 2.6*b1+1e6 {
				t.Error("more than linear")
			}
		})
	}
}

// TestShortened: a long event is shortened in its alert, which says so, and keeps
// what matters.
func TestShortened(t *testing.T) {
	var body []byte
	e := newTestEngine(t, Options{Clock: time.Now, Alert: func(a *Alert) { body = a.Body }}, []*rule.Rule{accessRule(t)}, seen.OpenMemory(seen.Options{}))
	chunk := packed(t, auditEvent("alice", "kubectl", "2026-11-23T01:12:00.000000Z", func(ev map[string]any) {
		ev["requestURI"] = "/api?x=" + strings.Repeat("\x01", mb)
		ev["sourceIPs"] = addresses(12_000)
	}))
	if owed, err := e.Chunk("kube", chunk); owed != nil || err != nil {
		t.Fatal(owed, err)
	}
	var a struct {
		Kubernetes struct {
			Audit struct {
				Verb, AuditID, RequestURI string
				SourceIPs                 []string
			}
		}
		Newterms struct {
			Explanation string
			Shortened   []string `json:"shortened_fields"`
			Bytes       int      `json:"original_bytes"`
			Truncated   int      `json:"combinations_not_looked_at"`
		}
		Terms []string `json:"kibana.alert.new_terms"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatal(err)
	}
	audit, own := a.Kubernetes.Audit, a.Newterms
	if len(body) > limits.Alert || audit.Verb != "list" || audit.AuditID != "x-1" || !strings.HasPrefix(audit.RequestURI, "/api?x=") || len(audit.SourceIPs) == 0 ||
		len(a.Terms) != 3 || own.Explanation == "" || own.Bytes < mb || own.Truncated < 2000 || own.Truncated > 6000 ||
		!strings.Contains(fmt.Sprint(own.Shortened), "kubernetes.audit.requestURI") || !strings.Contains(fmt.Sprint(own.Shortened), "kubernetes.audit.sourceIPs") {
		t.Errorf("%d bytes: %.3000s", len(body), body)
	}
}
