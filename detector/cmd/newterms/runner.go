package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector"
	"fluent-bit-newterms/detector/cmd/newterms/input"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// runner hands the events of files to an engine, a chunk of lines at a time,
// and the alerts that it raises to a receiver.
type runner struct {
	engine  *detector.Engine
	store   *seen.Store
	in      *input.Reader
	size    int64 // of the files, -1 if not known
	files   int
	trouble trouble
	bar     *bar

	// receive takes alerts, in order. Once it has returned without an error
	// they are struck off the outbox.
	receive func(alerts []*detector.Alert) error
	// done, if not nil, is called when all has been read, unless interrupted.
	done func() error

	file   string // of the chunk at hand
	alerts []*detector.Alert
	lines  uint64
	owed   error // the state could not be written
}

// runOptions are what a runner is made of.
type runOptions struct {
	engine detector.EngineOptions
	rules  ruleFlags
	state  string // folder of the state, "" to keep nothing
	files  []string
	bar    bool // show one on a terminal
}

// Where the time of an event lies if --time-field does not say: raw events by
// their own name, documents, and raw events in an envelope.
var timeFields = []string{"requestReceivedTimestamp", "@timestamp", "kubernetes.audit.requestReceivedTimestamp"}

// newRunner loads the rules and opens the state and the files. Its receive is
// still to be set.
func newRunner(cmd *cobra.Command, o runOptions) (*runner, error) {
	set, err := loadRules(cmd, o.rules)
	if err != nil {
		return nil, err
	}
	files, size, err := input.Expand(o.files)
	if err != nil {
		return nil, err
	}
	r := &runner{size: size, files: len(files)}
	r.trouble = trouble{w: cmd.ErrOrStderr(), command: cmd.CommandPath()}
	if r.store, err = openStore(cmd, o.state); err != nil {
		return nil, err
	}
	opts := o.engine
	opts.EventTime = true
	opts.TimeFields = append(opts.TimeFields, timeFields...)
	opts.Alert = func(a *detector.Alert) { r.alerts = append(r.alerts, a) }
	opts.Source = func(line int) map[string]any { return map[string]any{"file": r.file, "line": line} }
	opts.Skip = func(line int, err error) { r.trouble.line(r.file, line, err) }
	r.engine = detector.NewEngine(opts, r.store)
	notes, err := r.engine.SetRules(set.Rules)
	for _, note := range notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.CommandPath(), printable(note))
	}
	if err != nil {
		return nil, errors.Join(err, r.store.Close())
	}
	r.in = input.NewReader(cmd.Context(), files, cmd.InOrStdin())
	if o.bar {
		r.bar = newBar(cmd.ErrOrStderr(), size)
	}
	r.trouble.w = r.bar.above(cmd.ErrOrStderr())
	return r, nil
}

// loadRules loads rules, and takes for an error whatever keeps one of them
// from running. Warnings are said.
func loadRules(cmd *cobra.Command, f ruleFlags) (*rule.Set, error) {
	if len(f.rules) == 0 {
		return nil, errors.New("name the rules: --rules FILES or folders")
	}
	set, err := rule.Load(f.rules, rule.Options{Exceptions: f.exceptions})
	w := cmd.ErrOrStderr()
	for _, p := range set.Warnings {
		fmt.Fprintf(w, "%s: warning: %s\n", cmd.CommandPath(), printable(p.Error()))
	}
	if skipped := set.SkippedSummary(); skipped != "" {
		fmt.Fprintf(w, "%s: %s\n", cmd.CommandPath(), skipped)
	}
	if err != nil {
		return nil, fmt.Errorf("the rules cannot all run:\n%w", err)
	}
	if len(set.Rules) == 0 {
		return nil, fmt.Errorf("no new_terms rules in %s", f.rules.String())
	}
	return set, nil
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

// run reads to the end, and closes the state. interrupted tells that ctx was
// done before; alerts found until then have been received.
func (r *runner) run(ctx context.Context) (interrupted bool, err error) {
	defer r.in.Close()
	err = r.read(ctx)
	if interrupted = err != nil && ctx.Err() != nil; interrupted {
		err = nil
	}
	if err == nil {
		r.note(r.engine.Finish())
		err = r.hand()
	}
	if err == nil && r.done != nil && !interrupted {
		r.note(r.done())
	}
	r.bar.finish()
	if closeErr := r.store.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err == nil && r.owed != nil && !detector.Owed(r.owed) {
		err = r.owed
	}
	return interrupted, err
}

func (r *runner) read(ctx context.Context) error {
	for {
		c, err := r.in.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r.chunk(c)
		r.in.Free(c)
		if err := r.hand(); err != nil {
			return err
		}
		r.bar.at(r.in.Taken())
	}
}

// chunk runs the events of a chunk through the engine.
func (r *runner) chunk(c *input.Chunk) {
	r.file = c.File
	switch {
	case c.Err != nil:
		r.trouble.file(c.Err)
		return
	case c.TooLong:
		r.lines++
		r.trouble.line(c.File, c.Line, errTooLong)
		return
	}
	b := r.engine.NewBatch()
	for line, text := range lines(c) {
		r.lines++
		err := input.Events(text, func(event []byte, ns int64) {
			if ns != 0 {
				b.Stamp(ns)
			}
			_ = b.Line(event, 0, line) // the engine's Skip has heard of it
		})
		if err != nil {
			r.trouble.line(c.File, line, err)
		}
	}
	r.note(b.End(""))
}

// hand hands over the alerts that have gathered and strikes them off the
// outbox.
func (r *runner) hand() error {
	if len(r.alerts) == 0 {
		return nil
	}
	r.bar.clear()
	if err := r.receive(r.alerts); err != nil {
		return err
	}
	var b seen.Batch
	for i, a := range r.alerts {
		b.Ack(a.ID)
		r.alerts[i] = nil
	}
	r.store.Enqueue(&b)
	r.alerts = r.alerts[:0]
	return nil
}

func (r *runner) note(err error) {
	if err != nil {
		r.owed = err
	}
}

// took describes what was read, and how fast.
func (r *runner) took(d time.Duration) string {
	c := r.engine.Counts()
	events := c.Events.Load()
	s := fmt.Sprintf("%s in %s of %s", plural(events, "event"), plural(r.lines, "line"), plural(r.files, "file"))
	if sec := d.Seconds(); sec > 0 {
		s += fmt.Sprintf(", %.1fs (%s/s)", sec, plural(int64(float64(events)/sec), "event"))
	}
	return s
}
