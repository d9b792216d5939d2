package detector

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/sink"
)

// testSink takes what it is told to take.
type testSink struct {
	mu     sync.Mutex
	got    []string
	answer func(n int) (int, error) // nil: takes all
	panics bool
	block  chan struct{}
	closed int
}

func (s *testSink) Name() string { return "test" }

func (s *testSink) Deliver(ctx context.Context, records []sink.Record) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	if s.panics {
		s.panics = false
		panic("a bug")
	}
	n, err := len(records), error(nil)
	if s.answer != nil {
		n, err = s.answer(n)
	}
	for _, r := range records[:min(max(n, 0), len(records))] {
		s.got = append(s.got, string(r.Body))
	}
	return n, err
}

func (s *testSink) Close() error { s.closed++; return nil }

func (s *testSink) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// deliveryRig is a delivery over a store in memory.
type deliveryRig struct {
	store *seen.Store
	d     *delivery
	host  *testHost
}

func newDeliveryRig(o seen.Options, sinks ...sink.Sink) *deliveryRig {
	r := &deliveryRig{store: seen.OpenMemory(o), host: newTestHost()}
	r.d = newDelivery(r.store, r.host.Log, sinks)
	r.d.begin(nil)
	return r
}

// add hands over alerts as the engine does.
func (r *deliveryRig) add(severity uint8, bodies ...string) {
	var b seen.Batch
	var alerts []*Alert
	for _, body := range bodies {
		a := &Alert{OutboxEntry: seen.OutboxEntry{Rule: "r", Severity: severity, Body: []byte(body)}, RuleName: "Rule", stored: true}
		b.AddAlert(a.OutboxEntry)
		alerts = append(alerts, a)
	}
	ticket := r.store.Enqueue(&b)
	first, _ := b.AlertIDs()
	for i, a := range alerts {
		a.ID, a.ticket = first+uint64(i), ticket
		r.d.add(a)
	}
}

func (r *deliveryRig) matched(bodies ...string) {
	for _, body := range bodies {
		r.d.add(&Alert{OutboxEntry: seen.OutboxEntry{Rule: "r", Body: []byte(body)}, Matched: true})
	}
}

func (r *deliveryRig) outbox() int { return r.store.Stats().Outbox }

// TestDelivery: alerts leave in order, once, and leave the outbox when the sink
// has them; matching records leave with them and were never in it.
func TestDelivery(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := &testSink{}
	r := newDeliveryRig(seen.Options{}, s)
	r.add(0, "1", "2")
	r.matched("m")
	r.add(0, "3")
	eventually(t, "all have left", func() bool { return len(s.taken()) == 4 })
	if got := fmt.Sprint(s.taken()); got != "[1 2 m 3]" {
		t.Errorf("got %s", got)
	}
	r.d.ack()
	if n := r.outbox(); n != 0 {
		t.Errorf("%d in the outbox", n)
	}
	r.d.close()
	if s.closed != 1 {
		t.Errorf("closed %d times", s.closed)
	}
}

// TestSinkInPart: what a sink did not take is offered again, and nothing twice
// that it took, whatever it answers and even if it has a bug.
func TestSinkInPart(t *testing.T) {
	defer goleak.VerifyNone(t)
	tries := 0
	s := &testSink{panics: true}
	s.answer = func(n int) (int, error) {
		tries++
		switch tries {
		case 1:
			return 0, errors.New("the link is down")
		case 2:
			return min(1, n), errors.New("the link broke")
		}
		return n, nil
	}
	r := newDeliveryRig(seen.Options{}, s)
	r.add(0, "1", "2", "3")
	eventually(t, "all have left", func() bool { return len(s.taken()) == 3 })
	r.d.close()
	if got := fmt.Sprint(s.taken()); got != "[1 2 3]" {
		t.Errorf("got %s", got)
	}
	if r.outbox() != 0 || !r.host.logged("alerts cannot leave and are kept", "a bug") || !r.host.logged("leave again") {
		t.Errorf("%d in the outbox; log %q", r.outbox(), r.host.lines)
	}
}

// TestDeadSink: a sink that never answers does not keep the delivery from
// closing, and its alerts stay in the outbox; another sink has them meanwhile.
func TestDeadSink(t *testing.T) {
	defer goleak.VerifyNone(t)
	dead, alive := &testSink{answer: func(int) (int, error) { return 0, errors.New("gone") }}, &testSink{}
	r := newDeliveryRig(seen.Options{}, dead, alive)
	r.add(0, "1", "2")
	eventually(t, "the other has them", func() bool { return len(alive.taken()) == 2 })
	eventually(t, "the dead one was tried", func() bool { return r.host.logged("cannot leave") })
	start := time.Now()
	r.d.close()
	if d := time.Since(start); d > drainTime+time.Second {
		t.Errorf("closing took %v", d)
	}
	if n := r.outbox(); n != 2 {
		t.Errorf("%d in the outbox, want 2", n)
	}
}

