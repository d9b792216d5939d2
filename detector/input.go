package detector

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/sink"
)

// hub knows the alerts inputs and the detectors of the process, which Fluent
// Bit starts one by one and does not introduce to each other.
//
// mu is held for moments: neither disk nor network is waited for under it.
var hub struct {
	mu        sync.Mutex
	inputs    []*Input
	detectors []*Detector
	states    map[string]string // paths of states in use, and by which output
}

// inputProperties are all that an alerts input takes.
var inputProperties = []string{"rules", "min_severity"}

// InputProperties returns the names of the alerts input's properties.
func InputProperties() []string { return slices.Clone(inputProperties) }

// Input is one instance of the alerts input: it takes the alerts of every
// detector of the process, or those of some rules, or from some severity up,
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
	where InputWhere
	host  Host
	rules []string // globs of rule_id or name, lower case; none: every rule
	least uint8    // rank of severity

	buf  []byte
	sent []sent // what the last Collect returned

	paused atomic.Pointer[time.Time] // since when, nil while it runs
}

// settleTime is two turns of Fluent Bit's ring.
const settleTime = 500 * time.Millisecond

type sent struct {
	outlet  *outlet
	parcels []*parcel
}

// OpenInput starts an alerts input.
func OpenInput(g Getter, host Host, where InputWhere) (*Input, error) {
	in := &Input{where: where, host: host}
	for _, glob := range rule.SplitList(g.Get("rules")) {
		in.rules = append(in.rules, strings.ToLower(glob))
	}
	if s := strings.ToLower(strings.TrimSpace(g.Get("min_severity"))); s != "" {
		i := slices.Index(rule.Severities, s)
		if i < 0 {
			return nil, fmt.Errorf("property min_severity: %q is not allowed; %s", s, strings.Join(rule.Severities, ", "))
		}
		in.least = uint8(i)
	}
	hub.mu.Lock()
	defer hub.mu.Unlock()
	for _, d := range hub.detectors {
		if err := d.checkLoop(where.Tag); err != nil {
			return nil, err
		}
	}
	hub.inputs = append(hub.inputs, in)
	for _, d := range hub.detectors {
		d.delivery.addInput(in)
	}
	return in, nil
}

// takes tells whether an alert belongs to this input.
func (in *Input) takes(a *Alert) bool {
	return a.Severity >= in.least && in.takesRule(a.Rule, a.RuleName)
}

func (in *Input) takesRule(id, name string) bool {
	if len(in.rules) == 0 {
		return true
	}
	id, name = strings.ToLower(id), strings.ToLower(name)
	return slices.ContainsFunc(in.rules, func(glob string) bool {
		return globMatch(glob, id) || globMatch(glob, name)
	})
}

// Most of what one Collect returns.
const maxCollect = 2 << 20

// Collect returns the next alerts as records of Fluent Bit, nil if there are
// none. It returns them again until HandedOver says that they have arrived.
// The bytes are valid until the next Collect.
func (in *Input) Collect() []byte {
	if in.paused.Load() != nil {
		return nil // Fluent Bit pauses only one of several inputs' timers
	}
	hub.mu.Lock()
	detectors := slices.Clone(hub.detectors)
	hub.mu.Unlock()
	in.buf, in.sent = in.buf[:0], in.sent[:0]
	for _, d := range detectors {
		if len(in.buf) >= maxCollect {
			break
		}
		in.collect(d.delivery)
	}
	if len(in.buf) == 0 {
		return nil
	}
	return in.buf
}

// collect adds what one detector has for the input. Records are made without
// its lock, which the engine needs.
func (in *Input) collect(d *delivery) {
	for _, s := range in.next(d) {
		for _, p := range s.parcels {
			var err error
			if in.buf, err = sink.AppendRecord(in.buf, p.alert.Time, p.alert.Body); err != nil {
				in.host.Log(LevelError, fmt.Sprintf("an alert of the outbox cannot be read and is passed over: %v", err))
			}
		}
		in.sent = append(in.sent, s)
	}
}

// next takes what a detector has for the input, if it is not about to close.
func (in *Input) next(d *delivery) (list []sent) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.outlets {
		if o.input != in || d.closing {
			continue
		}
		if parcels := o.take(len(o.queue), maxCollect-len(in.buf)); len(parcels) > 0 {
			list = append(list, sent{o, parcels})
		}
	}
	return list
}

// HandedOver says that Fluent Bit has the records of the last Collect.
func (in *Input) HandedOver() {
	for _, s := range in.sent {
		d := s.outlet.d
		d.mu.Lock()
		s.outlet.handOver(s.parcels, time.Now())
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
	hub.mu.Lock()
	detectors := slices.Clone(hub.detectors)
	hub.mu.Unlock()
	for _, d := range detectors {
		d.delivery.unsettle(in, now)
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
	hub.mu.Lock()
	defer hub.mu.Unlock()
	hub.inputs = slices.DeleteFunc(hub.inputs, func(other *Input) bool { return other == in })
	for _, d := range hub.detectors {
		d.delivery.removeInput(in)
	}
	return nil
}
