package detector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
	"fluent-bit-newterms/test/redisserver"
)

// node is a detector among others that share a store.
type node struct {
	t    *testing.T
	d    *Detector
	host *testHost
	dir  string
	url  string
}

func startNode(t *testing.T, dir, url string) *node {
	t.Helper()
	n := &node{t: t, dir: dir, url: url}
	n.open()
	t.Cleanup(func() {
		if n.d != nil {
			_ = n.d.Close()
		}
	})
	return n
}

// open starts the node, with what it has on disk.
func (n *node) open() {
	n.t.Helper()
	paths := []string{"../conf/rules"}
	public, _ := filepath.Glob(filepath.Join(shared, "rules", "*.toml"))
	for _, f := range public {
		if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte("logs-kubernetes.audit_logs-")) {
			paths = append(paths, f)
		}
	}
	n.host = newTestHost()
	d, err := Open(&Registry{}, settings{
		"rules": strings.Join(paths, ","), "learn": "off", "max_alerts": "100000", "state_path": filepath.Join(n.dir, "state"),
		"state_store": n.url, "alert_file": n.file(),
	}, n.host, Where{Instance: filepath.Base(n.dir)})
	if err != nil {
		n.t.Fatal(err)
	}
	n.d = d
}

func (n *node) file() string { return filepath.Join(n.dir, "alerts") }

// close stops the node; what it has found is then in its file, or in its state.
func (n *node) close() {
	n.t.Helper()
	if err := n.d.Close(); err != nil {
		n.t.Error(err)
	}
	n.d = nil
}

// feed runs lines through the node, some at a time.
func (n *node) feed(lines [][]byte) {
	for len(lines) > 0 {
		some := min(1+rand.IntN(400), len(lines))
		b := n.d.engine.NewBatch()
		for i, line := range lines[:some] {
			const field = `"requestReceivedTimestamp":"`
			_, rest, _ := bytes.Cut(line, []byte(field))
			text, _, _ := strings.Cut(string(rest[:min(40, len(rest))]), `"`)
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				n.t.Error(err)
			}
			if err := b.Line(line, at.UnixNano(), i); err != nil {
				n.t.Error(err)
			}
		}
		if err := b.End("kube.audit"); err != nil {
			n.t.Error(err)
		}
		lines = lines[some:]
	}
}

// raised is an alert of some node.
type raised struct {
	Rule     string `json:"kibana.alert.rule.rule_id"`
	Terms    []any  `json:"kibana.alert.new_terms"`
	UUID     string `json:"kibana.alert.uuid"`
	Newterms struct{ Store string }
}

// alertsOf returns the alerts of nodes, by rule and terms.
func alertsOf(t *testing.T, nodes []*node) map[string][]raised {
	t.Helper()
	all := make(map[string][]raised)
	for _, n := range nodes {
		text, err := os.ReadFile(n.file())
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for line := range bytes.SplitSeq(bytes.TrimSpace(text), []byte("\n")) {
			if len(line) == 0 {
				continue
			}
			var r raised
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			terms, _ := json.Marshal(r.Terms)
			key := r.Rule + " " + string(terms)
			all[key] = append(all[key], r)
		}
	}
	return all
}

// together wants the alerts of all nodes to be those of the reference, each
// once. Where the server was away, doubles are allowed if they say that they
// may be, and have the same uuid. It returns how many doubles there are.
func together(t *testing.T, nodes []*node, want []string, away bool) (doubles int) {
	t.Helper()
	got := alertsOf(t, nodes)
	for _, w := range want {
		_, key, _ := strings.Cut(w, " ")
		list := got[key]
		delete(got, key)
		if len(list) == 0 {
			t.Errorf("missing alert: %s", key)
			continue
		}
		doubles += len(list) - 1
		sure := 0
		for _, r := range list {
			if r.Newterms.Store == "shared" {
				sure++
			}
			if r.UUID != list[0].UUID {
				t.Errorf("%s has several uuids", key)
			}
		}
		if len(list) > 1 && !away || sure > 1 {
			t.Errorf("%s alerts %d times, %d times as the only one", key, len(list), sure)
		}
	}
	for key := range got {
		t.Errorf("alert too many: %s", key)
	}
	return doubles
}

