package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/test/fluentbit"
)

// shipped is a configuration that reads a log on a node.
type shipped struct {
	files  map[string]string
	main   string
	toFile bool // alerts go to a file, not to the standard output
}

// shippedNodes returns all of them, by name.
func shippedNodes(t *testing.T) map[string]shipped {
	t.Helper()
	plain := map[string]string{}
	for _, name := range []string{"fluent-bit.conf", "fluent-bit.yaml", "parsers.conf", "plugins.conf"} {
		text, err := os.ReadFile(filepath.Join(fluentbit.Root, "conf", name))
		if err != nil {
			t.Fatal(err)
		}
		plain[name] = string(text)
	}
	_, chart := helm(t)
	return map[string]shipped{
		"fluent-bit.conf": {plain, "fluent-bit.conf", true},
		"fluent-bit.yaml": {plain, "fluent-bit.yaml", true},
		"base":            {render(t, "base").config(t, "newterms-config"), "fluent-bit.yaml", false},
		"helm":            {chart, "fluent-bit.conf", false},
	}
}

// node is a folder in which a shipped configuration runs.
type node struct {
	t              *testing.T
	binary, config string
	log            string // the audit log
	events         string // a file that gets each event once it is read, as from another output
	alertFile      string
	printed        []fluentbit.Alert
}

func newNode(t *testing.T, binary string, s shipped) *node {
	t.Helper()
	fluentbit.NeedsDatabase(t, binary)
	dir := t.TempDir()
	n := &node{t: t, binary: binary, log: filepath.Join(dir, "log/audit.log"), events: filepath.Join(dir, "events")}
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o755); err != nil {
		t.Fatal(err)
	}
	if s.toFile {
		n.alertFile = filepath.Join(dir, "alerts.json")
	}
	replacements := append([]string{"/var/log/newterms", dir}, here(dir, n.log, fluentbit.FreePort(t), fluentbit.Rules)...)
	files := map[string]string{}
	for name, text := range s.files {
		if name == s.main {
			if text = addOutput(text, n.events); text == "" {
				t.Fatal("the configuration has no place for another output")
			}
		}
		files[name] = text
	}
	n.config = filepath.Join(lay(t, filepath.Join(dir, "conf"), files, replacements...), s.main)
	return n
}

// addOutput adds an output of the events themselves to a configuration.
func addOutput(text, path string) string {
	dir, file := filepath.Split(path)
	if strings.Contains(text, "[OUTPUT]") {
		return text + fluentbit.Section("OUTPUT", "Name file", "Match kube.audit", "Path "+dir, "File "+file, "Format plain")
	}
	before, after, found := strings.Cut(text, "  outputs:\n")
	if !found {
		return ""
	}
	return before + fmt.Sprintf("  outputs:\n    - name: file\n      match: kube.audit\n      path: %s\n      file: %s\n      format: plain\n", dir, file) + after
}

// write appends a text to the audit log.
func (n *node) write(text []byte) {
	n.t.Helper()
	f, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		n.t.Fatal(err)
	}
}

// rotate renames the log as kube-apiserver does, which then makes the next.
func (n *node) rotate(i int) {
	n.t.Helper()
	name := time.Date(2026, 11, 23, 1, 0, i, 0, time.UTC).Format("audit-2006-01-02T15-04-05.000.log")
	if err := os.Rename(n.log, filepath.Join(filepath.Dir(n.log), name)); err != nil {
		n.t.Fatal(err)
	}
}

// run starts Fluent Bit, calls during, and stops it.
func (n *node) run(during func(alerts func() []fluentbit.Alert)) {
	n.t.Helper()
	fb := fluentbit.StartFile(n.t, n.binary, n.config)
	alerts := func() []fluentbit.Alert {
		if n.alertFile != "" {
			return fluentbit.Alerts(n.t, n.alertFile)
		}
		return slices.Concat(n.printed, printed(n.t, fb))
	}
	during(alerts)
	fb.Stop()
	n.printed = alerts()
}

