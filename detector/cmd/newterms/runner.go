package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/cmd/newterms/input"
	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// runner hands the events of files to engines, a chunk of lines at a time,
// and the alerts that they raise to a receiver.
type runner struct {
	lanes   []*lane // one, but where versions of rules are compared
	in      *input.Reader
	files   int
	trouble trouble
	bar     *bar

	// receive takes the alerts of a chunk, of each lane in order. Once it has
	// returned without an error they are struck off the outbox.
	receive func(alerts [][]*engine.Alert) error
	// done, if not nil, is called when all has been read, unless interrupted.
	done func() error

	copies    []string       // folders of states that are removed at the end
	keep      map[int]string // if not nil, gets the events by line
	timeline  *timeline      // if not nil, what is found is counted by time
	eventTime *eventTime     // not nil if the runner has to know the time of events
	file      string         // of the chunk at hand
	lines     uint64
}

// runOptions are what a runner is made of.
type runOptions struct {
	engine engine.Options
	rules  []ruleFlags // of each lane
	sets   []*rule.Set // in the place of rules: what was loaded
	stdin  io.Reader   // nil: that of the command

	against string // folder of a state that each lane begins with, "" for none
	state   string // folder of the first lane's state, "" to keep nothing
	files   []string
	bar     bool // show one on a terminal
}

// Where the time of an event lies if --time-field does not say: raw events by
// their own name, documents, and raw events in an envelope.
var timeFields = []string{"requestReceivedTimestamp", "@timestamp", "kubernetes.audit.requestReceivedTimestamp"}

// newRunner loads the rules and opens the state and the files. Its receive is
// still to be set.
func newRunner(cmd *cobra.Command, o runOptions) (_ *runner, err error) {
	r := &runner{}
	r.trouble = trouble{w: cmd.ErrOrStderr(), command: cmd.CommandPath()}
	sets := o.sets
	for _, flags := range o.rules {
		set, err := loadRules(cmd, flags)
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	files, err := expand(cmd, o.files)
	if err != nil {
		return nil, err
	}
	r.files = len(files.Paths)
	opts := o.engine
	opts.EventTime = true
	opts.TimeFields = append(opts.TimeFields, timeFields...)
	opts.Source = func(line int) map[string]any { return map[string]any{"file": r.file, "line": line} }
	opts.Skip = func(line int, err error) { r.trouble.line(r.file, line, err) }
	for i, set := range sets {
		state := ""
		if i == 0 {
			state = o.state
		}
		if o.against != "" {
			if state, err = r.copyState(cmd, o.against); err != nil {
				return nil, errors.Join(err, r.closeLanes())
			}
		}
		l, err := newLane(cmd, state, opts, set.Rules)
		if err != nil {
			return nil, errors.Join(err, r.closeLanes())
		}
		r.lanes = append(r.lanes, l)
		if !l.expires.IsZero() {
			r.needTime(opts)
		}
	}
	stdin := o.stdin
	if stdin == nil {
		stdin = cmd.InOrStdin()
	}
	r.in = input.NewReader(cmd.Context(), files.Paths, stdin)
	if o.bar {
		r.bar = newBar(cmd.ErrOrStderr(), files.Size)
	}
	r.trouble.w = r.bar.above(cmd.ErrOrStderr())
	return r, nil
}

// needTime makes the runner look for the time of each event.
func (r *runner) needTime(o engine.Options) {
	if r.eventTime == nil {
		r.eventTime = newEventTime(o.Mapping, o.TimeFields)
	}
}

// engine returns the engine of the first lane.
func (r *runner) engine() *engine.Engine { return r.lanes[0].engine }

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
		return nil, fmt.Errorf("no rules of type new_terms or query in %s", f.rules.String())
	}
	enabled := make([]*rule.Rule, 0, len(set.Rules))
	for _, r := range set.Rules {
		if r.Enabled {
			enabled = append(enabled, r)
			continue
		}
		fmt.Fprintf(w, "%s: %s: rule %q is disabled and does not run: its file says enabled = false\n",
			cmd.CommandPath(), printable(r.Source.String()), printable(r.Name))
	}
	if set.Rules = enabled; len(enabled) == 0 {
		return nil, fmt.Errorf("all rules in %s are disabled", f.rules.String())
	}
	if f.newTermsOnly {
		set.Rules = slices.DeleteFunc(set.Rules, (*rule.Rule).IsQuery)
		if n := len(enabled) - len(set.Rules); n > 0 {
			fmt.Fprintf(w, "%s: %s of type query left out: nothing is to be learned for them\n", cmd.CommandPath(), plural(n, "rule"))
		}
		if len(set.Rules) == 0 {
			return nil, fmt.Errorf("all rules in %s are of type query", f.rules.String())
		}
	}
	return set, nil
}

