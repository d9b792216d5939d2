package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// The flood's sizes.
const (
	floodRoom    = 100_000 // tuples that a rule keeps: the default
	floodKnown   = 20_000  // tuples of others, known before
	floodRecords = 2000    // a chunk
	// floodMemory is what the process may use: the tuples of two rules, the
	// outbox's 32 MB in memory, and the garbage that Go lets lie.
	floodMemory = 512 << 20
)

// flood has one identity bring in new tuples as fast as they can be taken, in
// a process of its own. Its memory is bounded, and what others are known for
// stays known.
func (l *lab) flood() (string, error) {
	dir, err := l.folder("flood")
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	n := l.choose(300_000, 10_000_000)
	p, err := launch(l.ctx, self, floodHelper, dir, strconv.Itoa(n))
	if err != nil {
		return "", err
	}
	err = p.wait(30 * time.Minute)
	l.sawPeak(p)
	if err != nil {
		return fmt.Sprintf("peak memory %d MB", p.peakMemory()>>20), err
	}
	l.tally(func(t *totals) { t.rounds++ })
	note := fmt.Sprintf("%s; peak memory %d MB", strings.TrimSpace(p.log.String()), p.peakMemory()>>20)
	if p.peakMemory() > floodMemory {
		return note, fmt.Errorf("that is more than %d MB", floodMemory>>20)
	}
	return note, nil
}

// floodHelper is the argument under which chaos runs itself for the flood.
const floodHelper = "flood-process"

func floodProcess(args []string) {
	n, err := strconv.Atoi(args[1])
	if err == nil {
		err = floodEngine(args[0], n)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// floodEngine floods an engine with its state in dir.
func floodEngine(dir string, n int) error {
	store, _, err := seen.Open(dir, seen.Options{})
	if err != nil {
		return err
	}
	var onOthers atomic.Int64
	engine := engine.New(engine.Options{
		Mapping:  mapping.Options{Mode: mapping.KubernetesAudit},
		MaxTerms: floodRoom,
		Alert: func(a *engine.Alert) {
			// A summary lists terms too, those of the beginning among them.
			if user := json.Get(a.Body, "kibana.alert.new_terms", 0).ToString(); strings.HasPrefix(user, "neighbour-") {
				onOthers.Add(1)
			}
		},
	}, store)
	var rules []*rule.Rule
	for _, fields := range []string{"user.name,user_agent.original", "user.name,kubernetes.audit.verb"} {
		r, err := rule.Inline(rule.InlineConfig{Query: "user.name:*", NewTermsFields: fields, HistoryWindow: "10d"})
		if err != nil {
			return err
		}
		rules = append(rules, r)
	}
	if _, err := engine.SetRules(rules); err != nil {
		return err
	}
	neighbours := func() error {
		return inChunks(engine, floodKnown, func(i int) (string, string) {
			return fmt.Sprintf("neighbour-%d", i%500), fmt.Sprintf("agent/%d", i)
		})
	}
	if err := neighbours(); err != nil {
		return err
	}
	onOthers.Store(0)
	began := time.Now()
	err = inChunks(engine, n, func(i int) (string, string) { return "mallory", fmt.Sprintf("made-up/%d", i) })
	if err != nil {
		return err
	}
	took := time.Since(began)
	if err := neighbours(); err != nil {
		return err
	}
	if lost := onOthers.Load(); lost > 0 {
		return fmt.Errorf("%d alerts on tuples of others that had been known: the flood drove them out", lost)
	}
	counts := engine.Counts()
	if got := counts.Events.Load(); got != uint64(n+2*floodKnown) {
		return fmt.Errorf("%d events were found, want %d", got, n+2*floodKnown)
	}
	known := engine.Known()
	if err := store.Close(); err != nil {
		return err
	}
	var size int64
	if info, err := os.Stat(dir + "/journal"); err == nil {
		size = info.Size()
	}
	fmt.Printf("%d new tuples at %.0f a second, %d alerts, %d tuples kept, all %d of others; state file %d MB\n",
		n, float64(n)/took.Seconds(), counts.Alerts.Load(), known, floodKnown, size>>20)
	return nil
}

// inChunks feeds n events to an engine, chunk by chunk.
func inChunks(e *engine.Engine, n int, who func(i int) (user, agent string)) error {
	var chunk []byte
	for i := 0; i < n; {
		chunk = chunk[:0]
		for j := 0; j < floodRecords && i < n; j++ {
			user, agent := who(i)
			chunk = appendAudit(chunk, user, agent)
			i++
		}
		owed, err := e.Chunk("kube.audit", chunk)
		if err != nil {
			return err
		}
		if owed != nil && !engine.Owed(owed) {
			return owed
		}
	}
	return nil
}

// appendAudit appends a record of Fluent Bit's that holds an audit event.
func appendAudit(b []byte, user, agent string) []byte {
	b = msgp.AppendArrayHeader(b, 2)
	b = msgp.AppendInt64(b, time.Now().Unix())
	b = msgp.AppendMapHeader(b, 6)
	for _, kv := range [][2]string{{"kind", "Event"}, {"apiVersion", "audit.k8s.io/v1"}, {"stage", "ResponseComplete"}, {"verb", "get"}, {"userAgent", agent}} {
		b = msgp.AppendString(msgp.AppendString(b, kv[0]), kv[1])
	}
	b = msgp.AppendString(b, "user")
	b = msgp.AppendMapHeader(b, 1)
	return msgp.AppendString(msgp.AppendString(b, "username"), user)
}
