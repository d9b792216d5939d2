package main

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/rule"
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
	normalize normalizeValue
	variants  variantsValue
	table     bool
	summary   bool
	quiet     bool

	against string     // a state to begin with, which stays as it is
	diff    pathsValue // other rules
	without pathsValue // other exceptions; "none" for none
	expect  countValue
}

func newReplay() *cobra.Command {
	f := replayFlags{
		learn:     learnValue{text: "off"},
		maxAlerts: countValue{most: 1_000_000},
		maxTerms:  countValue{least: 1, most: 100_000_000},
		expect:    countValue{most: 1_000_000_000},
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

--summary prints how noisy the rules would be: alerts by day and rule, the terms
that make most of them, what an exception would save, and what memory the state
needs. It counts without a limit unless --max-alerts is given.

--against begins with what a state knows, which may be in use, and leaves that
state as it is.

--diff runs a second version of the rules on the same events, with a state of
its own, and prints what it loses (-) and gains (+). --diff-exceptions does so
for a second set of exceptions: files, or none.

--expect makes the exit code 1 unless there are exactly so many alerts or, with
--diff, differences.

Exit codes: 0 the files were read to the end, 1 not as many alerts as expected,
2 trouble with options, rules or files, 130 interrupted. Lines without an event are counted and do not matter.`,
		Example: `  newterms replay --rules conf/rules audit.log
  newterms replay --rules conf/rules --learn-until 2026-01-31 --table audit-*.log.gz
  newterms replay --rules conf/rules --summary audit-*.log.gz
  newterms replay --rules conf/rules --against /var/lib/newterms --expect 0 today.log
  newterms replay --rules old.toml --diff new.toml audit.log
  newterms replay --rules conf/rules --diff-exceptions ours.toml audit.log
  kubectl logs … | newterms replay --rules conf/rules --log-key log - | jq .newterms`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	fs := cmd.Flags()
	f.addCommon(cmd)
	fs.BoolVar(&f.table, "table", false, "print a table for people instead of JSON")
	fs.BoolVar(&f.summary, "summary", false, "print how noisy the rules are instead of the alerts")
	fs.Var(&f.diff, "diff", "print how the alerts of these rules differ from those of --rules")
	fs.Var(&f.without, "diff-exceptions", "print how the alerts differ with these exceptions, or with none")
	fs.StringVar(&f.against, "against", "", "begin with what the state in this `DIR` knows, and do not change it")
	fs.Var(&f.expect, "expect", "end with exit code 1 unless there are N alerts, or differences")
	cmd.MarkFlagsMutuallyExclusive("table", "summary", "diff")
	cmd.MarkFlagsMutuallyExclusive("table", "summary", "diff-exceptions")
	cmd.MarkFlagsMutuallyExclusive("state", "against")
	_ = cmd.MarkFlagDirname("against") // the flag is there
	offer(cmd, "learn", "off", "24h", "7d")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no progress bar, no summary")
	return cmd
}

// addCommon adds the flags that every command has which runs events through
// rules.
func (f *replayFlags) addCommon(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	f.addEvents(fs)
	offerEvents(cmd)
	fs.Var(&f.until, "learn-until", "events up to and including this `TIME` only teach (RFC 3339, or a date)")
	fs.StringVar(&f.state, "state", "", "keep the state in this `DIR`; without, nothing is kept")
	fs.Var(&f.learn, "learn", "how long a rule learns from its first match: off, 24h, 7d …")
	fs.Var(&f.maxAlerts, "max-alerts", "alerts an interval and rule, 0 for no limit (default: as each rule says)")
	fs.Var(&f.interval, "interval", "length of an interval (default: as each rule says)")
	fs.Var(&f.maxTerms, "max-terms", "tuples that a rule keeps (default 100000)")
	_ = cmd.MarkFlagDirname("state") // the flag is there
}

// addEvents adds the flags that say which rules run, and how events are read.
func (f *replayFlags) addEvents(fs *pflag.FlagSet) {
	f.rules.add(fs)
	f.shape.add(fs)
	fs.StringVar(&f.timeField, "time-field", "", "the `FIELD` that holds an event's time")
	fs.Var(&f.normalize, "normalize", "take versions and the like out of terms: off, kubernetes, or files; comma-separated (default off)")
	fs.Var(&f.variants, "variants", "what comes of variants of known tuples: summary or alert")
}

// offer makes shells complete the value of a flag.
func offer(cmd *cobra.Command, flag string, values ...string) {
	// The error is that the flag is not there.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder))
}

// offerEvents is offer for the flags of addEvents.
func offerEvents(cmd *cobra.Command) { offer(cmd, "mapping", "auto", "kubernetes_audit", "ecs") }

// options returns what a runner needs.
func (f *replayFlags) options(files []string) runOptions {
	o := runOptions{rules: []ruleFlags{f.rules}, state: f.state, files: files, bar: !f.quiet}
	o.engine = engine.Options{
		Mapping:   f.shape.options(),
		MaxTerms:  f.maxTerms.n,
		Learn:     f.learn.span,
		Interval:  time.Duration(f.interval),
		Normalize: f.normalize.set, AlertVariants: f.variants.Variants == rule.AlertVariants,
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
	o := f.options(files)
	o.against = f.against
	if f.compares() {
		o.rules = append(o.rules, f.other())
	}
	if f.summary && !f.maxAlerts.set {
		o.engine.MaxAlerts = -1 // what is held back makes noise all the same
	}
	r, err := newRunner(cmd, o)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
	var counted tally
	view := f.view(cmd, out, r)
	r.receive = func(alerts [][]*engine.Alert) error {
		view.add(readAll(alerts[0], &counted), alerts[1:])
		return out.Flush()
	}
	interrupted, err := r.run(cmd.Context())
	if err != nil {
		return err
	}
	view.end()
	if err := out.Flush(); err != nil {
		return err
	}
	if !f.quiet {
		w := cmd.ErrOrStderr()
		if !f.json() {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, r.took(time.Since(start)))
		counted.write(w, r.engine().Counts(), len(r.engine().Rules()))
	}
	err = r.outcome(cmd.ErrOrStderr(), interrupted)
	n := counted.alerts()
	if d, ok := view.(*diff); ok {
		n = d.gained + d.lost
	}
	if err == nil && f.expect.set && n != f.expect.n {
		what := "alert"
		if f.compares() {
			what = "difference"
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: expected %s, got %s\n", cmd.CommandPath(), plural(f.expect.n, what), thousands(n))
		return answer(exitNo)
	}
	return err
}

// compares tells whether two versions of the rules run.
func (f *replayFlags) compares() bool { return len(f.diff)+len(f.without) > 0 }

// other returns the second version of the rules.
func (f *replayFlags) other() ruleFlags {
	o := f.rules
	if len(f.diff) > 0 {
		o.rules = f.diff
	}
	switch {
	case len(f.without) == 1 && f.without[0] == "none":
		o.exceptions = nil
	case len(f.without) > 0:
		o.exceptions = f.without
	}
	return o
}

// view is a way to show what a replay finds.
type view interface {
	// add shows the alerts of a chunk: those of the rules, and those of the
	// rules that they are compared with, if any.
	add(alerts []*found, others [][]*engine.Alert)
	// end shows what can be said at the end only.
	end()
}

func (f *replayFlags) json() bool { return !f.table && !f.summary && !f.compares() }

func (f *replayFlags) view(cmd *cobra.Command, out *bufio.Writer, r *runner) view {
	switch {
	case f.table:
		return newTable(out, cmd.OutOrStdout())
	case f.summary:
		return newSummary(out, r)
	case f.compares():
		return newDiff(out)
	}
	return jsonView{out}
}

// readAll reads and counts alerts.
func readAll(alerts []*engine.Alert, counted *tally) []*found {
	list := make([]*found, len(alerts))
	for i, a := range alerts {
		list[i] = read(a)
		counted.add(list[i])
	}
	return list
}

// jsonView prints alerts as they are.
type jsonView struct{ w *bufio.Writer }

func (v jsonView) add(alerts []*found, _ [][]*engine.Alert) {
	for _, f := range alerts {
		v.w.Write(f.Body)
		v.w.WriteByte('\n')
	}
}

func (v jsonView) end() {}

// outcome turns how a run went into the end of the command.
func (r *runner) outcome(w io.Writer, interrupted bool) error {
	trouble := r.trouble.any()
	if n := r.trouble.lines; n > 0 {
		fmt.Fprintf(w, "%s passed over, in whole or in part\n", plural(n, "line"))
	}
	switch {
	case interrupted:
		fmt.Fprintln(w, "interrupted")
		return answer(exitInterrupted)
	case trouble:
		return answer(exitTrouble)
	}
	return nil
}