// run reads to the end, and closes the states. interrupted tells that ctx was
// done before; alerts found until then have been received.
func (r *runner) run(ctx context.Context) (interrupted bool, err error) {
	defer r.in.Close()
	err = r.read(ctx)
	if interrupted = err != nil && ctx.Err() != nil; interrupted {
		err = nil
	}
	if err == nil {
		for _, l := range r.lanes {
			l.note(l.engine.Finish())
		}
		err = r.hand()
	}
	if err == nil && r.done != nil && !interrupted {
		err = r.done()
	}
	r.bar.finish()
	return interrupted, errors.Join(err, r.closeLanes())
}

func (r *runner) closeLanes() (err error) {
	for _, l := range r.lanes {
		err = errors.Join(err, l.close())
	}
	for _, dir := range r.copies {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// copyState puts what a state knows into a new one, which is removed at the
// end, and returns its folder.
func (r *runner) copyState(cmd *cobra.Command, from string) (dir string, err error) {
	data, err := readFolder(cmd, from)
	if err != nil {
		return "", err
	}
	rules, err := data.sorted()
	if err != nil {
		return "", err
	}
	for i := range rules {
		rules[i].Meta = resumable(rules[i].ID, rules[i].Meta)
	}
	if dir, err = os.MkdirTemp("", "newterms-replay-"); err != nil {
		return "", err
	}
	r.copies = append(r.copies, dir)
	_, _, err = seen.Import(dir, rules)
	return dir, stateError(err)
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

// chunk runs the events of a chunk through the engines.
func (r *runner) chunk(c *input.Chunk) {
	r.file = c.File
	if c.Err != nil {
		r.trouble.file(c.Err)
		return
	}
	r.lines += uint64(c.Lines)
	for i, l := range r.lanes {
		batch := l.engine.NewBatch()
		for _, v := range c.Values {
			if v.TooLong {
				r.trouble.line(c.File, v.Line, errTooLong)
				continue
			}
			if r.keep != nil {
				r.keep[v.Line] = string(v.Text)
			}
			err := input.Events(v.Text, func(event []byte, ns int64) {
				if r.eventTime != nil && r.turns(l, r.eventTime.of(event, ns)) {
					l.note(batch.End(""))
					r.settle(l)
					batch = l.engine.NewBatch()
				}
				if ns != 0 {
					batch.Stamp(ns)
				}
				// The engine's Skip has heard of an error.
				if batch.Line(event, 0, v.Line) == nil && i == 0 {
					r.trouble.read(c.File)
				}
			})
			if err != nil {
				r.trouble.line(c.File, v.Line, err)
			}
		}
		l.note(batch.End(""))
		if r.timeline != nil {
			r.timeline.settle()
		}
	}
}

// turns tells whether an event of a time, in ns, must not be in a batch with
// those before it.
func (r *runner) turns(l *lane, ns int64) bool {
	expires := l.turns(ns)
	return r.timeline != nil && r.timeline.turns(ns) || expires
}

// settle is called between the batches that turns tells apart.
func (r *runner) settle(l *lane) {
	if r.timeline != nil {
		r.timeline.settle()
	}
	for _, note := range l.expire() {
		fmt.Fprintf(r.trouble.w, "%s: %s\n", r.trouble.command, printable(note))
	}
}

// hand hands over the alerts that have gathered and strikes them off the
// outboxes.
func (r *runner) hand() error {
	alerts := make([][]*engine.Alert, len(r.lanes))
	n := 0
	for i, l := range r.lanes {
		alerts[i] = l.alerts
		n += len(l.alerts)
	}
	if n == 0 {
		return nil
	}
	r.bar.clear()
	if err := r.receive(alerts); err != nil {
		return err
	}
	for _, l := range r.lanes {
		l.strike()
	}
	return nil
}

// took describes what was read, and how fast.
func (r *runner) took(d time.Duration) string {
	c := r.engine().Counts()
	events := c.Events.Load()
	s := fmt.Sprintf("%s in %s of %s", plural(events, "event"), plural(r.lines, "line"), plural(r.files, "file"))
	if sec := d.Seconds(); sec > 0 {
		s += fmt.Sprintf(", %v (%s/s)", rounded(d), plural(int64(float64(events)/sec), "event"))
	}
	return s
}

// rounded cuts what nobody wants to know off a duration.
func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
