package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/engine"
)

func newLearn() *cobra.Command {
	f := replayFlags{maxTerms: countValue{least: 1, most: 100_000_000}}
	cmd := &cobra.Command{
		Use:   "learn --rules PATH --state DIR [flags] FILE...",
		Short: "Make a baseline from old logs",
		Long: `learn runs rules over files of events, raises no alerts, and keeps what it sees
in a state. The rules are marked as done with learning there: a plugin that is
started on the state alerts from its first record on, also for rules that
matched nothing in these files. Stop a plugin that uses the state before.

The state may exist already: what it knows stays. Tuples that were last seen
longer ago than a rule's window are new again when they come back, so logs of
the last days are worth more than older ones. Rules of type query remember
nothing and are left out.

Exit codes: 0 the files were read to the end, 2 trouble with options, rules,
files or the state, 130 interrupted; what was seen until then is kept, but
learning is not marked as done.`,
		Example: `  newterms learn --rules conf/rules --state /var/lib/newterms audit-*.log.gz
  newterms learn --rules conf/rules --exceptions ours.toml --state state audit.log`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.learnFrom(cmd, args) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	f.addEvents(fs)
	offerEvents(cmd)
	fs.StringVar(&f.state, "state", "", "the `DIR` of the state, which is made if need be")
	fs.Var(&f.maxTerms, "max-terms", "tuples that a rule keeps (default 100000)")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no progress bar, no summary")
	return cmd
}

func (f *replayFlags) learnFrom(cmd *cobra.Command, files []string) error {
	if f.state == "" {
		return errors.New("name the folder of the state: --state DIR")
	}
	start := time.Now()
	f.rules.newTermsOnly = true
	o := f.options(files)
	o.engine.LearnUntil = math.MaxInt64
	r, err := newRunner(cmd, o)
	if err != nil {
		return err
	}
	r.receive = func([][]*engine.Alert) error { return nil }
	r.done = func() error {
		r.lanes[0].note(r.engine().EndLearning())
		return nil
	}
	interrupted, err := r.run(cmd.Context())
	if err != nil {
		return err
	}
	w := cmd.ErrOrStderr()
	if !f.quiet {
		fmt.Fprintln(w, r.took(time.Since(start)))
		fmt.Fprintf(w, "%s learned; %s known to %s in %s\n", plural(r.engine().Counts().Learned.Load(), "new tuple"),
			plural(r.engine().Known(), "tuple"), plural(len(r.engine().Rules()), "rule"), f.state)
	}
	return r.outcome(w, interrupted)
}
