package match

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// recaller is a pass whose events are lines, and what it found since it was
// looked at.
type recaller struct {
	t  *testing.T
	p  *Worker
	at int64
}

func newRecaller(t *testing.T, o Options, rules ...*rule.Rule) *recaller {
	c := &recaller{t: t, p: compiled(t, o, rules...).NewWorker(nil), at: time.Now().UnixNano()}
	c.p.decide = func(*Batch) { t.Fatal("flushed early") }
	c.p.Begin(time.Now())
	return c
}

func (c *recaller) line(format string, args ...any) {
	c.t.Helper()
	if err := c.p.reader.Line(fmt.Appendf(nil, format, args...), c.at, 0, c.p); err != nil {
		c.t.Fatal(err)
	}
}

// found returns the terms of the tuples, in order, and forgets them.
func (c *recaller) found() []string {
	var out []string
	for i := range c.p.batch.Combinations {
		terms, err := seen.DecodeTerms(c.p.batch.Terms(&c.p.batch.Combinations[i]))
		if err != nil {
			c.t.Fatal(err)
		}
		out = append(out, fmt.Sprint(terms...))
	}
	c.p.Begin(time.Now())
	return out
}

func (c *recaller) want(what string, want ...string) {
	c.t.Helper()
	if got := c.found(); !slices.Equal(got, want) {
		c.t.Errorf("%s: tuples %q, want %q", what, got, want)
	}
}

