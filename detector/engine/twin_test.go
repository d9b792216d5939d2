package engine

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// A twin is an engine that has learnt nothing: each record is read by a Reader
// that has read no other, every rule of the event's data stream is tried on
// every event, no pass is used twice. Whatever an engine does to be fast, its
// alerts and counts are those of its twin.
type twin struct{ *Engine }

// slow is a worker of a twin.
type slow struct {
	w      *match.Worker
	record int
}

// Event implements mapping.Handler.
func (h slow) Event(ev *mapping.Event) {
	ev.Record = h.record
	h.w.Event(ev)
}

// flush reads records, each with read, which is given a Reader.
func (e twin) flush(tag string, n int, read func(r *mapping.Reader, record int, h mapping.Handler)) {
	e.gen.RLock()
	e.idle = idleFlushes{}
	f := e.beginFlush()
	f.tag = tag
	for i := range n {
		r := f.rules.NewReader()
		read(r, i, slow{f.worker, i})
		s := r.Stats()
		e.counts.Records.Add(s.Records)
		e.counts.Events.Add(s.Events)
		e.counts.Skipped.Add(s.Skipped)
	}
	ticket := f.end()
	e.gen.RUnlock()
	_ = e.disk.wait(ticket)
}

// totals are the values of the counters in a struct, by name.
func totals(out map[string]uint64, prefix string, counts any) {
	v := reflect.ValueOf(counts).Elem()
	for i := range v.NumField() {
		out[prefix+v.Type().Field(i).Name] = v.Field(i).Addr().Interface().(*atomic.Uint64).Load()
	}
}

func (e twin) totals() map[string]uint64 {
	out := make(map[string]uint64)
	totals(out, "", &e.counts)
	for id, l := range e.states {
		totals(out, id+" ", &l.counts)
		out[id+" known"] = uint64(l.memory.Len())
		if l.history != nil {
			out[id+" known under exceptions"] = uint64(l.history.memory.Len())
		}
	}
	return out
}

// twins are an engine and its twin, and what left each since it was looked at,
// by rule.
type twins struct {
	t     testing.TB
	now   time.Time
	fast  *Engine
	slow  twin
	left  [2]map[string][]string
	trace string // what happened last

	recalled int // events
	focused  int // flushes with such an event
}

func newTwins(t testing.TB, o Options, rules []*rule.Rule) *twins {
	tw := &twins{t: t, now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	o.Clock = func() time.Time { return tw.now }
	var engines [2]*Engine
	for k := range engines {
		tw.left[k] = make(map[string][]string)
		o.Source = func(i int) map[string]any { return map[string]any{"source": i} }
		o.Alert = func(a *Alert) {
			text := fmt.Sprintf("%v %d %s", a.Matched, a.Time, a.Body)
			tw.left[k][a.Rule] = append(tw.left[k][a.Rule], text)
		}
		o.plain = k == 1
		engines[k] = New(o, seen.OpenMemory(seen.Options{}))
	}
	tw.fast, tw.slow = engines[0], twin{engines[1]}
	tw.both(func(e *Engine) {
		if _, err := e.SetRules(rules); err != nil {
			t.Fatal(err)
		}
	})
	return tw
}

// watch counts the events of the last flush whose result was remembered.
func (tw *twins) watch() {
	e := tw.fast
	if f := e.idle.take(e.rules.Load()); f != nil {
		if n := f.worker.Counts().Cached; n > 0 {
			tw.recalled += int(n)
			tw.focused++
		}
		e.idle.give(f)
	}
}

func (tw *twins) both(do func(e *Engine)) {
	do(tw.fast)
	do(tw.slow.Engine)
}

// compare fails if what left the two is not the same, or what they counted.
func (tw *twins) compare() {
	tw.t.Helper()
	for id := range tw.left[1] {
		if tw.left[0][id] == nil {
			tw.left[0][id] = nil
		}
	}
	for id := range tw.left[0] {
		got, want := tw.left[0][id], tw.left[1][id]
		if tw.fast.opts.Matched {
			// Where two rules have times of their own for an event, the order in
			// which they are tried says when what was gathered is decided on,
			// and records that are no alerts leave after those that are.
			slices.Sort(got)
			slices.Sort(want)
		}
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				tw.t.Fatalf("%s: rule %s, alert %d of %d, and of its twin's %d: %s", tw.trace, id, i, len(got), len(want), difference(got[min(i, len(got)):], want[min(i, len(want)):]))
			}
		}
	}
	clear(tw.left[0])
	clear(tw.left[1])
	got, want := twin{tw.fast}.totals(), tw.slow.totals()
	for name, n := range want {
		if got[name] != n {
			tw.t.Fatalf("%s: %s is %d, and of the twin %d", tw.trace, name, got[name], n)
		}
	}
}

