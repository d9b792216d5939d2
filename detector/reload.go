package detector

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"fluent-bit-newterms/detector/rule"
)

// pollEvery is how often the files of rules and exceptions, and the databases of
// addresses, are looked at. A
// change is taken up when nothing has changed for one look more, so that files
// that are being written are read when they are whole.
const pollEvery = 2 * time.Second

// reloadCounts are totals for the metrics.
type reloadCounts struct{ done, failed atomic.Uint64 }

// follow takes up changed rules until the detector closes.
func (d *Detector) follow() { d.every(pollEvery, d.look) }

// look is one look at the files.
func (d *Detector) look() {
	defer d.log.Recover("reading changed rules")
	if !d.files.changed() {
		return
	}
	switch changed, err := d.config.Mapping.Geo.Reload(); {
	case err != nil:
		d.reloads.failed.Add(1)
		d.host.Log(LevelError, fmt.Sprintf("a database of addresses has changed and cannot be read; the one from before stays in use: %v", err))
	case changed:
		d.host.Log(LevelInfo, "a changed database of addresses is in use")
	}
	// New databases, too, mean rules that are compiled anew: what a worker
	// remembers of events holds fields of the old ones.
	notes, err := d.takeUp()
	if err != nil {
		d.reloads.failed.Add(1)
		d.host.Log(LevelError, fmt.Sprintf("the rules have changed and cannot be taken up; those from before stay: %v", err))
		return
	}
	d.reloads.done.Add(1)
	for _, note := range notes {
		d.host.Log(LevelWarn, note)
	}
	d.host.Log(LevelInfo, fmt.Sprintf("changed rules are in force: %s; %s known",
		count(len(d.engine.Rules()), "rule"), count(d.engine.Known(), "tuple")))
}

// takeUp makes the rules in the files those that run, or leaves everything as
// it is.
func (d *Detector) takeUp() (notes []string, err error) {
	set, loaded, err := d.config.LoadRules()
	if err != nil {
		return nil, err
	}
	err = d.registry.Check(func(inputs []*Input) error { return d.checkRoutes(set.Rules, inputs) })
	if err != nil {
		return nil, err
	}
	before := d.engine.Rules()
	if notes, err = d.engine.SetRules(set.Rules); err != nil {
		return nil, err
	}
	d.logLoaded(set, loaded)
	fresh, gone := without(set.Rules, before), without(before, set.Rules)
	if len(fresh) > 0 {
		notes = append(notes, fmt.Sprintf("%s new: %s", count(len(fresh), "rule"), listed(fresh)))
	}
	if len(gone) > 0 {
		notes = append(notes, fmt.Sprintf("%s gone: %s; what they know stays in the state", count(len(gone), "rule"), listed(gone)))
	}
	return notes, nil
}

// without returns the names of those rules that are not among others.
func without(rules, others []*rule.Rule) (names []string) {
	for _, r := range rules {
		if !slices.ContainsFunc(others, func(o *rule.Rule) bool { return o.ID == r.ID }) {
			names = append(names, r.Name)
		}
	}
	return names
}