// sharedLog returns a cluster's audit log, and the alerts that it must give.
func sharedLog(t *testing.T) (lines [][]byte, want []string) {
	t.Helper()
	lines = gunzip(t, sharedFile(t, "k8s-audit/cluster-a.jsonl.gz"))
	return lines, expectations(t, sharedFile(t, "k8s-audit/cluster-a.expected.jsonl"))
}

// slicesOf deals lines out to n nodes, as three API servers have a request
// each.
func slicesOf(lines [][]byte, n int) [][][]byte {
	out := make([][][]byte, n)
	for _, l := range lines {
		i := rand.IntN(n)
		out[i] = append(out[i], l)
	}
	return out
}

// TestNodes runs slices of one cluster's audit log through three nodes at a
// time that share a store.
func TestNodes(t *testing.T) {
	server := redisserver.Start(t)
	lines, want := sharedLog(t)
	var nodes []*node
	for range 3 {
		nodes = append(nodes, startNode(t, t.TempDir(), "redis://"+server.Addr+"?timeout=2s"))
	}
	var wg sync.WaitGroup
	for i, part := range slicesOf(lines, len(nodes)) {
		wg.Go(func() { nodes[i].feed(part) })
	}
	wg.Wait()
	settled(t, nodes)

	// In the steady state, what comes is known.
	before := make([]remote.Stats, len(nodes))
	for i, n := range nodes {
		before[i] = n.d.shared.Stats()
		wg.Go(func() { n.feed(lines) }) // learns what it does not know
	}
	wg.Wait()
	var learning, steady, claims uint64
	for i, n := range nodes {
		learning += n.d.shared.Stats().RoundTrips - before[i].RoundTrips
		before[i] = n.d.shared.Stats()
		wg.Go(func() { n.feed(lines) })
	}
	wg.Wait()
	for i, n := range nodes {
		steady += n.d.shared.Stats().RoundTrips - before[i].RoundTrips
		claims += n.d.shared.Stats().Claims - before[i].Claims
	}
	records := 3 * len(lines)
	t.Logf("round trips: %d for %d records that other nodes have seen, %d for %d records of the steady state (%.3f a thousand)",
		learning, 3*len(lines), steady, records, float64(steady)/float64(records)*1000)
	if claims != 0 {
		t.Errorf("%d tuples were asked about in the steady state, want none", claims)
	}
	if limit := uint64(3 * 10); steady > limit {
		t.Errorf("%d round trips for %d records, want %d at most", steady, records, limit)
	}
	for _, n := range nodes {
		n.close()
		if n.host.logged("shared store") {
			t.Errorf("trouble with the store is logged, where there is none: %q", n.host.lines)
		}
		if n.host.value("store_up") != 1 || n.host.value("local_alerts_total") != 0 {
			t.Errorf("store_up %v, local_alerts_total %v", n.host.value("store_up"), n.host.value("local_alerts_total"))
		}
	}
	together(t, nodes, want, false)
}

// settled waits until no alert is held back and every alert is delivered.
func settled(t *testing.T, nodes []*node) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		busy := 0
		for _, n := range nodes {
			busy += n.d.engine.Peers().Held() + n.d.dispatcher.Depth() + n.d.shared.Stats().Queued
		}
		if busy == 0 {
			return
		}
	}
	t.Error("waited too long for alerts that are held back")
}