// difference shows where the first of two lists of texts part.
func difference(a, b []string) string {
	if len(a) == 0 || len(b) == 0 {
		return fmt.Sprintf("%.2000q and %.2000q", a, b)
	}
	n := 0
	for n < min(len(a[0]), len(b[0])) && a[0][n] == b[0][n] {
		n++
	}
	from := max(n-60, 0)
	return fmt.Sprintf("%.300q and %.300q", a[0][from:], b[0][from:])
}

// chunk gives both a chunk of records, whose bytes are overwritten once they
// are read.
func (tw *twins) chunk(tag string, records [][]byte) {
	data := slices.Concat(records...)
	if _, err := tw.fast.Chunk(tag, data); err != nil {
		tw.t.Fatal(err)
	}
	for i := range data {
		data[i] = '#'
	}
	tw.watch()
	tw.slow.flush(tag, len(records), func(r *mapping.Reader, i int, h mapping.Handler) {
		if err := r.Chunk(records[i], h); err != nil {
			tw.t.Fatal(err)
		}
	})
}

// lines is chunk for lines of JSON.
func (tw *twins) lines(tag string, lines [][]byte, times []int64) {
	b := tw.fast.NewBatch()
	kept := make([][]byte, len(lines))
	errs := make([]error, len(lines))
	for i := range lines {
		kept[i] = slices.Clone(lines[i])
		errs[i] = b.Line(kept[i], times[i], i)
	}
	_ = b.End(tag)
	for _, b := range kept {
		for i := range b {
			b[i] = '#'
		}
	}
	tw.watch()
	tw.slow.flush(tag, len(lines), func(r *mapping.Reader, i int, h mapping.Handler) {
		if err := r.Line(lines[i], times[i], i, h); (err == nil) != (errs[i] == nil) {
			tw.t.Fatalf("line %s: error %v, and of the twin %v", lines[i], errs[i], err)
		}
	})
}

// FuzzTwins compares engines with their twins over streams of events that come
// again and again, or almost; each seed is one stream.
func FuzzTwins(f *testing.F) {
	for seed := range uint64(24) {
		f.Add(seed)
	}
	public := sharedRules(f)
	lines := gunzip(f, sharedFile(f, "k8s-audit/cluster-a.jsonl.gz"))
	f.Fuzz(func(t *testing.T, seed uint64) {
		tw := runTwins(t, seed, public, lines)
		t.Logf("%d events recalled; a lens met %d flushes", tw.recalled, tw.focused)
	})
}

// recordHeads are what records begin with: as msgpack is shortest, as Fluent Bit
// writes them, and as it did up to 4.2.
var recordHeads = []string{"\x92\x92", "\x92\x92", "\xdd\x00\x00\x00\x02\xdd\x00\x00\x00\x02"}

