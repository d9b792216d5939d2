package detector

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
	"fluent-bit-newterms/detector/sink"
)

// Detector is one instance of the output: an Engine with its state on disk,
// and the ways out for its alerts. Flush may be called by several threads.
type Detector struct {
	config   *Config
	host     Host
	where    Where
	store    *seen.Store
	engine   *Engine
	shared   *remote.Store // nil if the memory is this node's own
	delivery *delivery
	notes    *notes
	meters   *meters

	files   *watch
	reloads reloadCounts
	lost    uint64 // matching records dropped, as far as told

	reserved string // the state's path, as the hub has it
	stop     chan struct{}
	workers  sync.WaitGroup
}

// Open starts a detector from an output's properties. The error says which
// property is wrong and what to do; nothing stays open then.
func Open(g Getter, host Host, where Where) (*Detector, error) {
	config, err := ParseConfig(g)
	if err != nil {
		return nil, err
	}
	// What the files are is taken down before they are read, so that a change
	// in between is seen.
	files := newWatch(config.Rules, config.Exceptions)
	set, err := config.loadRules()
	if err != nil {
		return nil, err
	}
	d := &Detector{config: config, host: host, where: where, files: files, stop: make(chan struct{})}
	d.notes = newNotes(host)
	d.say(set)
	if err := d.reserve(set.Rules); err != nil {
		return nil, err
	}
	// The hub is not held while the state is read: other instances flush and
	// collect meanwhile.
	if err := d.start(set.Rules); err != nil {
		d.release()
		return nil, err
	}
	if err := d.join(set.Rules); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// reserve checks the ways out, and takes the state's path: the lock on the
// state would tell processes apart, but not say which instance has it.
func (d *Detector) reserve(rules []*rule.Rule) error {
	path, err := filepath.Abs(d.config.StatePath)
	if err != nil {
		return fmt.Errorf("property state_path: %w", err)
	}
	hub.mu.Lock()
	defer hub.mu.Unlock()
	if err := d.checkWaysOut(rules); err != nil {
		return err
	}
	if by, ok := hub.states[path]; ok {
		return fmt.Errorf("property state_path: %s is in use by output %s; give each newterms output a state_path of its own", path, by)
	}
	if hub.states == nil {
		hub.states = make(map[string]string)
	}
	hub.states[path], d.reserved = d.where.name(), path
	return nil
}

// release gives the state's path back.
func (d *Detector) release() {
	hub.mu.Lock()
	delete(hub.states, d.reserved)
	hub.mu.Unlock()
}

// join makes the detector known to the hub. Inputs may have come or gone while
// it started.
func (d *Detector) join(rules []*rule.Rule) error {
	hub.mu.Lock()
	defer hub.mu.Unlock()
	if err := d.checkWaysOut(rules); err != nil {
		return err
	}
	d.delivery.begin(hub.inputs)
	hub.detectors = append(hub.detectors, d)
	return nil
}

// say logs what is to be said of rules that were loaded.
func (d *Detector) say(set *rule.Set) {
	for _, w := range set.Warnings {
		d.host.Log(LevelWarn, w.Error())
	}
	if s := set.SkippedSummary(); s != "" {
		d.host.Log(LevelInfo, s)
	}
}

// loadRules loads the rules that the configuration names. An error is a list
// of everything that is wrong with them.
func (c *Config) loadRules() (*rule.Set, error) {
	set := &rule.Set{}
	if len(c.Rules) > 0 {
		var err error
		if set, err = rule.Load(c.Rules, rule.Options{Exceptions: c.Exceptions}); err != nil {
			return nil, fmt.Errorf("property rules: %w", err)
		}
	}
	if c.HasInline() {
		r, err := rule.Inline(c.Inline)
		if err != nil {
			return nil, err
		}
		set.Rules = append(set.Rules, r)
		set.Warnings = append(set.Warnings, rule.InlineWarnings(r)...)
	}
	set.Rules = slices.DeleteFunc(set.Rules, func(r *rule.Rule) bool { return !r.Enabled })
	if len(set.Rules) == 0 {
		return nil, fmt.Errorf("property rules: %s holds no new_terms rule that is enabled", strings.Join(c.Rules, ", "))
	}
	return set, nil
}

// checkWaysOut sees to it that every alert has somewhere to go, and that none
// comes back in.
func (d *Detector) checkWaysOut(rules []*rule.Rule) error {
	c := d.config
	if d.where.Match != "" && (c.alertTagIs || c.Forward.Address.Local()) && d.caught(c.AlertTag) {
		return fmt.Errorf("property alert_tag: %q is a tag that this output's own Match %q takes, so that alerts would raise alerts; choose another tag or a narrower Match",
			c.AlertTag, d.where.Match)
	}
	for _, in := range hub.inputs {
		if err := d.checkLoop(in.where.Tag); err != nil {
			return err
		}
	}
	if c.AlertFile != "" || c.AlertStdout || c.Forward.on() {
		return nil
	}
	if len(hub.inputs) == 0 {
		return errors.New("alerts have nowhere to go: add an [INPUT] with Name newterms_alerts and a Tag (and list out_newterms.so twice under [PLUGINS]), or set alert_forward, alert_file or alert_stdout on this output")
	}
	for _, r := range rules {
		taken := slices.ContainsFunc(hub.inputs, func(in *Input) bool {
			return leastRank(r) >= in.least && in.takesRule(r.ID, r.Name)
		})
		if !taken {
			return fmt.Errorf("alerts of rule %q (%s, severity %s) have nowhere to go: no newterms_alerts input takes them by its rules and min_severity; widen one, add another, or set alert_forward, alert_file or alert_stdout on this output",
				r.Name, r.ID, r.Severity)
		}
	}
	return nil
}

// leastRank returns the rank of the least severity that an alert of a rule can
// have.
func leastRank(r *rule.Rule) uint8 {
	least := rule.SeverityRank(r.Severity)
	for _, m := range r.SeverityMapping {
		least = min(least, rule.SeverityRank(m.Severity))
	}
	return least
}

// checkLoop refuses an input's tag that this detector's own Match takes.
func (d *Detector) checkLoop(tag string) error {
	if tag == "" || d.where.Match == "" || !d.caught(tag) {
		return nil
	}
	return fmt.Errorf("the Tag %q of a newterms_alerts input is one that the Match %q of output %s takes, so that alerts would raise alerts; choose another Tag or a narrower Match",
		tag, d.where.Match, d.where.name())
}

func (d *Detector) caught(tag string) bool {
	if !d.where.MatchRegex {
		return caughtBy(d.where.Match, tag)
	}
	re, err := regexp.Compile(d.where.Match)
	return err == nil && re.MatchString(tag)
}

// start opens the state, the sinks and the engine.
func (d *Detector) start(rules []*rule.Rule) (err error) {
	began := time.Now()
	c := d.config
	store, report, err := seen.Open(c.StatePath, seen.Options{
		OnCorrupt: c.OnCorrupt,
		Logf:      func(format string, args ...any) { d.host.Log(LevelWarn, "state: "+fmt.Sprintf(format, args...)) },
	})
	if err != nil {
		return fmt.Errorf("property state_path: %w%s", err, hintOnCorrupt(c, err))
	}
	d.store = store
	defer func() {
		if err != nil {
			_ = store.Close()
		}
	}()
	if report.Reason != "" {
		d.host.Log(LevelError, "state: "+report.Loss())
	}
	for _, note := range report.Notes {
		d.host.Log(LevelWarn, "state: "+note)
	}
	sinks, err := c.openSinks()
	if err != nil {
		return err
	}
	d.delivery = newDelivery(store, d.host.Log, sinks)
	defer func() {
		if err != nil {
			d.delivery.close()
		}
	}()
	if err := d.openShared(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			d.closeShared()
		}
	}()
	d.engine = NewEngine(EngineOptions{
		Mapping: c.Mapping, MaxTerms: c.MaxTerms, Learn: c.Learn, MaxAlerts: c.MaxAlerts, Interval: c.Interval,
		Matched: c.Matched, Instance: d.where.name(), AlertTag: c.AlertTag,
		Alert: d.delivery.add,
		Skip:  d.notes.skipped, Shared: d.shared,
	}, store)
	notes, err := d.engine.SetRules(rules)
	for _, note := range notes {
		d.host.Log(LevelWarn, note)
	}
	if err != nil {
		return err
	}
	owed := 0
	err = store.Outbox(func(e seen.OutboxEntry) error {
		owed++
		a := &Alert{OutboxEntry: e, RuleName: d.engine.ruleName(e.Rule)}
		if d.shared == nil || !d.engine.sharing.holdAgain(a) {
			d.delivery.add(a)
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.meters = newMeters(d)
	d.host.Log(LevelInfo, fmt.Sprintf("%s; %s known; %s to deliver; state in %s; started in %s",
		count(len(rules), "rule"), count(d.engine.Known(), "tuple"), count(owed, "alert"), c.StatePath, time.Since(began).Round(time.Millisecond)))
	d.startShared()
	d.workers.Go(d.tick)
	d.workers.Go(d.follow)
	return nil
}

// hintOnCorrupt says how to go on where on_corrupt has stopped the start.
func hintOnCorrupt(c *Config, err error) string {
	damaged := errors.Is(err, seen.ErrCorrupt) || errors.Is(err, seen.ErrForeign) || errors.Is(err, seen.ErrNewer)
	if c.OnCorrupt != seen.Stop || !damaged {
		return ""
	}
	return "; on_corrupt is stop: look at it with newterms state verify, and set on_corrupt to recover to have it moved aside and what can be read of it taken over"
}

// openSinks opens the ways out that are no input. On an error none stays open.
func (c *Config) openSinks() (sinks []sink.Sink, err error) {
	defer func() {
		if err != nil {
			for _, s := range sinks {
				_ = s.Close()
			}
		}
	}()
	if c.AlertFile != "" {
		f, err := sink.OpenFile(c.AlertFile)
		if err != nil {
			return sinks, fmt.Errorf("property alert_file: %w", err)
		}
		sinks = append(sinks, f)
	}
	if c.Forward.on() {
		f, err := sink.NewForward(c.Forward.ForwardOptions)
		if err != nil {
			return sinks, fmt.Errorf("property alert_forward: %w", err)
		}
		sinks = append(sinks, f)
	}
	if c.AlertStdout {
		sinks = append(sinks, sink.NewWriter("the standard output", os.Stdout))
	}
	return sinks, nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Flush takes a chunk. Its answer is always OK: what is wrong with a chunk
// will be wrong with it the next time, and what the disk could not take is
// kept in memory.
func (d *Detector) Flush(tag string, chunk []byte) Code {
	if d.alertsTag(tag) {
		d.notes.loop(tag)
		return OK
	}
	owed, err := d.engine.Chunk(tag, chunk)
	if err != nil {
		d.notes.malformed(tag, err)
	}
	d.notes.disk(owed)
	return OK
}

// alertsTag tells whether a tag is that of an input which this detector's
// alerts go to: where the Match could not be read at the start, alerts that
// come back are noticed here.
func (d *Detector) alertsTag(tag string) bool {
	if d.where.Match != "" {
		return false
	}
	hub.mu.Lock()
	defer hub.mu.Unlock()
	return slices.ContainsFunc(hub.inputs, func(in *Input) bool { return in.where.Tag == tag && tag != "" })
}

// every calls fn again and again until the detector closes.
func (d *Detector) every(period time.Duration, fn func()) {
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-t.C:
			fn()
		}
	}
}

// tick does what has to be done without a flush: summaries, acknowledgements,
// metrics.
func (d *Detector) tick() { d.every(time.Second, d.once) }

// once is one turn of tick. Its panic must not end the host.
func (d *Detector) once() {
	defer d.notes.bug("a timer")
	d.notes.tell(d.engine.Tick())
	d.delivery.ack()
	d.dropped()
	d.meters.update()
	d.notes.flush()
}

// dropped has the delivery forget what the outbox had to drop, and says so.
func (d *Detector) dropped() {
	lost := d.delivery.lost()
	d.notes.shed(d.delivery.prune(), lost-d.lost)
	d.lost = lost
}

// Close delivers what it can in a few seconds, writes what is owed and gives
// up the state. Alerts that have not left stay in the outbox.
func (d *Detector) Close() error {
	hub.mu.Lock()
	hub.detectors = slices.DeleteFunc(hub.detectors, func(other *Detector) bool { return other == d })
	hub.mu.Unlock()
	close(d.stop)
	d.workers.Wait()
	d.delivery.close()
	d.meters.update()
	d.notes.flush()
	defer d.release()
	d.closeShared()
	if err := d.engine.Settle(); err != nil {
		d.host.Log(LevelWarn, fmt.Sprintf("the last sightings are not all on disk, so tuples stay known a little longer than their window: %v", err))
	}
	if err := d.store.Close(); err != nil {
		return fmt.Errorf("closing the state: %w", err)
	}
	return nil
}