// TestNodesClaimsOfTheDead has every tuple claimed by a node that then dies,
// before anybody sees it: the nodes hold their alerts back, over a restart of
// one too, and one of them lets go of each.
func TestNodesClaimsOfTheDead(t *testing.T) {
	server := redisserver.Start(t)
	lines, want := sharedLog(t)
	url := "redis://" + server.Addr + "?timeout=2s&claim=5s"
	var nodes []*node
	for range 3 {
		nodes = append(nodes, startNode(t, t.TempDir(), url))
	}
	config, err := remote.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := remote.Open(config, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dead.Start()
	var reqs []remote.Request
	for _, w := range want {
		_, key, _ := strings.Cut(w, " ")
		id, text, _ := strings.Cut(key, " ")
		var values []any
		if err := json.Unmarshal([]byte(text), &values); err != nil {
			t.Fatal(err)
		}
		var terms []byte
		for _, v := range values {
			if terms, err = seen.AppendAny(terms, v); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range nodes[0].d.engine.Rules() {
			if c.ID == id {
				r := dead.NewRule(id, c.Fingerprint(), c.Window)
				reqs = append(reqs, remote.Request{Rule: r, Key: r.Key(terms), Sighting: seen.Sighting{First: 1, Last: 1, Count: 1}})
			}
		}
	}
	for i, a := range dead.Claim(reqs) {
		if a.Kind != remote.New {
			t.Fatalf("claim %d: %+v", i, a)
		}
	}
	_ = dead.Close()

	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() { n.feed(lines) }) // all see everything
	}
	wg.Wait()
	held := 0
	for _, n := range nodes {
		held += n.d.engine.Peers().Held()
	}
	t.Logf("%d alerts held back", held)
	before := nodes[0].d.engine.Peers().Held()
	nodes[0].close()
	nodes[0].open()
	t.Logf("%d of them by the first node before its restart, %d after it", before, nodes[0].d.engine.Peers().Held())
	settled(t, nodes)
	for _, n := range nodes {
		n.close()
	}
	for key, list := range alertsOf(t, nodes) {
		if len(list) != 1 {
			t.Errorf("%s alerts %d times", key, len(list))
		}
	}
	together(t, nodes, want, true)
	if held == 0 {
		t.Skip("the claims were gone before the nodes saw the tuples: this machine is too slow for the test")
	}
}

// TestNodesServerKilled kills the server, and starts it again, twice while
// three nodes work.
func TestNodesServerKilled(t *testing.T) {
	server := redisserver.Start(t)
	lines, want := sharedLog(t)
	var nodes []*node
	for range 3 {
		nodes = append(nodes, startNode(t, t.TempDir(), "redis://"+server.Addr+"?timeout=500ms"))
	}
	parts := slicesOf(lines, len(nodes))
	const steps = 5
	for step := range steps {
		switch step {
		case 1, 3:
			server.Kill()
		case 2, 4:
			server.Run()
			upAgain(t, nodes)
		}
		var wg sync.WaitGroup
		for i, n := range nodes {
			part := parts[i]
			wg.Go(func() { n.feed(part[step*len(part)/steps : (step+1)*len(part)/steps]) })
		}
		wg.Wait()
	}
	settled(t, nodes)
	alone := 0.0
	for _, n := range nodes {
		alone += float64(n.d.engine.Counts().Alone.Load())
		n.close()
	}
	doubles := together(t, nodes, want, true)
	t.Logf("%v alerts without the server's word, %d doubles", alone, doubles)
	if alone == 0 {
		t.Error("no alert was raised while the server was away")
	}
}

func upAgain(t *testing.T, nodes []*node) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if !slices.ContainsFunc(nodes, func(n *node) bool { st := n.d.shared.Stats(); return !st.Up || st.Queued > 0 }) {
			return
		}
	}
	t.Error("the nodes do not find the server again")
}

