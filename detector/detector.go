package detector

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fluent-bit-newterms/detector/delivery"
	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
	"fluent-bit-newterms/detector/sink"
	"fluent-bit-newterms/detector/telemetry"
	"fluent-bit-newterms/detector/version"
)

// Detector is one instance of the output: an Engine with its state on disk,
// and the ways out for its alerts. Flush may be called by several threads.
type Detector struct {
	registry   *Registry
	config     *Config
	host       Host
	where      Where
	store      *seen.Store
	engine     *engine.Engine
	shared     *remote.Store // nil if the memory is this node's own
	dispatcher *delivery.Dispatcher
	joined     time.Time
	output     *delivery.Output // how the registry knows it
	log        *telemetry.RateLimited
	metrics    *instanceMetrics

	idle    *idle
	givenUp givenUp
	files   *watch
	reloads reloadCounts
	lost    uint64 // matching records dropped, as far as logged

	reserved string // the state's path, as the registry has it
	stop     chan struct{}
	workers  sync.WaitGroup
}

// Open starts a detector from an output's properties. It sends its alerts to the
// inputs of the registry. The error says which
// property is wrong and what to do; nothing stays open then.
func Open(reg *Registry, g Getter, host Host, where Where) (*Detector, error) {
	config, err := ParseConfig(g)
	if err != nil {
		return nil, err
	}
	// What the files are is taken down before they are read, so that a change
	// in between is seen.
	files := newWatch(config.Rules, config.Exceptions, config.geoFiles())
	set, notes, err := config.LoadRules()
	if err != nil {
		return nil, err
	}
	d := &Detector{registry: reg, config: config, host: host, where: where, files: files, stop: make(chan struct{})}
	d.log = telemetry.NewRateLimited(host)
	d.logLoaded(set, notes)
	d.logInsecure()
	if err := d.reserve(set.Rules); err != nil {
		return nil, err
	}
	// The registry is not held while the state is read: other instances flush and
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

// reserve checks the routes of alerts, and takes the state's path.
func (d *Detector) reserve(rules []*rule.Rule) error {
	path, err := filepath.Abs(d.config.StatePath)
	if err != nil {
		return fmt.Errorf("property state_path: %w", err)
	}
	err = d.registry.Check(func(inputs []*Input) error { return d.checkRoutes(rules, inputs) })
	if err != nil {
		return err
	}
	if by := d.registry.ReserveState(path, d.where.name()); by != "" {
		return fmt.Errorf("property state_path: %s is in use by output %s; give each newterms output a state_path of its own", path, by)
	}
	d.reserved = path
	return nil
}

// release gives the state's path back.
func (d *Detector) release() { d.registry.ReleaseState(d.reserved) }

// join makes the detector known to the registry. Inputs may have come or gone
// while it started.
func (d *Detector) join(rules []*rule.Rule) error {
	d.output = &delivery.Output{Dispatcher: d.dispatcher, CheckTag: d.checkTag, Feeds: d.feeds}
	d.joined = time.Now()
	return d.registry.Join(d.output, func(inputs []*Input) error { return d.checkRoutes(rules, inputs) })
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
	d.dispatcher = delivery.NewDispatcher(store, d.host, d.log, sinks)
	defer func() {
		if err != nil {
			d.dispatcher.Close()
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
	d.engine = engine.New(engine.Options{
		Mapping: c.Mapping, MaxTerms: c.MaxTerms, Learn: c.Learn, MaxAlerts: c.MaxAlerts, Interval: c.Interval,
		Normalize: c.Normalize, AlertVariants: c.AlertVariants,
		Matched: c.Matched, Instance: d.where.name(), AlertTag: c.AlertTag,
		Alert: func(a *engine.Alert) { d.dispatch(a, time.Time{}) }, Shared: d.shared,
		Skip: func(index int, err error) { d.log.Warnf("record %d of a chunk is passed over: %v", index, err) },
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
		a := &engine.Alert{OutboxEntry: e, RuleName: d.engine.RuleName(e.Rule)}
		if d.shared == nil || !d.engine.Peers().HoldAgain(a) {
			d.dispatch(a, time.UnixMilli(a.Time)) // of an earlier process: at the latest since then
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.idle = newIdle(d.host, c.IdleAfter)
	d.metrics = newMetrics(d)
	d.host.Log(LevelInfo, fmt.Sprintf("newterms %s: %s; %s known; %s to deliver; state in %s; started in %s", version.Get(),
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
			return sinks, fmt.Errorf("property %s: %w", forwardProperty(err), err)
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
		d.log.Warnf("the Match of this output takes tag %q, under which its own alerts come back; they are passed over: choose another Tag for the newterms_alerts input, or a narrower Match", tag)
		return OK
	}
	if err := d.store.Full(); err != nil {
		d.log.Warnf("the chunk is refused, and Fluent Bit tries it again (RETRY): %v", err)
		return Retry
	}
	owed, err := d.engine.Chunk(tag, chunk)
	if err != nil {
		d.log.Warnf("tag %q: %v; the records before it were taken", tag, err)
	}
	// That the disk fails, and is back, is said by the store.
	if errors.Is(owed, seen.ErrPending) {
		d.log.Warnf("the disk with the state is slow; detection goes on from memory: %v", owed)
	}
	return OK
}

// alertsTag tells whether a tag is that of an input which this detector's
// alerts go to: where the Match could not be read at the start, alerts that
// come back are noticed here.
func (d *Detector) alertsTag(tag string) bool {
	return d.where.Match == "" && d.registry.IsInputTag(tag)
}

// dispatch sends an alert of the engine's on its way. It has waited since a time,
// the zero Time for now.
func (d *Detector) dispatch(a *engine.Alert, since time.Time) {
	d.dispatcher.Add(&delivery.Item{OutboxEntry: a.OutboxEntry, RuleName: a.RuleName, Matched: a.Matched, Ticket: a.Ticket, Since: since})
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
func (d *Detector) tick() {
	d.every(time.Second, func() {
		defer d.log.Recover("the timer")
		for _, note := range d.engine.Tick() {
			d.host.Log(LevelInfo, note)
		}
		d.dispatcher.Acknowledge()
		d.logDropped(false)
		d.idle.look(d.engine.Counts().Events.Load())
		d.logUnfed()
		d.metrics.update()
		d.log.Flush(false)
	})
}

// logDropped has the dispatcher forget what the outbox had to give up, and says
// so. end tells that it is asked for the last time.
func (d *Detector) logDropped(end bool) {
	d.givenUp.add(d.dispatcher.Prune())
	if line := d.givenUp.line(time.Now(), end); line != "" {
		d.host.Log(LevelError, line)
	}
	if n := d.dispatcher.DroppedMatches(); n > d.lost {
		d.log.Warnf("%s could not leave and were dropped; alerts are kept", count(int(n-d.lost), "matching record"))
		d.lost = n
	}
}

// closeTime is how long Close waits for what runs in the background: longer
// than a flush waits for the disk, and the shared store for its claims.
const closeTime = 8 * time.Second

// endsWithin waits for a group, and tells whether it has ended in time: a disk
// that does not answer must not hold up the exit of the host.
func endsWithin(group *sync.WaitGroup, most time.Duration) bool {
	ended := make(chan struct{})
	go func() {
		group.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-time.After(most):
		return false
	}
}

// Close delivers what it can in a few seconds, writes what is owed and gives
// up the state. Alerts that have not left stay in the outbox.
func (d *Detector) Close() error {
	d.registry.Leave(d.output)
	close(d.stop)
	if !endsWithin(&d.workers, closeTime) {
		d.host.Log(LevelWarn, "the reading of changed rules hangs, or the shared store does; it is left behind")
	}
	d.dispatcher.Close()
	d.logDropped(true)
	d.metrics.update()
	d.log.Flush(true)
	defer d.release()
	d.closeShared()
	if err := d.engine.FlushLastSeen(); err != nil {
		d.host.Log(LevelWarn, fmt.Sprintf("the last sightings are not all on disk, so combinations stay known a little longer than their window: %v", err))
	}
	if err := d.store.Close(); err != nil {
		return fmt.Errorf("closing the state: %w", err)
	}
	return nil
}
