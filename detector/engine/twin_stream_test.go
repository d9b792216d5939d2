package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
)

// fields is a map in its own order, in which a name may come twice.
type fields []entry

type entry struct {
	name string
	val  any
}

// appendPack writes a value as msgpack, appendText as JSON.
func appendPack(b []byte, val any) []byte {
	switch val := val.(type) {
	case fields:
		b = msgp.AppendMapHeader(b, uint32(len(val)))
		for _, e := range val {
			b = appendPack(msgp.AppendString(b, e.name), e.val)
		}
		return b
	case []any:
		b = msgp.AppendArrayHeader(b, uint32(len(val)))
		for _, e := range val {
			b = appendPack(b, e)
		}
		return b
	case wide: // an integer that takes more bytes than it has to
		return append(b, 0xcf, 0, 0, 0, 0, 0, 0, 0, byte(val))
	case text32:
		return append(append(b, 0xdb, 0, 0, byte(len(val)>>8), byte(len(val))), val...)
	}
	b, err := msgp.AppendIntf(b, val)
	if err != nil {
		panic(err)
	}
	return b
}

type (
	wide   uint8
	text32 string
)

func appendText(b []byte, val any) []byte {
	switch val := val.(type) {
	case fields:
		b = append(b, '{')
		for i, e := range val {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(append(appendText(b, e.name), ':'), e.val)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, e := range val {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, e)
		}
		return append(b, ']')
	case string:
		text, _ := setsJSON.Marshal(val)
		return append(b, text...)
	case text32:
		return appendText(b, string(val))
	case wide:
		return strconv.AppendInt(b, int64(val), 10)
	}
	text, err := setsJSON.Marshal(val)
	if err != nil {
		panic(err)
	}
	return append(b, text...)
}

// fieldsOf is a decoded value with maps in the order of their names.
func fieldsOf(val any) any {
	switch val := val.(type) {
	case map[string]any:
		var f fields
		for k, v := range val {
			f = append(f, entry{k, fieldsOf(v)})
		}
		slices.SortFunc(f, func(a, b entry) int { return strings.Compare(a.name, b.name) })
		return f
	case []any:
		list := make([]any, len(val))
		for i, v := range val {
			list[i] = fieldsOf(v)
		}
		return list
	}
	return val
}

// The shapes that a maker's events have.
const (
	rawEvent = iota
	ecsDocument
	wrappedEvent
	mixed
)

// maker makes events: few that come again and again, and now and then one that
// differs from one of them in a single thing.
type maker struct {
	r     *rand.Rand
	shape uint64
	json  bool // as lines
	times bool // no rule has an event's time from elsewhere
	real  [][]byte
	pool  []fields
	rate  int      // one event in so many is new
	hot   []string // places where events differ more often than elsewhere
}

// Places in an event that rules look at, and ones that none does.
var eventPlaces = []string{
	"stage", "auditID", "verb", "level", "kind", "apiVersion", "requestURI", "user.username", "user.groups", "user.uid", "user.extra.k", "userAgent",
	"sourceIPs", "objectRef.resource", "objectRef.namespace", "objectRef.name", "objectRef", "responseStatus.code", "responseStatus",
	"annotations.authorization.k8s.io/decision", "requestObject.spec.containers", "requestObject", "responseObject.kind", "stageTimestamp",
	"requestReceivedTimestamp", "data_stream.namespace", "data_stream.dataset", "data_stream.type", "event.dataset", "host.os.type", "message", "cluster.name",
	"event.action", "event.kind", "user.name", "user_agent.original", "orchestrator.type", "orchestrator.namespace", "source.ip", "related.user", "items",
	"insertId", "protoPayload.methodName", "labels.a", "category", "nobody.asks.for.this",
}

// collide has texts that are hard to tell apart.
var collide = func() []any {
	long := "12345678" + strings.Repeat("x", 20) + "12345678" + strings.Repeat("y", 20) + "12345678"
	var list []any
	for _, at := range []int{9, 20, 40, 50} {
		list = append(list, long[:at]+"?"+long[at+1:])
	}
	for _, n := range []int{7, 8, 9, 15, 16, 17} {
		list = append(list, long[:n], long[:n-1]+"z")
	}
	list = append(list, strings.Repeat("m", 1000), strings.Repeat("m", 1020), strings.Repeat("m", 2000), strings.Repeat("m", 999)+"n")
	return append(list, long, "a", "b", "ab", "abc", "bc", "c", "", " a", "A", "a\x00", "Ä", "delete", "create", "ResponseComplete", "RequestReceived", "forbid", "allow",
		"kubernetes.audit_logs", "other", "default", "system:anonymous", "2026-03-01T00:00:00Z", "2026-02-28T23:59:59Z", "10.0.0.1", "::1")
}()

