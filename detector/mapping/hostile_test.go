package mapping

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"fluent-bit-newterms/detector/record"
)

// counter counts events, and writes the document of some.
type counter struct {
	t      testing.TB
	events int
	every  int
}

func (c *counter) Event(ev *Event) {
	c.events++
	if c.every > 0 && c.events%c.every == 0 {
		ref := ev.Ref()
		if _, err := ref.Document(); err != nil {
			c.t.Errorf("event %d has no document: %v", c.events, err)
		}
	}
}

// hostileReader asks for a bit of everything.
func hostileReader(t testing.TB, o Options) *Reader {
	p := NewPlan(o)
	for path := range sources {
		p.Field(path)
	}
	for _, path := range otherFields {
		p.Field(path)
	}
	p.Nested("kubernetes.audit.requestObject.rules")
	return p.NewReader()
}

func TestHugeList(t *testing.T) {
	const items = 50_000
	item := parse(t, rawEvent)
	list := make([]any, items)
	for i := range list {
		list[i] = item
		if i%10 == 9 {
			list[i] = []any{nil, 5, "text", true, []any{}}[i/10%5]
		}
	}
	r := hostileReader(t, Options{})
	var skips []error
	r.Skip = func(_ int, err error) { skips = append(skips, err) }
	c := &counter{t: t, every: 1000}
	if err := r.Chunk(chunkOf(listOfEvents(list...)), c); err != nil {
		t.Fatal(err)
	}
	if err := r.Line(appendJSON(nil, listOfEvents(list...)), 0, 0, c); err != nil {
		t.Fatal(err)
	}
	if want := 2 * items / 10; c.events != 2*items-want || len(skips) != want || r.Stats().Skipped != uint64(want) {
		t.Errorf("%d events and %d skipped (counted %d), want %d and %d", c.events, len(skips), r.Stats().Skipped, 2*items-want, want)
	}
	for _, err := range skips {
		if err == nil || err.Error() == "" {
			t.Fatal("a skip without a word")
		}
	}
}

func TestDeepNesting(t *testing.T) {
	const depth = 100_000
	deep := strings.Repeat(`{"a":`, depth) + `1` + strings.Repeat(`}`, depth)
	deepList := strings.Repeat(`[`, depth) + strings.Repeat(`]`, depth)
	ins := []string{
		`{"auditID":"a","stage":"s","requestObject":` + deep + `,"objectRef":` + deepList + `,"user":` + deep + `,"responseObject":` + deepList + `}`,
		`{"kind":"EventList","items":` + deepList + `}`,
		`{"records":` + deep + `,"log":` + deepList + `}`,
		`{"kubernetes":{"audit":` + deep + `}}`,
		deep,
		deepList,
		strings.Repeat(`{"a":`, depth),
		strings.Repeat(`[`, depth),
		strings.Repeat(`{"log":"`, depth),
	}
	for i, in := range ins {
		r := hostileReader(t, Options{})
		skips := 0
		r.Skip = func(int, error) { skips++ }
		c := &counter{t: t, every: 1}
		_ = r.Line([]byte(in), 0, 0, c)
		if c.events+skips != 1 {
			t.Errorf("input %d: %d events and %d skipped", i, c.events, skips)
		}
	}
	// The same in msgpack: maps of one entry, arrays of one element.
	for _, opener := range []string{"\x81\xa1a", "\x91"} {
		body := "\x83\xa7auditID\xa1a\xa5stage\xa1s\xadrequestObject" + strings.Repeat(opener, depth) + "\xc0"
		r := hostileReader(t, Options{})
		c := &counter{t: t, every: 1}
		if err := r.Chunk(append(chunkOf(nil)[:13], body...), c); err != nil || c.events != 1 {
			t.Errorf("msgpack: %d events, %v", c.events, err)
		}
	}
}

// TestTextInText wraps a broken event in text, over and over: the record stays
// a document, and is counted with the reason.
func TestTextInText(t *testing.T) {
	for _, inner := range []string{`{"auditID":`, `{"auditID":"a"`, `{"auditID":"a"} trailing`, `{"auditID"}`, "{auditID\x00}"} {
		in := inner
		for range 4 {
			in = `{"log":` + quoted(in) + `}`
			r := hostileReader(t, Options{})
			c := &counter{t: t}
			_ = r.Line([]byte(in), 0, 0, c)
			if s := r.Stats(); c.events != 1 || s.Skipped != 0 || s.Unread[UnreadText] != 1 {
				t.Errorf("%s: %d events, counted %+v", in, c.events, s)
			}
		}
	}
}

func TestHostileUserAgents(t *testing.T) {
	agents := []string{
		strings.Repeat("A", 1<<20), "\xff\xfe invalid \xc3", "\x00\n\x1b[31m", strings.Repeat("\\", 1000), `","kubernetes.audit.verb":"delete`, `{"auditID":"a","stage":"s"}`,
	}
	for _, agent := range agents {
		for _, w := range wrappings {
			c := newCatcher(Options{}, "user_agent.original", "kubernetes.audit.verb")
			event := object{{"auditID", "a"}, {"stage", "s"}, {"verb", "get"}, {"userAgent", agent}}
			got := c.one(t, record.Msgpack, w.wrap(event))
			doc := got.document(t)
			name, _ := doc["user_agent"].(map[string]any)["original"].(string)
			if !utf8.ValidString(name) || len(got.values["user_agent.original"]) != 1 || len(got.values["kubernetes.audit.verb"]) != 1 {
				t.Errorf("%s: %.40q gives %.60q", w.name, agent, name)
			}
			if utf8.ValidString(agent) && name != agent {
				t.Errorf("%s: %.40q is %.40q in the document", w.name, agent, name)
			}
		}
	}
}

// FuzzReader reads any bytes as a line and as a chunk: no panic, and what is
// counted is what happened.
func FuzzReader(f *testing.F) {
	event := parse(f, rawEvent)
	for _, w := range wrappings {
		f.Add(appendJSON(nil, w.wrap(event)))
		f.Add(chunkOf(w.wrap(event)))
	}
	f.Add([]byte(queryEvent))
	readers := []*Reader{hostileReader(f, Options{}), hostileReader(f, Options{Mode: KubernetesAudit}), hostileReader(f, Options{Mode: ECS, LogKey: "log"}), hostileReader(f, Options{LogKey: "a.b"})}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range readers {
			before := bytes.Clone(b)
			was, skips, c := r.Stats(), 0, &fuzzHandler{reader: r}
			r.Skip = func(_ int, err error) { skips++ }
			_ = r.Line(b, 1, 0, c)
			_ = r.Chunk(b, c)
			now := r.Stats()
			if now.Events-was.Events != uint64(c.events) || now.Skipped-was.Skipped != uint64(skips) {
				t.Errorf("%d events and %d skips, counted %+v after %+v", c.events, skips, now, was)
			}
			if !bytes.Equal(before, b) {
				t.Error("the record was written to")
			}
		}
	})
}

// fuzzHandler looks at every value, and at every document. A document may
// fail: a scan does not look at all of a text.
type fuzzHandler struct {
	reader *Reader
	events int
}

func (h *fuzzHandler) Event(ev *Event) {
	h.events++
	for f := range h.reader.plan.paths {
		for i := ev.View.Head(record.Field(f)); i != 0; i = ev.View.Next(i) {
			_ = strings.Count(ev.View.At(i).Str, "x")
		}
	}
	ev.View.Elements(record.FirstLazy, func(*record.View) bool { return true })
	ref := ev.Ref()
	_, _ = ref.Document()
}