// read returns how many different events have been read.
func (n *node) read() int {
	text, err := os.ReadFile(n.events)
	if err != nil {
		return 0
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`"auditID":"([^"]+)"`).FindAllSubmatch(text, -1) {
		ids[string(m[1])] = true
	}
	return len(ids)
}

// event is a line of an audit log.
func event(id int, user, agent, uri string) []byte {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	text, err := json.Marshal(map[string]any{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": fmt.Sprintf("id-%d", id), "stage": "ResponseComplete",
		"requestURI": uri, "verb": "list", "user": map[string]any{"username": user, "groups": []string{"system:authenticated"}},
		"sourceIPs": []string{"10.0.0.1"}, "userAgent": agent, "objectRef": map[string]any{"resource": "secrets"},
		"responseStatus": map[string]any{"code": 200}, "requestReceivedTimestamp": now, "stageTimestamp": now,
		"annotations": map[string]any{"authorization.k8s.io/decision": "allow"},
	})
	if err != nil {
		panic(err)
	}
	return append(text, '\n')
}

// TestLongLine has each shipped configuration read a line of 2.4 MB, whose
// request was 400 KB, and the lines before and after it.
func TestLongLine(t *testing.T) {
	t.Parallel()
	for name, s := range shippedNodes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fluentbit.Each(t, func(t *testing.T, binary string) {
				n := newNode(t, binary, s)
				long := event(2, "mallory", "kubectl/v1.35.0", "/api/v1/secrets?"+strings.Repeat("&", 400_000))
				if len(long) < 2_400_000 {
					t.Fatalf("the line is %d bytes", len(long)) // & becomes \u0026
				}
				n.write(bytes.Join([][]byte{event(1, "alice", "before/1", "/api"), long, event(3, "alice", "after/1", "/api")}, nil))
				n.run(func(alerts func() []fluentbit.Alert) {
					fluentbit.Eventually(t, "three alerts", func() bool { return len(alerts()) >= 3 })
				})
				fluentbit.Same(t, fluentbit.Names(n.printed), []string{
					`seed ["allow","alice","after/1"]`, `seed ["allow","alice","before/1"]`, `seed ["allow","mallory","kubectl/v1.35.0"]`})
			})
		})
	}
}

// TestRotation rotates the log under each shipped configuration: every few
// hundred events while it reads, and twice while it is stopped. No event is
// lost, and what is read twice alerts once.
func TestRotation(t *testing.T) {
	t.Parallel()
	for name, s := range shippedNodes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fluentbit.Each(t, func(t *testing.T, binary string) {
				n := newNode(t, binary, s)
				id, rotations := 0, 0
				write := func(events int) {
					var text []byte
					for range events {
						id++
						text = append(text, event(id, fmt.Sprintf("user-%d", id/500), "kubectl/v1.35.0", "/api")...)
					}
					n.write(text)
				}
				rotate := func() { rotations++; n.rotate(rotations) }
				write(500)
				n.run(func(alerts func() []fluentbit.Alert) {
					fluentbit.Eventually(t, "the first events", func() bool { return n.read() == id })
					for range 20 {
						write(300)
						rotate()
						time.Sleep(20 * time.Millisecond) // the API server's, before it makes the next
						write(100)
						time.Sleep(100 * time.Millisecond)
					}
					fluentbit.Eventually(t, "events of the rotated logs", func() bool { return n.read() == id })
				})
				for range 2 {
					write(1500)
					rotate()
				}
				write(1000)
				n.run(func(alerts func() []fluentbit.Alert) {
					fluentbit.Eventually(t, "events from while it was stopped", func() bool { return n.read() == id })
					fluentbit.Eventually(t, "alerts", func() bool { return len(alerts()) >= id/500+1 })
				})
				// A stop may send an alert again, with the uuid that it had.
				uuids, users := map[string]bool{}, map[string]bool{}
				for _, a := range n.printed {
					uuids[a.UUID], users[a.String()] = true, true
				}
				if len(uuids) != id/500+1 || len(users) != id/500+1 {
					t.Errorf("%d alerts with %d combinations, want %d", len(uuids), len(users), id/500+1)
				}
			})
		})
	}
}
