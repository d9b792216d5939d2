package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tuple is what the runs' one rule looks at: user name and user agent.
type tuple struct{ user, agent string }

func (t tuple) String() string { return t.user + " " + t.agent }

// events makes events of an audit log.
type events struct{ made int }

// fresh returns a tuple that was never returned before.
func (e *events) fresh() tuple {
	e.made++
	return tuple{fmt.Sprintf("user-%d", e.made%97), fmt.Sprintf("agent/%d", e.made)}
}

// line returns one event of a tuple, with its newline.
func line(t tuple) string {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	return `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"` + t.agent +
		`","stage":"ResponseComplete","verb":"get","requestURI":"/api/v1/pods","user":{"username":"` + t.user +
		`"},"userAgent":"` + t.agent + `","sourceIPs":["10.0.0.1"],"responseStatus":{"code":200},"requestReceivedTimestamp":"` + now + `"}` + "\n"
}

// chunk is a file of events that the host flushes as one chunk.
type chunk struct {
	path   string
	tuples []tuple
}

// chunk writes a file with n new tuples, each twice, in dir.
func (e *events) chunk(dir string, n int) (chunk, error) {
	var c chunk
	var text bytes.Buffer
	for range n {
		t := e.fresh()
		c.tuples = append(c.tuples, t)
		text.WriteString(line(t))
	}
	for _, t := range c.tuples {
		text.WriteString(line(t))
	}
	c.path = filepath.Join(dir, fmt.Sprintf("chunk-%d", e.made))
	return c, os.WriteFile(c.path, text.Bytes(), 0o600)
}

// Parts of configurations.
func section(kind string, lines ...string) string {
	return "\n[" + kind + "]\n    " + strings.Join(lines, "\n    ") + "\n"
}

// newterms is an output with a rule of its own and no limits.
func newterms(state string, more ...string) string {
	return section("OUTPUT", append([]string{
		"Name newterms", "Match kube.*", "Mapping kubernetes_audit", "State_Path " + state, "Learn off", "Max_Alerts 1000000",
		`Query kubernetes.audit.stage:"ResponseComplete"`, "New_Terms_Fields user.name,user_agent.original", "History_Window 10d",
		"Rule_Name chaos",
	}, more...)...)
}

func alertsInput(more ...string) string {
	return section("INPUT", append([]string{"Name newterms_alerts", "Tag alert.newterms"}, more...)...)
}