// value draws a value.
func (m *maker) value(depth int) any {
	r := m.r
	if r.IntN(3) == 0 {
		return []string{"a", "ab", "ResponseComplete", "RequestReceived", "delete"}[r.IntN(5)]
	}
	switch r.IntN(14) {
	case 0:
		return nil
	case 1:
		return []any{int64(1), wide(1), 1.0, "1", true, "true", int64(-1), 1.5, uint64(1 << 63)}[r.IntN(9)]
	case 2:
		return text32(collide[r.IntN(len(collide))].(string))
	case 3, 4:
		if depth > 2 {
			return []any{}
		}
		var list []any
		for range r.IntN(5) {
			list = append(list, m.value(depth+1))
		}
		if r.IntN(30) == 0 {
			for k := range 12 + r.IntN(40) {
				list = append(list, fmt.Sprint(k))
			}
		}
		return append([]any{}, list...)
	case 5:
		if depth > 2 {
			return fields{}
		}
		var f fields
		for range r.IntN(3) {
			f = append(f, entry{[]string{"a", "b", "a.b", "name", "username", "resource", "image", "metadata"}[r.IntN(8)], m.value(depth + 1)})
		}
		return append(fields{}, f...)
	}
	return collide[r.IntN(len(collide))]
}

// put sets what is at a path of dots, in one of the ways to spell it.
func (m *maker) put(f fields, path string, val any) fields {
	f = slices.Clone(f)
	name, rest, deep := strings.Cut(path, ".")
	if !deep || m.r.IntN(12) == 0 {
		name, deep = path, false
	}
	at := slices.IndexFunc(f, func(e entry) bool { return e.name == name })
	if at < 0 || m.r.IntN(12) == 0 { // once more
		at = len(f)
		f = append(f, entry{name: name})
	}
	if deep {
		inner, _ := f[at].val.(fields)
		val = m.put(inner, rest, val)
	}
	f[at].val = val
	return f
}

func (m *maker) changed(f fields) fields {
	r := m.r
	path := eventPlaces[r.IntN(len(eventPlaces))]
	if r.IntN(3) > 0 {
		path = m.hot[r.IntN(len(m.hot))]
	}
	if m.shape == ecsDocument && r.IntN(2) == 0 {
		path = "kubernetes.audit." + path
	}
	switch r.IntN(12) {
	case 0: // in another order
		f = slices.Clone(f)
		r.Shuffle(len(f), func(i, k int) { f[i], f[k] = f[k], f[i] })
		return f
	case 1: // less
		if len(f) > 0 {
			k := r.IntN(len(f))
			return slices.Delete(slices.Clone(f), k, k+1)
		}
	case 2: // where one text ends and the next begins
		f = m.put(f, "verb", []string{"ab", "a", "abc"}[r.IntN(3)])
		return m.put(f, "userAgent", []string{"c", "bc", ""}[r.IntN(3)])
	}
	return m.put(f, path, m.value(0))
}

// common is how many events of a pool come often.
const common = 26

// fill makes the events that come often.
func (m *maker) fill(t testing.TB) {
	m.json = m.r.IntN(4) == 0
	for range 4 {
		m.hot = append(m.hot, []string{"stage", "auditID", "userAgent", "user.username", "objectRef.resource", "objectRef.name", "level", "requestURI",
			"event.action", "user_agent.original", "user.groups", "annotations.authorization.k8s.io/decision"}[m.r.IntN(12)])
	}
	m.rate = []int{10, 40, 100, 400}[m.r.IntN(4)]
	for len(m.pool) < 30 {
		line := m.real[m.r.IntN(len(m.real))]
		val, err := record.JSON.Decode(line)
		if err != nil {
			t.Fatal(err)
		}
		shape := m.shape
		if shape == mixed {
			shape = uint64(m.r.IntN(3))
		}
		if shape == ecsDocument {
			doc := &documentOf{}
			if err := mapping.NewPlan(mapping.Options{}).NewReader().Line(line, 1, 0, doc); err != nil {
				t.Fatal(err)
			}
			val = doc.doc
			val.(map[string]any)["data_stream"] = map[string]any{"type": "logs", "dataset": "kubernetes.audit_logs", "namespace": "default"}
		}
		f := fieldsOf(val).(fields)
		if m.r.IntN(2) == 0 { // small, so that its values are few enough to be recalled
			f = m.put(m.put(f, "requestObject", "x"), "responseObject", nil)
		}
		if len(m.pool) >= common {
			f = m.put(f, "verb", "delete")
			if shape == ecsDocument {
				f = m.put(m.put(f, "kubernetes.audit.verb", "delete"), "event.action", "delete")
			}
		}
		m.pool = append(m.pool, f)
	}
}