func TestSinkThatHangs(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := &testSink{block: make(chan struct{})}
	r := newDeliveryRig(seen.Options{}, s)
	r.add(0, "1")
	start := time.Now()
	r.d.close()
	if d := time.Since(start); d > drainTime+time.Second {
		t.Errorf("closing took %v", d)
	}
	if r.outbox() != 1 {
		t.Error("the alert left the outbox")
	}
}

// TestFullOutbox: what waits is bounded as the outbox is, and what that costs
// is counted; the severe stay.
func TestFullOutbox(t *testing.T) {
	s := &testSink{answer: func(int) (int, error) { return 0, errors.New("gone") }}
	r := newDeliveryRig(seen.Options{MaxOutbox: 10}, s)
	defer r.d.close()
	var low []string
	for i := range 50 {
		low = append(low, fmt.Sprint("low ", i))
	}
	r.add(3, "severe")
	r.add(0, low...)
	eventually(t, "they are released", func() bool { r.d.mu.Lock(); defer r.d.mu.Unlock(); return len(r.d.queue) == 0 })
	if n := r.d.prune(); n != 41 {
		t.Errorf("%d dropped, want 41", n)
	}
	if n := r.d.depth(); n != 10 {
		t.Errorf("%d wait, want 10", n)
	}
	s.mu.Lock()
	s.answer = nil
	s.mu.Unlock()
	eventually(t, "the rest leaves", func() bool { return len(s.taken()) == 10 })
	if got := s.taken(); got[0] != "severe" || got[1] != "low 41" {
		t.Errorf("got %v", got)
	}
}

// TestMatchedAreBounded: matching records that cannot leave are dropped, and
// push out no alert.
func TestMatchedAreBounded(t *testing.T) {
	s := &testSink{answer: func(int) (int, error) { return 0, errors.New("gone") }}
	r := newDeliveryRig(seen.Options{}, s)
	defer r.d.close()
	for range 3 {
		for range maxMatched {
			r.matched("m")
		}
		eventually(t, "they are released", func() bool { r.d.mu.Lock(); defer r.d.mu.Unlock(); return len(r.d.queue) == 0 })
	}
	r.add(0, "alert")
	eventually(t, "it waits", func() bool { return r.d.depth() == maxMatched+1 })
	if n := r.d.lost(); n != 2*maxMatched {
		t.Errorf("%d lost, want %d", n, 2*maxMatched)
	}
}

