package detector

import "testing"

// What was read further is told from what was not, though nothing more was found.
func TestRecallOfNothingMore(t *testing.T) {
	c := newRecaller(t, EngineOptions{}, ruleOf(t, "kubernetes.audit.verb: delete and not kubernetes.audit.requestURI: *", "kubernetes.audit.verb"))
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
	c := newRecaller(t, EngineOptions{}, ruleOf(t, "kubernetes.audit.verb: delete and kubernetes.audit.requestURI: /* and kubernetes.audit.obj*.name: a", "user.name"))
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
	c := newRecaller(t, EngineOptions{}, ruleOf(t, "kubernetes.audit.verb: delete and event.outcome: failure and not kubernetes.audit.responseStatus.code: 500", "user.name"))
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