type documentOf struct{ doc any }

func (d *documentOf) Event(ev *mapping.Event) {
	ref := ev.Ref()
	d.doc, _ = ref.Document()
}

// drift makes other events frequent.
func (m *maker) drift() {
	m.r.Shuffle(len(m.pool), func(i, k int) { m.pool[i], m.pool[k] = m.pool[k], m.pool[i] })
}

// next makes an event.
func (m *maker) next() fields {
	r := m.r
	k := min(r.IntN(len(m.pool)), r.IntN(len(m.pool)))
	f := m.pool[k]
	if r.IntN(m.rate) == 0 {
		if r.IntN(2) == 0 {
			k = common + r.IntN(len(m.pool)-common)
		}
		f = m.changed(m.pool[k])
		switch r.IntN(4) {
		case 0:
			m.pool[k] = f
		case 1:
			m.pool[r.IntN(len(m.pool))] = f
		case 2:
			m.pool[len(m.pool)-1-r.IntN(10)] = f
		}
	}
	if m.shape == wrappedEvent || m.shape == mixed && r.IntN(20) == 0 {
		return m.wrapped(f, k)
	}
	return f
}

// wrapped puts an event into one of the things that they come in.
func (m *maker) wrapped(f fields, k int) fields {
	if m.shape == mixed {
		k = m.r.IntN(16)
	}
	text := func(f fields) string { return string(appendText(nil, f)) }
	azure := func(log any) fields {
		return fields{{"category", "kube-audit"}, {"operationName", "Read"}, {"properties", fields{{"log", log}, {"pod", "p"}}},
			{"resourceId", "/A"}, {"time", "2026-02-28T03:04:05Z"}}
	}
	switch k % 11 {
	case 0:
		return fields{{"kind", "EventList"}, {"apiVersion", "audit.k8s.io/v1"}, {"items", []any{f, m.pool[0], f}}}
	case 1:
		return fields{{"stream", "stdout"}, {"log", text(f)}}
	case 2:
		return fields{{"log", f}}
	case 3:
		return fields{{"message", text(f)}}
	case 4:
		return fields{{"logGroup", "g"}, {"logEvents", []any{fields{{"id", "1"}, {"message", text(f)}}, fields{{"id", "2"}, {"message", text(m.pool[0])}}}}}
	case 5:
		return azure(text(f))
	case 6:
		return azure(f)
	case 7:
		return fields{{"records", []any{azure(f), azure(text(f))}}}
	case 8:
		return fields{{"kubernetes", fields{{"audit", f}}}}
	case 9:
		return fields{{"log", text(fields{{"log", text(f)}})}}
	}
	return f
}

// timed returns a rule that either sees all events at their own times, or does
// not evict tuples.
func (m *maker) timed(r *rule.Rule) *rule.Rule {
	changed := *r
	if m.times {
		changed.TimestampOverride = ""
	} else {
		changed.MaxTerms = 0
	}
	return &changed
}

