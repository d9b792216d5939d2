package delivery

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/sink"
	"fluent-bit-newterms/detector/telemetry"
)

// InputOptions say which alerts an Input takes.
type InputOptions struct {
	Tag         string   // of its records, "" if it is not known
	Rules       []string // globs of rule_id or name, in any case; none: every rule
	MinSeverity uint8    // a rank of severity
}

// Input is one instance of the alerts input: it takes the alerts of every
// output of the process, or those of some rules, or from some severity up,
// back into the pipeline. Collect, HandedOver, Pause and Resume are called by
// one thread.
//
// What was handed over is not safe yet. Fluent Bit puts it in a ring in memory,
// which its engine empties into chunks every quarter of a second, and throws
// the ring away when it stops: it pauses its inputs first, and the ring of a
// paused input is not looked at any more. So alerts leave the outbox when the
// input has run for settleTime after them. Those that had not settled when it
// was paused for good come again at the next start, with the same uuid.
type Input struct {
	registry *Registry
	host     telemetry.Host
	tag      string
	rules    *regexp.Regexp // of rule_id or name; nil: every rule
	least    uint8          // rank of severity

	unfed bool // Unfed has returned it; guarded by the registry's lock

	buf  []byte
	sent []collected // what the last Collect returned

	paused atomic.Pointer[time.Time] // since when, nil while it runs
}

// settleTime is two turns of Fluent Bit's ring.
const settleTime = 500 * time.Millisecond

// collected is what a Collect has of one queue.
type collected struct {
	queue *queue
	list  []*delivery
}

// OpenInput starts an alerts input. The error says that an output's Match takes
// its tag.
func OpenInput(r *Registry, host telemetry.Host, o InputOptions) (*Input, error) {
	in := &Input{registry: r, host: host, tag: o.Tag, least: o.MinSeverity}
	if len(o.Rules) > 0 {
		var globs []string
		for _, g := range o.Rules {
			globs = append(globs, strings.ReplaceAll(regexp.QuoteMeta(g), `\*`, ".*"))
		}
		in.rules = regexp.MustCompile(`(?is)^(` + strings.Join(globs, "|") + `)$`)
	}
	if err := r.addInput(in); err != nil {
		return nil, err
	}
	return in, nil
}

// Tag returns the tag of the input's records, "" if it is not known.
func (in *Input) Tag() string { return in.tag }

// TakesRule tells whether the input takes the alerts of a rule, if they have
// that severity.
func (in *Input) TakesRule(id, name string, severity uint8) bool {
	return severity >= in.least && (in.rules == nil || in.rules.MatchString(id) || in.rules.MatchString(name))
}

func (in *Input) takes(it *Item) bool { return in.TakesRule(it.Rule, it.RuleName, it.Severity) }

// Collect returns the next alerts as records of Fluent Bit, nil if there are
// none. It returns them again until HandedOver says that they have arrived.
// The bytes are valid until the next Collect.
func (in *Input) Collect() []byte {
	if in.paused.Load() != nil {
		return nil // Fluent Bit pauses only one of several inputs' timers
	}
	in.buf, in.sent = in.buf[:0], in.sent[:0]
	for _, d := range in.registry.dispatchers() {
		if len(in.buf) >= limits.CollectBytes {
			break
		}
		in.collect(d)
	}
	if len(in.buf) == 0 {
		return nil
	}
	return in.buf
}

// collect adds what one output has for the input. Records are made without the
// dispatcher's lock, which the engine needs.
func (in *Input) collect(d *Dispatcher) {
	for _, c := range in.next(d) {
		for _, x := range c.list {
			e, ok := d.entry(x.Item)
			if !ok {
				continue // it was given up meanwhile
			}
			var err error
			if in.buf, err = sink.AppendRecord(in.buf, e.Time, e.Body); err != nil {
				in.host.Log(telemetry.LevelError, fmt.Sprintf("an alert of the outbox cannot be read and is passed over: %v", err))
			}
		}
		in.sent = append(in.sent, c)
	}
}

// next peeks at what an output has for the input, if it is not about to close.
func (in *Input) next(d *Dispatcher) (list []collected) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.queues {
		if q.input != in || d.closing {
			continue
		}
		if next := q.peek(len(q.waiting), limits.CollectBytes-len(in.buf)); len(next) > 0 {
			list = append(list, collected{q, next})
		}
	}
	return list
}

// HandedOver says that Fluent Bit has the records of the last Collect.
func (in *Input) HandedOver() {
	for _, c := range in.sent {
		d := c.queue.d
		d.mu.Lock()
		c.queue.handOver(c.list, time.Now())
		d.mu.Unlock()
	}
	clear(in.sent)
	in.sent = in.sent[:0]
}

// Pause says that Fluent Bit takes no more records for now, or for good: that
// is how it begins to stop.
func (in *Input) Pause() {
	if in.paused.Load() == nil {
		now := time.Now()
		in.paused.Store(&now)
	}
}

// Resume ends a pause. What had not settled before it begins to settle anew.
func (in *Input) Resume() {
	if in.paused.Load() == nil {
		return
	}
	now := time.Now()
	for _, d := range in.registry.dispatchers() {
		d.unsettle(in, now)
	}
	in.paused.Store(nil)
}

// ranUntil returns the last moment that the input is known to have run.
func (in *Input) ranUntil() time.Time {
	if p := in.paused.Load(); p != nil {
		return *p
	}
	return time.Now()
}

// Close takes the input away.
func (in *Input) Close() error {
	in.registry.removeInput(in)
	return nil
}