func ruleOf(t *testing.T, query, fields string) *rule.Rule {
	r, err := rule.Inline(rule.InlineConfig{RuleID: query, RuleName: query, Query: query, NewTermsFields: fields, HistoryWindow: "7d"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What a lens reads only to know events by, a rule may ask for as well, if
// seldom: then it is no more left out of the comparison than any other value.
func TestRecallOfMarks(t *testing.T) {
	c := newRecaller(t, Options{}, ruleOf(t, "kubernetes.audit.verb: delete and kubernetes.audit.stage: ResponseComplete", "user.name"))
	raw := `{"auditID":"1","verb":%q,"stage":%q,"user":{"username":%q}}`
	for range 1000 {
		c.line(raw, "get", "ResponseComplete", "a")
	}
	c.line(raw, "delete", "RequestReceived", "a")
	c.line(raw, "delete", "ResponseComplete", "a")
	c.want("stage", "a")

	c = newRecaller(t, Options{}, ruleOf(t, "kubernetes.audit.verb: delete", "kubernetes.audit.auditID"))
	raw = `{"auditID":%q,"stage":"Panic","verb":%q}`
	for range 1000 {
		c.line(raw, "0", "get")
	}
	for _, id := range []string{"1", "2", "3", "2", "4"} {
		c.line(raw, id, "delete")
	}
	c.want("auditID", "1", "2", "3", "4")

	c = newRecaller(t, Options{}, ruleOf(t, "user.name: root", "user_agent.original"))
	doc := `{"event":{"kind":"event","dataset":"kubernetes.audit_logs"},"user":{"name":%q},"user_agent":{"original":%q}}`
	for range 1000 {
		c.line(doc, "a", "kubectl")
	}
	c.line(doc, "root", "kubectl")
	c.line(doc, "root", "curl")
	c.want("user agent of a document", "kubectl", "curl")
	if c.p.results.found == 0 {
		t.Error("nothing was recalled")
	}
}

// An event of which something was asked that is seldom asked for is known by that
// as well.
func TestRecallOfSeldom(t *testing.T) {
	c := newRecaller(t, Options{}, ruleOf(t, "kubernetes.audit.verb: delete and kubernetes.audit.requestURI: /a*", "kubernetes.audit.objectRef.name"))
	hits, recall := 0, c.p.lookupFn
	c.p.lookupFn = func(ev *mapping.Event) bool {
		known := recall(ev)
		if known {
			hits++
		}
		return known
	}
	line := func(verb, uri, name string) {
		c.line(`{"auditID":"1","stage":"Panic","verb":%q,"requestURI":%q,"objectRef":{"name":%q}}`, verb, uri, name)
	}
	for range 1000 {
		line("get", "/a", "x")
	}
	hits = 0
	for range 10 {
		for _, uri := range []string{"/b", "/a1", "/b", "/a2"} {
			line("delete", uri, "1")
			line("delete", uri, "2")
		}
	}
	if hits < 60 {
		t.Errorf("%d of 80 events were recalled", hits)
	}
	for i := range c.p.batch.Combinations {
		if n := c.p.batch.Combinations[i].Count; n != 20 {
			t.Errorf("tuple %d was seen %d times, want 20", i, n)
		}
	}
	c.want("names", "1", "2")
}

// An event of a data stream that the lens is not made for has values that the
// lens does not read.
func TestRecallOfMisfits(t *testing.T) {
	other := ruleOf(t, "event.dataset: other", "host.name")
	other.Index = []string{"logs-other-*"}
	mine := ruleOf(t, "event.dataset: mine", "user.name")
	mine.Index = []string{"logs-mine-*"}
	c := newRecaller(t, Options{Mapping: mapping.Options{Mode: mapping.ECS}}, mine, other)
	doc := `{"event":{"dataset":%q},"user":{"name":"a"},"host":{"name":%q}}`
	for range 1000 {
		c.line(doc, "mine", "1")
	}
	c.found()
	for _, host := range []string{"1", "2", "3"} {
		c.line(doc, "mine", host)
		c.line(doc, "other", host)
	}
	if c.p.specializer.now == nil {
		t.Fatal("the lens was put away")
	}
	c.want("other data stream", "a", "1", "2", "3")
}

// A lens that learns anew reads other fields. What was remembered of events by
// those that it read before says nothing of those that it reads now.
func TestRecallForgets(t *testing.T) {
	c := newRecaller(t, Options{},
		ruleOf(t, "kubernetes.audit.verb: (list or delete) and kubernetes.audit.objectRef.name: *", "user.name"),
		ruleOf(t, "kubernetes.audit.verb: watch", "kubernetes.audit.level"))
	line := func(verb, name, level string) {
		if name != "" {
			name = fmt.Sprintf(`,"objectRef":{"name":%q}`, name)
		}
		if level != "" {
			level = fmt.Sprintf(`,"level":%q`, level)
		}
		c.line(`{"auditID":"1","stage":"Panic","verb":%q,"user":{"username":"a"}%s%s}`, verb, level, name)
	}
	for range 1000 { // the name is often asked for, the level never
		line("list", "", "x")
	}
	layout := c.p.results.layout
	line("delete", "", "") // that has no name
	for range 10_000 {     // now it is the other way round
		line("watch", "", "x")
	}
	c.found()
	c.p.results.rest = 0
	line("delete", "n", "")
	c.want("an event with a name", "a")
	if c.p.results.layout == layout {
		t.Error("the lens has learnt nothing new")
	}
}

// What was read further is told from what was not, though nothing more was found.
func TestRecallOfNothingMore(t *testing.T) {
	c := newRecaller(t, Options{}, ruleOf(t, "kubernetes.audit.verb: delete and not kubernetes.audit.requestURI: *", "kubernetes.audit.verb"))
	with := `{"auditID":"1","stage":"Panic","verb":%q,"user":{"username":"x"},"requestURI":"/"}`
	for range 1000 {
		c.line(with, "get")
	}
	for range 3 {
		c.line(with, "delete")
	}
	c.want("with more")
	for range 2 {
		c.line(`{"auditID":"1","stage":"Panic","verb":"delete","user":{"username":"x"}}`)
	}
	c.want("with nothing more", "delete")
}

// An event that a rule has looked at all over is not recalled, though more was
// read of it as well.
func TestRecallOfPatternsAndMore(t *testing.T) {
	c := newRecaller(t, Options{}, ruleOf(t, "kubernetes.audit.verb: delete and kubernetes.audit.requestURI: /* and kubernetes.audit.obj*.name: a", "user.name"))
	line := `{"auditID":"1","stage":"Panic","verb":%q,"user":{"username":"x"},"requestURI":"/","objectRef":{"name":%q}}`
	for range 1000 {
		c.line(line, "get", "b")
	}
	for range 3 {
		c.line(line, "delete", "b")
	}
	c.line(line, "delete", "a")
	c.want("pattern", "x")
}

// A line with a mistake in what is seldom looked at is read up to there: what
// becomes of it says nothing about a whole one with the same values.
func TestRecallOfBroken(t *testing.T) {
	c := newRecaller(t, Options{}, ruleOf(t, "kubernetes.audit.verb: delete and event.outcome: failure and not kubernetes.audit.responseStatus.code: 500", "user.name"))
	whole := `{"auditID":"1","stage":"Panic","verb":%q,"user":{"username":"x"},"annotations":{"authorization.k8s.io/decision":"forbid"}}`
	for range 1000 {
		c.line(whole, "get")
	}
	for range 3 {
		c.line(`{"auditID":"1","stage":"Panic","verb":"delete","user":{"username":"x"},"annotations":{"authorization.k8s.io/decision":"forbid"},"responseStatus":{"code" 403}}`)
	}
	c.want("broken")
	c.line(whole, "delete")
	c.want("whole", "x")
}
