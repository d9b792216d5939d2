package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// lane is one engine of a run, with its state.
type lane struct {
	engine *engine.Engine
	store  *seen.Store
	alerts []*engine.Alert // raised and not yet handed over
	failed error           // the state could not be written

	// Exceptions expire by the time of the events. expires is when the next
	// one does, zero if none will; now is the latest time of an event.
	expires, now time.Time
	timed        bool // an event had a time
}

// newLane returns a lane that runs rules on the state in a folder, or on one
// in memory if dir is "".
func newLane(cmd *cobra.Command, dir string, opts engine.Options, rules []*rule.Rule) (*lane, error) {
	l := &lane{now: time.Unix(0, 0)}
	var err error
	if l.store, err = openStore(cmd, dir); err != nil {
		return nil, stateError(err)
	}
	if l.nextExpiry(rules); !l.expires.IsZero() {
		opts.Clock = func() time.Time { return l.now }
	}
	opts.Alert = func(a *engine.Alert) { l.alerts = append(l.alerts, a) }
	l.engine = engine.New(opts, l.store)
	notes, err := l.engine.SetRules(rules)
	for _, note := range notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.CommandPath(), printable(note))
	}
	if err != nil {
		return nil, errors.Join(err, l.store.Close())
	}
	l.now = time.Now() // for events without a time, until one has one
	return l, nil
}

// nextExpiry finds the first of the exceptions to rules that is still to expire.
func (l *lane) nextExpiry(rules []*rule.Rule) {
	l.expires = time.Time{}
	for _, r := range rules {
		if at := r.NextExpiry(l.now); !at.IsZero() && (l.expires.IsZero() || at.Before(l.expires)) {
			l.expires = at
		}
	}
}

// turns takes note of the time of the next event, in ns, 0 if it is not known,
// and tells whether expire is to be called before it.
func (l *lane) turns(ns int64) bool {
	if ns == 0 || l.expires.IsZero() {
		return false
	}
	if at := time.Unix(0, ns); !l.timed || at.After(l.now) {
		l.now, l.timed = at, true
	}
	return !l.now.Before(l.expires)
}

// expire lets go of exceptions that have expired by now, and returns what a
// user should know.
func (l *lane) expire() (notes []string) {
	if l.expires.IsZero() || l.now.Before(l.expires) {
		return nil
	}
	notes = l.engine.Tick()
	l.nextExpiry(l.engine.Rules())
	return notes
}

// openStore opens the state in a folder, or one in memory if dir is "". An
// alert leaves it as soon as it is printed, so there its bounds are those of
// what one chunk of lines can raise.
func openStore(cmd *cobra.Command, dir string) (*seen.Store, error) {
	w := cmd.ErrOrStderr()
	o := seen.Options{
		MaxOutbox: 1 << 20, MaxOutboxBytes: 1 << 30,
		Logf: func(format string, args ...any) {
			fmt.Fprintf(w, "%s: %s\n", cmd.CommandPath(), printable(fmt.Sprintf(format, args...)))
		},
	}
	if dir == "" {
		return seen.OpenMemory(o), nil
	}
	store, report, err := seen.Open(dir, o)
	if err != nil {
		return nil, err
	}
	if report.Reason != "" {
		o.Logf("%s; it is now %s", report.Reason, report.MovedTo)
	}
	for _, note := range report.Notes {
		o.Logf("%s", note)
	}
	return store, nil
}

// strike takes alerts that were handed over off the outbox.
func (l *lane) strike() {
	var b seen.Batch
	for i, a := range l.alerts {
		b.Ack(a.ID)
		l.alerts[i] = nil
	}
	l.alerts = l.alerts[:0]
	if !b.Empty() {
		l.store.Enqueue(&b)
	}
}

// note remembers that the state could not be written. What is only late is
// written when the lane is closed.
func (l *lane) note(err error) {
	if err != nil && !engine.Owed(err) {
		l.failed = err
	}
}

// close writes what is owed and closes the state.
func (l *lane) close() error { return errors.Join(l.failed, l.engine.FlushLastSeen(), l.store.Close()) }