// TestRestartDelivers: alerts that did not leave leave at the next start, with
// the same uuid.
func TestRestartDelivers(t *testing.T) {
	dir := t.TempDir()
	rules := filepath.Join(dir, "a.toml")
	put(t, rules, ruleText("Rule", "event.dataset: app"))
	s := settings{"rules": rules, "learn": "off", "state_path": filepath.Join(dir, "state")}
	d, _ := openDetector(t, s.with("alert_forward", "tcp://127.0.0.1:1"))
	d.Flush("kube.audit", chunkOf(time.Now(), "a", "b"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "alerts")
	d, h := openDetector(t, s.with("alert_file", out))
	eventually(t, "both have left", func() bool { return len(linesOf(t, out)) == 2 })
	d.Flush("kube.audit", chunkOf(time.Now(), "a", "b"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if !h.logged("2 alerts to deliver") || len(linesOf(t, out)) != 2 {
		t.Errorf("log %q, alerts %q", h.lines, linesOf(t, out))
	}
	_, h = openDetector(t, s.with("alert_file", out))
	if !h.logged("0 alerts to deliver") {
		t.Errorf("log %q", h.lines)
	}
}

// TestInput: an alerts input takes the alerts of its rules and severities, and
// again until they are handed over.
func TestInput(t *testing.T) {
	dir := t.TempDir()
	rules := filepath.Join(dir, "a.toml")
	put(t, rules, ruleText("Rule", "event.dataset: app"))
	in, err := OpenInput(settings{"rules": "relo*", "min_severity": "low"}, newTestHost(), InputWhere{Tag: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	d, _ := openDetector(t, settings{"rules": rules, "learn": "off"})
	if b := in.Collect(); b != nil {
		t.Fatalf("%d bytes before there is an alert", len(b))
	}
	d.Flush("kube.audit", chunkOf(time.Now(), "a"))
	var records []byte
	eventually(t, "an alert", func() bool { records = in.Collect(); return records != nil })
	if again := in.Collect(); string(again) != string(records) {
		t.Error("not the same until it is handed over")
	}
	in.HandedOver()
	if b := in.Collect(); b != nil {
		t.Error("it comes again")
	}
	// The alert is a record that an engine can read.
	e := newTestEngine(t, EngineOptions{Clock: time.Now}, []*rule.Rule{inlineRule(t, func(r *rule.Rule) {
		r.Filter = exceptionsOf(t, `kibana.alert.rule.rule_id: reloaded`)[0].Node
	})}, seen.OpenMemory(seen.Options{}))
	if _, err := e.Chunk("alerts", records); err != nil || e.Counts().Matched.Load() != 1 {
		t.Errorf("%v, %d matches", err, e.Counts().Matched.Load())
	}
}

// TestInputsOfOthers: an input that could loop is refused, an input of no rule
// leaves alerts with nowhere to go, and one with a bad severity says so.
func TestInputRefused(t *testing.T) {
	if _, err := OpenInput(settings{"min_severity": "hgih"}, newTestHost(), InputWhere{}); err == nil || !strings.Contains(err.Error(), "property min_severity") {
		t.Errorf("a severity that is none: %v", err)
	}
	dir := t.TempDir()
	rules := filepath.Join(dir, "a.toml")
	put(t, rules, ruleText("Rule", "event.dataset: app"))
	s := settings{"rules": rules, "state_path": filepath.Join(dir, "state")}
	in, err := OpenInput(settings{"rules": "other"}, newTestHost(), InputWhere{Tag: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s, newTestHost(), Where{Match: "kube.*"}); err == nil || !strings.Contains(err.Error(), `rule "Rule"`) || !strings.Contains(err.Error(), "nowhere to go") {
		t.Errorf("no input takes the rule: %v", err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if in, err = OpenInput(settings{}, newTestHost(), InputWhere{Tag: "kube.alerts"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s, newTestHost(), Where{Match: "kube.*"}); err == nil || !strings.Contains(err.Error(), "alerts would raise alerts") {
		t.Errorf("a loop: %v", err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	openDetector(t, s.with("alert_stdout", "on"))
	if _, err := OpenInput(settings{}, newTestHost(), InputWhere{Tag: "kube.x"}); err == nil || !strings.Contains(err.Error(), "narrower Match") {
		t.Errorf("a loop, the input last: %v", err)
	}
}

// TestLoopByTag: where the Match is not known, alerts that come back are passed
// over.
func TestLoopByTag(t *testing.T) {
	in, err := OpenInput(settings{}, newTestHost(), InputWhere{Tag: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	h := newTestHost()
	d, err := Open(inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name",
		"state_path", filepath.Join(t.TempDir(), "s")), h, Where{Instance: "newterms.0"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.Flush("alerts", chunkOf(time.Now(), "a"))
	d.Flush("others", chunkOf(time.Now(), "a"))
	if n := d.engine.Counts().Records.Load(); n != 1 || !h.logged("its own alerts come back") {
		t.Errorf("%d records read, want 1; log %q", n, h.lines)
	}
}

// TestNotes: trouble that comes with every record is logged at once, and then
// once a minute with a count.
func TestNotes(t *testing.T) {
	h := newTestHost()
	n := newNotes(h)
	for i := range 5 {
		n.skipped(i, errors.New("no map"))
	}
	n.malformed("t", errors.New("broken"))
	if len(h.lines) != 2 || !h.logged("record 0", "no map") || !h.logged(`tag "t"`, "broken") {
		t.Errorf("log %q", h.lines)
	}
	for _, k := range n.kinds {
		k.last = k.last.Add(-notesEvery)
	}
	n.flush()
	n.flush()
	if len(h.lines) != 3 || !h.logged("record 4", "(and 3 more like it)") {
		t.Errorf("log %q", h.lines)
	}
	func() {
		defer n.bug("a test")
		panic("oh")
	}()
	if !h.logged("a bug in a test", "oh") {
		t.Errorf("log %q", h.lines)
	}
}

// TestMetrics: the totals reach the host.
func TestMetrics(t *testing.T) {
	out := filepath.Join(t.TempDir(), "alerts")
	d, h := openDetector(t, inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off", "alert_file", out))
	d.Flush("kube.audit", chunkOf(time.Now(), "a", "b", "a"))
	d.Flush("kube.audit", []byte{0xc1})
	d.meters.update()
	d.meters.update()
	for name, want := range map[string]float64{"records_total": 3, "events_total": 3, "matches_total": 3, "alerts_total": 2,
		"malformed_chunks_total": 1, "known_tuples": 2, "rules": 1} {
		if got := h.value(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}