func runTwins(t testing.TB, seed uint64, public []*rule.Rule, lines [][]byte) *twins {
	r := rand.New(rand.NewPCG(seed, 9))
	maker := &maker{r: r, shape: seed % 4}
	o := Options{
		Mapping: mapping.Options{Mode: []mapping.Mode{mapping.Auto, mapping.Auto, mapping.KubernetesAudit, mapping.ECS}[r.IntN(4)]},
		Matched: r.IntN(8) == 0, MaxAlerts: []int{0, -1, 3}[r.IntN(3)],
	}
	if maker.shape == ecsDocument && o.Mapping.Mode == mapping.KubernetesAudit {
		o.Mapping.Mode = mapping.Auto
	}
	if r.IntN(4) == 0 {
		o.Mapping.LogKey = "log"
	}
	if r.IntN(6) == 0 {
		o.EventTime, o.TimeFields = true, []string{"kubernetes.audit.requestReceivedTimestamp", "@timestamp"}
	}
	if r.IntN(4) == 0 {
		o.Learn = 10 * time.Minute
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var rules []*rule.Rule
	if r.IntN(8) == 0 {
		rules = append(rules, public...)
	}
	own, seldom := 1+r.IntN(10), r.IntN(2) == 0
	if seldom {
		own = 1 + r.IntN(3)
	}
	for range own {
		rules = append(rules, drawRule(t, r, len(rules), seldom, now))
	}
	if o.EventTime || r.IntN(2) == 0 {
		// Else which rule is tried first on an event says what time it is, or when
		// the tuples are decided on that a pass has, and so which are evicted.
		maker.times = true
	}
	for i := range rules {
		rules[i] = maker.timed(rules[i])
	}
	tw := newTwins(t, o, rules)
	maker.real = lines
	maker.fill(t)
	at := now.Add(-time.Hour)
	for n, flushes := 0, 0; n < 4000; flushes++ {
		var records, texts [][]byte
		var times []int64
		size := 1 + r.IntN([]int{3, 60, 600}[r.IntN(3)])
		for range size {
			switch step := r.IntN(500); {
			case step == 0:
				at = at.Add([]time.Duration{-time.Hour, 4 * time.Minute, time.Hour, -24 * time.Hour, 26 * time.Hour}[r.IntN(5)])
			case step == 1:
				at = tw.now.Add(time.Duration(r.IntN(20)) * time.Minute)
			default:
				at = at.Add(time.Duration(r.IntN(300)) * time.Millisecond)
			}
			body := maker.next()
			sec, ns := uint32(at.Unix()), uint32(at.Nanosecond())
			record := []byte(recordHeads[seed%3])
			record = append(record, 0xd7, 0, byte(sec>>24), byte(sec>>16), byte(sec>>8), byte(sec),
				byte(ns>>24), byte(ns>>16), byte(ns>>8), byte(ns))
			if seed%3 == 0 {
				record = appendPack(append(record, 0x80), body)
			} else { // lengths of 32 bits
				n := len(body)
				record = append(record, 0xdf, 0, 0, 0, 0, 0xdf, 0, 0, byte(n>>8), byte(n))
				record = append(record, appendPack(nil, body)[len(msgp.AppendMapHeader(nil, uint32(n))):]...)
			}
			records = append(records, record)
			texts, times = append(texts, appendText(nil, body)), append(times, at.UnixNano())
		}
		n += size
		tw.trace = fmt.Sprintf("seed %d, flush %d, after %d events", seed, flushes, n)
		if maker.json {
			tw.lines("", texts, times) // alerts of a batch that is too long are without a tag
		} else {
			tw.chunk("tag", records)
		}
		tw.compare()
		tw.now = tw.now.Add(time.Duration(r.IntN(120)) * time.Second)
		switch r.IntN(25) {
		case 0: // rules that are others, or the same
			rules = slices.Clone(rules)
			if k := len(rules) - 1 - r.IntN(own); r.IntN(2) == 0 {
				rules[k] = maker.timed(drawRule(t, r, k, seldom, tw.now))
			} else {
				changed := *rules[k]
				changed.Exceptions = nil
				rules[k] = &changed
			}
			tw.both(func(e *Engine) {
				if _, err := e.SetRules(rules); err != nil {
					t.Fatal(err)
				}
			})
		default:
			tw.both(func(e *Engine) { e.Tick() })
		}
		tw.compare()
		if r.IntN(6) == 0 {
			maker.drift()
		}
	}
	tw.both(func(e *Engine) { _ = e.Finish() })
	tw.compare()
	return tw
}
