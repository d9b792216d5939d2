package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/test/redisserver"

	"fluent-bit-newterms/test/fluentbit"
)

// fleet is a few Fluent Bits with a shared store, each at the audit log of one
// API server.
type fleet struct {
	t     *testing.T
	bin   string
	nodes []*fleetNode
	want  []string // the alerts that all of them must give together
}

// fleetNode is one of them.
type fleetNode struct {
	dir  string
	log  string   // what it tails
	rest [][]byte // what is not yet in the log
	fb   *fluentbit.Process
	out  string
}

// clusterA returns a cluster's audit log, the rules for it, and the alerts
// that they must give.
func clusterA(t *testing.T) (lines [][]byte, paths string, want []string) {
	t.Helper()
	data := filepath.Join(fluentbit.Root, "../shared/data")
	file := filepath.Join(data, "k8s-audit/cluster-a.jsonl.gz")
	if _, err := os.Stat(file); err != nil {
		// The seed rule alone, on the log that the project ships.
		log := fluentbit.AuditLog(t, t.TempDir())
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.SplitAfter(text, []byte("\n")), fluentbit.Rules, fluentbit.Replayed(t, fluentbit.Rules, log)
	}
	list := []string{fluentbit.Rules}
	public, _ := filepath.Glob(filepath.Join(data, "rules/*.toml"))
	for _, f := range public {
		if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte("logs-kubernetes.audit_logs-")) {
			list = append(list, f)
		}
	}
	expected, err := os.Open(filepath.Join(data, "k8s-audit/cluster-a.expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer expected.Close()
	for s := bufio.NewScanner(expected); s.Scan(); {
		var e struct {
			RuleID   string `json:"rule_id"`
			NewTerms []any  `json:"new_terms"`
		}
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		want = append(want, fluentbit.Alert{RuleID: e.RuleID, Terms: e.NewTerms}.String())
	}
	return bytes.SplitAfter(fluentbit.Gunzip(t, file), []byte("\n")), strings.Join(list, ","), want
}

// newFleet starts three Fluent Bits. Each request of the audit log is dealt to
// one of them.
func newFleet(t *testing.T, binary, store string) *fleet {
	t.Helper()
	lines, paths, want := clusterA(t)
	f := &fleet{t: t, bin: binary, want: want}
	for i := range 3 {
		dir := t.TempDir()
		n := &fleetNode{dir: dir, log: filepath.Join(dir, "audit.log"), out: filepath.Join(dir, "alerts")}
		if err := os.WriteFile(n.log, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		storage := filepath.Join(dir, "storage")
		config := fluentbit.Prelude(dir) + "    storage.path " + storage + "\n" +
			strings.TrimSuffix(fluentbit.Tail(n.log), "\n") + "\n    DB " + filepath.Join(dir, "tail.db") + "\n    storage.type filesystem\n" +
			fluentbit.Detector("kube.*", filepath.Join(dir, "state"), "Rules "+paths, "State_Store "+store,
				"Alert_File "+n.out, fmt.Sprintf("Alias node%d", i))
		if err := os.WriteFile(filepath.Join(dir, "fluent-bit.conf"), []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		f.nodes = append(f.nodes, n)
		f.start(n)
	}
	for _, l := range lines {
		n := f.nodes[rand.IntN(len(f.nodes))]
		n.rest = append(n.rest, l)
	}
	return f
}

func (f *fleet) start(n *fleetNode) {
	f.t.Helper()
	n.fb = fluentbit.StartFile(f.t, f.bin, filepath.Join(n.dir, "fluent-bit.conf"))
	fluentbit.Eventually(f.t, "the start of a detector", func() bool { return strings.Contains(n.fb.Log.String(), "memory shared with other nodes") })
}

// kill ends a Fluent Bit as a power cut would.
func (f *fleet) kill(n *fleetNode) {
	_ = n.fb.Cmd.Process.Kill()
	<-n.fb.Done
}

// write adds a part of what is left to the logs, all of it if parts is 1.
func (f *fleet) write(parts int) {
	f.t.Helper()
	for _, n := range f.nodes {
		k := len(n.rest) / parts
		file, err := os.OpenFile(n.log, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			f.t.Fatal(err)
		}
		if _, err := file.Write(bytes.Join(n.rest[:k], nil)); err != nil {
			f.t.Fatal(err)
		}
		file.Close()
		n.rest = n.rest[k:]
	}
}

// finished waits until all logs are read and every alert is out.
func (f *fleet) finished() {
	f.t.Helper()
	fluentbit.Eventually(f.t, fmt.Sprintf("%d alerts (there are %d)", len(f.want), len(f.found())), func() bool { return len(f.found()) >= len(f.want) })
	time.Sleep(3 * time.Second)
	for _, n := range f.nodes {
		n.fb.Stop()
	}
}

// sighted is an alert and the node that gave it.
type sighted struct {
	UUID     string `json:"kibana.alert.uuid"`
	RuleID   string `json:"kibana.alert.rule.rule_id"`
	Terms    []any  `json:"kibana.alert.new_terms"`
	Newterms struct{ Store, Instance string }
}

// found returns the alerts of all nodes by rule and terms.
func (f *fleet) found() map[string][]sighted {
	f.t.Helper()
	all := make(map[string][]sighted)
	for _, n := range f.nodes {
		text, _ := os.ReadFile(n.out)
		for line := range bytes.Lines(text) {
			var a sighted
			if !bytes.HasSuffix(line, []byte("\n")) {
				break // it is being written
			}
			if err := json.Unmarshal(line, &a); err != nil {
				f.t.Fatalf("not an alert: %v: %.200s", err, line)
			}
			key := fluentbit.Alert{RuleID: a.RuleID, Terms: a.Terms}.String()
			all[key] = append(all[key], a)
		}
	}
	return all
}

// check wants each expected alert, and no other. A tuple alerts once; twice
// only if trouble is set: then one node at most says that its alert is the only
// one, and all have the same uuid, by which a receiver keeps one.
func (f *fleet) check(trouble bool) {
	f.t.Helper()
	got := f.found()
	again, others, local := 0, 0, 0 // deliveries after the first, by the same node and by others
	for _, w := range f.want {
		list := got[w]
		delete(got, w)
		if len(list) == 0 {
			f.t.Errorf("missing: %s", w)
			continue
		}
		sure, nodes := make(map[string]bool), make(map[string]bool)
		for _, a := range list {
			nodes[a.Newterms.Instance] = true
			if a.UUID != list[0].UUID {
				f.t.Errorf("%s has several uuids", w)
			}
			if a.Newterms.Store == "shared" {
				sure[a.Newterms.Instance] = true
			} else {
				local++
			}
		}
		others += len(nodes) - 1
		again += len(list) - len(nodes)
		if len(sure) > 1 || len(list) > 1 && !trouble {
			f.t.Errorf("%s: %d alerts, %d nodes say that theirs is the only one", w, len(list), len(sure))
		}
	}
	for key := range got {
		f.t.Errorf("too many: %s", key)
	}
	f.t.Logf("%d alerts wanted; delivered again by the same node %d times, by another %d times; %d times without the store's word",
		len(f.want), again, others, local)
}

// TestSharedStore runs slices of an audit log through three Fluent Bits with
// one memory: together they alert on each new tuple once.
func TestSharedStore(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		fluentbit.NeedsDatabase(t, binary)
		const grants = " resetkeys ~newterms:* resetchannels -@all +@connection +get +set +pttl +eval +evalsha +hget +hset"
		for _, test := range []struct {
			name  string
			store func(t *testing.T) string
		}{
			{"single", func(t *testing.T) string { return "redis://" + redisserver.Start(t).Addr + "?timeout=2s" }},
			{"cluster", func(t *testing.T) string {
				return "redis+cluster://" + redisserver.StartCluster(t, 3)[0].Addr + "?timeout=2s"
			}},
			{"TLS and a user", func(t *testing.T) string {
				server, files := redisserver.StartTLS(t, "user default off", "user nodes on >s3cret"+grants)
				return "rediss://nodes:s3cret@" + server.Addr + "?timeout=2s&ca=" + files.CA + "&cert=" + files.Cert + "&key=" + files.Key
			}},
		} {
			t.Run(test.name, func(t *testing.T) {
				f := newFleet(t, binary, test.store(t))
				f.write(3)
				f.write(2)
				f.write(1)
				f.finished()
				f.check(false)
				for _, n := range f.nodes {
					if strings.Contains(n.fb.Log.String(), "s3cret") {
						t.Error("the log tells the password")
					}
				}
			})
		}
	})
}

// TestSharedStoreKilled kills the server twice on the way.
func TestSharedStoreKilled(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		fluentbit.NeedsDatabase(t, binary)
		server := redisserver.Start(t)
		f := newFleet(t, binary, "redis://"+server.Addr+"?timeout=500ms")
		for parts := 6; parts > 0; parts-- {
			f.write(parts)
			time.Sleep(700 * time.Millisecond)
			switch parts {
			case 6, 4:
				server.Kill()
			case 5, 3:
				server.Run()
			}
		}
		f.finished()
		f.check(true)
	})
}

// TestSharedStoreNodeKilled kills one of the Fluent Bits again and again, in
// the middle of its work. Its chunks are on its disk.
func TestSharedStoreNodeKilled(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		fluentbit.NeedsDatabase(t, binary)
		server := redisserver.Start(t)
		f := newFleet(t, binary, "redis://"+server.Addr+"?timeout=2s&claim=2s")
		for parts := 8; parts > 0; parts-- {
			f.write(parts)
			time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
			if parts > 1 {
				f.kill(f.nodes[0])
				f.start(f.nodes[0])
			}
		}
		f.finished()
		f.check(true)
	})
}