// TestNodesRestart stops and starts nodes at random: what a node knows is
// known to all, whether or not the server still has it.
func TestNodesRestart(t *testing.T) {
	server := redisserver.Start(t)
	lines, want := sharedLog(t)
	var nodes []*node
	for range 3 {
		nodes = append(nodes, startNode(t, t.TempDir(), "redis://"+server.Addr+"?timeout=2s"))
	}
	parts := slicesOf(lines, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			part := parts[i]
			for len(part) > 0 {
				some := min(1+rand.IntN(3000), len(part))
				n.feed(part[:some])
				part = part[some:]
				if rand.IntN(2) == 0 {
					n.close()
					n.open()
				}
			}
		})
	}
	wg.Wait()
	settled(t, nodes)
	// A server that has lost everything gets it back from the nodes.
	server.CLI("flushall")
	for _, n := range nodes {
		n.close()
		n.open()
	}
	terms := make(map[string]bool) // of rules with several fields
	for key, list := range alertsOf(t, nodes) {
		for i, term := range list[0].Terms {
			if rule, _, _ := strings.Cut(key, " "); len(list[0].Terms) > 1 {
				terms[fmt.Sprintf("%s %d %#v", rule, i, term)] = true
			}
		}
	}
	keys := fmt.Sprint(len(want) + len(terms) + 1 + 9) // and the epoch, and a hash for each rule
	for deadline := time.Now().Add(20 * time.Second); server.CLI("dbsize") != keys && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	if got := server.CLI("dbsize"); got != keys {
		t.Errorf("the server has %s keys, want %s", got, keys)
	}
	for _, n := range nodes {
		n.feed(lines)
		n.close()
	}
	together(t, nodes, want, false)
}

// TestNodesLearnTogether has a node join late: it does not learn what the
// others have learned, by time or from a baseline.
func TestNodesLearnTogether(t *testing.T) {
	for _, test := range []struct {
		name, learn string
		learned     func(d *Detector) // ends the learning of the first node
	}{
		{"by time", "2s", func(*Detector) { time.Sleep(2 * time.Second) }},
		{"baseline", "24h", func(d *Detector) {
			if err := d.engine.EndLearning(); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := redisserver.Start(t)
			open := func() (d *Detector, file string) {
				dir := t.TempDir()
				d, err := Open(&Registry{}, settings{
					"query": "event.dataset: app", "new_terms_fields": "user.name", "history_window": "7d", "learn": test.learn,
					"state_path": filepath.Join(dir, "state"), "state_store": "redis://" + server.Addr, "alert_file": filepath.Join(dir, "alerts"),
				}, newTestHost(), Where{Instance: "newterms.0"})
				if err != nil {
					t.Fatal(err)
				}
				return d, filepath.Join(dir, "alerts")
			}
			now := time.Now()
			first, _ := open()
			if _, err := first.engine.Chunk("app", chunkOf(now, "ann", "bob")); err != nil {
				t.Fatal(err)
			}
			test.learned(first)
			time.Sleep(2500 * time.Millisecond) // it says so within a turn of its timer or two
			late, file := open()
			if _, err := late.engine.Chunk("app", chunkOf(now, "ann", "bob", "eve")); err != nil {
				t.Fatal(err)
			}
			for _, d := range []*Detector{first, late} {
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
			text, _ := os.ReadFile(file)
			if n := bytes.Count(text, []byte(`"kibana.alert.uuid"`)); n != 1 || !bytes.Contains(text, []byte(`"eve"`)) {
				t.Errorf("%d alerts, want one, on eve: %s", n, text)
			}
		})
	}
}

// TestStateStore reads the property.
func TestStateStore(t *testing.T) {
	for _, test := range []struct{ text, says string }{
		{"bolt", ""},
		{"Bolt", ""},
		{"redis://u:hunter2@h:1/2", ""},
		{"redis+cluster://a,b:1,[::1]:2", ""},
		{"reddis://u:hunter2@h", "is not allowed; bolt"},
		{"redis+other://u:hunter2@h", "must begin with"},
		{"redis", "is not allowed; bolt"},
		{"u:hunter2@h", "is not allowed; bolt"},
		{"redis://u:hunter2@h:x", "port"},
		{"redis://u:hunter2@h?ca=/x", "rediss"},
	} {
		c, err := ParseConfig(settings{"rules": "/rules", "state_store": test.text})
		switch {
		case test.says == "":
			if err != nil || (c.Shared != nil) != strings.HasPrefix(test.text, "redis") {
				t.Errorf("%s: %v", test.text, err)
			}
		case err == nil || !strings.HasPrefix(err.Error(), "property state_store: ") || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: %v, want an error that says %q", test.text, err, test.says)
		}
	}
}
