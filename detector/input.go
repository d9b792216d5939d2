package detector

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/sink"
)

// hub knows the alerts inputs and the detectors of the process, which Fluent
// Bit starts one by one and does not introduce to each other.
var hub struct {
	mu        sync.Mutex
	inputs    []*Input
	detectors []*Detector
}

// inputProperties are all that an alerts input takes.
var inputProperties = []string{"rules", "min_severity"}

// InputProperties returns the names of the alerts input's properties.
func InputProperties() []string { return slices.Clone(inputProperties) }

// Input is one instance of the alerts input: it takes the alerts of every
// detector of the process, or those of some rules, or from some severity up,
// back into the pipeline. Collect and HandedOver are called by one thread.
type Input struct {
	where InputWhere
	host  Host
	rules []string // globs of rule_id or name, lower case; none: every rule
	least uint8    // rank of severity

	buf  []byte
	sent []sent // what the last Collect returned
}

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
		i := slices.Index(severities, s)
		if i < 0 {
			return nil, fmt.Errorf("property min_severity: %q is not allowed; %s", s, strings.Join(severities, ", "))
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

func (in *Input) next(d *delivery) (list []sent) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.outlets {
		if o.input != in {
			continue
		}
		if parcels := o.take(maxBatch, maxCollect-len(in.buf)); len(parcels) > 0 {
			list = append(list, sent{o, parcels})
		}
	}
	return list
}

// HandedOver says that the records of the last Collect are in the pipeline.
func (in *Input) HandedOver() {
	for _, s := range in.sent {
		d := s.outlet.d
		d.mu.Lock()
		s.outlet.done(s.parcels)
		d.mu.Unlock()
	}
	clear(in.sent)
	in.sent = in.sent[:0]
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