// drawRule makes a rule of the kind that a fast engine could get wrong.
func drawRule(t testing.TB, r *rand.Rand, n int, seldom bool, now time.Time) *rule.Rule {
	t.Helper()
	places := []string{
		"kubernetes.audit.stage", "kubernetes.audit.verb", "kubernetes.audit.level", "kubernetes.audit.kind", "kubernetes.audit.requestURI",
		"user.name", "kubernetes.audit.user.groups", "kubernetes.audit.user.username", "kubernetes.audit.user.extra", "user_agent.original", "source.ip",
		"kubernetes.audit.objectRef.resource", "kubernetes.audit.objectRef.namespace", "kubernetes.audit.objectRef.name", "kubernetes.audit.objectRef",
		"kubernetes.audit.responseStatus.code", "kubernetes.audit.annotations.authorization_k8s_io/decision", "event.outcome", "event.action", "event.kind",
		"related.user", "related.ip", "orchestrator.namespace", "orchestrator.type", "data_stream.namespace", "data_stream.dataset", "host.os.type", "message", "cluster.name",
		"kubernetes.audit.requestObject", "kubernetes.audit.responseObject.kind", "labels.a", "user.id", "orchestrator.resource.name", "kubernetes.audit.apiVersion", "kubernetes.audit.auditID",
	}
	place := func() string { return places[min(r.IntN(len(places)), max(r.IntN(len(places)), r.IntN(len(places))))] }
	draw := func() string {
		p := place()
		switch r.IntN(12) {
		case 0:
			return p + ": *"
		case 1:
			return "not " + p + ": *"
		case 2:
			return fmt.Sprintf("not %s: %q", p, collide[r.IntN(len(collide))])
		case 3:
			return p + ": a*"
		case 4:
			return p + ": (a or b or delete or 1 or ResponseComplete)"
		case 5:
			return fmt.Sprintf("not %s: *2*", p)
		case 6:
			return "kubernetes.audit.requestObject.spec.containers: { image: a }"
		}
		if seldom || r.IntN(3) == 0 {
			return []string{"kubernetes.audit.stage: ResponseComplete", "not kubernetes.audit.stage: RequestReceived", "event.action: delete", "not user_agent.original: a",
				"kubernetes.audit.level: Metadata", "kubernetes.audit.objectRef.resource: pods"}[r.IntN(6)]
		}
		return fmt.Sprintf("%s: %q", p, collide[r.IntN(len(collide))])
	}
	clause := func() string {
		for {
			c := draw()
			if _, err := kql.ParseTyped(c, ecs.TypeOf); err == nil {
				return c // else its field cannot hold the value
			}
		}
	}
	query := []string{"kubernetes.audit.verb: delete", "kubernetes.audit.verb: *", "kubernetes.audit.verb: (watch or get)", "kubernetes.audit.stage: *", "user.name: *",
		"kubernetes.audit.objectRef.resource: leases", "event.kind: event"}[max(0, r.IntN(12)-5)]
	ands := []string{" and ", " and ", " or "}
	if seldom { // and so is what else it asks for
		query, ands = "kubernetes.audit.verb: delete", ands[:2]
	}
	for range r.IntN(3) {
		query += ands[r.IntN(len(ands))] + clause()
	}
	switch r.IntN(20) {
	case 0:
		query = "(" + query + ") and kubernetes.audit.stageTimestamp < now-1h"
	case 1:
		query = "(" + query + ") and kubernetes.audit.obj*.name: *"
	}
	terms := []string{place()}
	for range r.IntN(3) {
		if p := place(); !slices.Contains(terms, p) {
			terms = append(terms, p)
		}
	}
	made, err := rule.Inline(rule.InlineConfig{RuleID: fmt.Sprint("rule ", n), RuleName: "r", Query: query, NewTermsFields: strings.Join(terms, ","),
		HistoryWindow: []string{"6m", "1h", "1d", "30d"}[r.IntN(4)]})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	for range max(0, r.IntN(5)-2) {
		e := exceptionsOf(t, clause())[0]
		if r.IntN(2) == 0 {
			e.Expires = now.Add(time.Duration(r.IntN(900)) * time.Second)
		}
		made.Exceptions = append(made.Exceptions, e)
	}
	made.MissingFields = []rule.MissingFields{0, 0, rule.NullTerm, rule.AlertMissing}[r.IntN(4)]
	switch r.IntN(12) {
	case 0:
		made.Suppression = &rule.Suppression{GroupBy: []string{"user.name"}, Duration: time.Minute}
	case 1:
		made.TimestampOverride = "kubernetes.audit.stageTimestamp"
		made.TimestampFallbackDisabled = r.IntN(2) == 0
	case 2:
		learn := 5 * time.Minute
		made.Learn = &learn
	case 3:
		made.MaxTerms = 3
	case 4:
		made.Index = []string{"logs-kubernetes.audit_logs-*"}
	}
	return made
}
