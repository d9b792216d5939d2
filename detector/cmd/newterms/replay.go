package main

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fluent-bit-newterms/detector"
)

// replayFlags are the flags of replay, most of which learn and report share.
type replayFlags struct {
	shape     shapeFlags
	rules     ruleFlags
	timeField string
	until     timeValue
	state     string
	learn     learnValue
	maxAlerts countValue
	interval  spanValue
	maxTerms  countValue
	table     bool
	quiet     bool
}

func newReplay() *cobra.Command {
	f := replayFlags{
		learn:     learnValue{text: "off"},
		maxAlerts: countValue{most: 1_000_000},
		maxTerms:  countValue{least: 1, most: 100_000_000},
	}
	cmd := &cobra.Command{
		Use:   "replay --rules PATH [flags] FILE...",
		Short: "Run rules over old logs: events in, alerts out",
		Long: `replay runs rules over files of events as the plugin would have, and prints the
alerts in the order of the events, a JSON object a line (or a table, --table).
Each says in newterms.file and newterms.line where its event is.

The time of an event is the field of --time-field if it has it, else
requestReceivedTimestamp in raw audit events and @timestamp in ECS documents,
else what Fluent Bit wrote beside it, else that of the event before. Nothing
depends on the clock.

With --learn-until, events up to and including that time only teach. Learning
(--learn) is off, so without either the first event of all alerts. A rule's own
max_alerts and learn, where its file has a [rule.newterms] table, go before the
flags. Without --state nothing is kept.

Exit codes: 0 the files were read to the end, 2 trouble with options, rules or
files, 130 interrupted. Lines without an event are counted and do not matter.`,
		Example: `  newterms replay --rules conf/rules audit.log
  newterms replay --rules conf/rules --learn-until 2026-01-31 --table audit-*.log.gz
  kubectl logs … | newterms replay --rules conf/rules --log-key log - | jq .newterms`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	fs := cmd.Flags()
	f.addCommon(cmd)
	fs.BoolVar(&f.table, "table", false, "print a table for people instead of JSON")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no progress bar, no summary")
	return cmd
}

// addCommon adds the flags that every command has which runs events through
// rules.
func (f *replayFlags) addCommon(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	f.addEvents(fs)
	fs.Var(&f.until, "learn-until", "events up to and including this `TIME` only teach (RFC 3339, or a date)")
	fs.StringVar(&f.state, "state", "", "keep the state in this `DIR`; without, nothing is kept")
	fs.Var(&f.learn, "learn", "how long a rule learns from its first match: off, 24h, 7d …")
	fs.Var(&f.maxAlerts, "max-alerts", "alerts an interval and rule, 0 for no limit (default: as each rule says)")
	fs.Var(&f.interval, "interval", "length of an interval (default: as each rule says)")
	fs.Var(&f.maxTerms, "max-terms", "tuples that a rule keeps (default 100000)")
}

// addEvents adds the flags that say which rules run, and how events are read.
func (f *replayFlags) addEvents(fs *pflag.FlagSet) {
	f.rules.add(fs)
	f.shape.add(fs)
	fs.StringVar(&f.timeField, "time-field", "", "the `FIELD` that holds an event's time")
}

// options returns what a runner needs.
func (f *replayFlags) options(files []string) runOptions {
	o := runOptions{rules: f.rules, state: f.state, files: files, bar: !f.quiet}
	o.engine = detector.EngineOptions{
		Mapping:  f.shape.options(),
		MaxTerms: f.maxTerms.n,
		Learn:    f.learn.span,
		Interval: time.Duration(f.interval),
	}
	if f.maxAlerts.set {
		o.engine.MaxAlerts = f.maxAlerts.n
		if f.maxAlerts.n == 0 {
			o.engine.MaxAlerts = -1 // 0 is: as the rule says
		}
	}
	if f.timeField != "" {
		o.engine.TimeFields = []string{f.timeField}
	}
	if !f.until.IsZero() {
		o.engine.LearnUntil = f.until.UnixMilli()
	}
	return o
}

func (f *replayFlags) run(cmd *cobra.Command, files []string) error {
	start := time.Now()
	r, err := newRunner(cmd, f.options(files))
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
	var show func(*found)
	end := func() {}
	if f.table {
		t := newTable(out, cmd.OutOrStdout())
		show, end = t.add, t.end
	} else {
		show = func(f *found) {
			out.Write(f.Body)
			out.WriteByte('\n')
		}
	}
	var counted tally
	r.receive = func(alerts []*detector.Alert) error {
		for _, a := range alerts {
			found := read(a)
			counted.add(found)
			show(found)
		}
		return out.Flush()
	}
	interrupted, err := r.run(cmd.Context())
	if err != nil {
		return err
	}
	end()
	if err := out.Flush(); err != nil {
		return err
	}
	if !f.quiet {
		w := cmd.ErrOrStderr()
		if f.table {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, r.took(time.Since(start)))
		counted.write(w, r.engine.Counts(), len(r.engine.Rules()))
	}
	return r.outcome(cmd.ErrOrStderr(), interrupted)
}

// outcome turns how a run went into the end of the command.
func (r *runner) outcome(w io.Writer, interrupted bool) error {
	if n := r.trouble.lines; n > 0 {
		fmt.Fprintf(w, "%s passed over, in whole or in part\n", plural(n, "line"))
	}
	switch {
	case interrupted:
		fmt.Fprintln(w, "interrupted")
		return answer(exitInterrupted)
	case r.trouble.files > 0:
		return answer(exitTrouble)
	}
	return nil
}
