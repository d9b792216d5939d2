package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/cmd/newterms/input"
	"fluent-bit-newterms/detector/cmd/newterms/report"
	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// reportFlags are the flags of report.
type reportFlags struct {
	replayFlags
	out   string
	title string
	most  countValue
}

func newReport() *cobra.Command {
	f := reportFlags{most: countValue{least: 1, most: 1_000_000}}
	f.learn = learnValue{text: "off"}
	f.maxAlerts, f.maxTerms = countValue{most: 1_000_000}, countValue{least: 1, most: 100_000_000}
	cmd := &cobra.Command{
		Use:   "report -o FILE [--rules PATH] [--state DIR] [flags] [FILE...]",
		Short: "Write an HTML page from a replay, from alerts, or from a state",
		Long: `report writes one HTML file that needs nothing else, network included: tuples that
were new over time, the alerts with their reasons, a page for each rule, and who
takes up memory.

With files of events and --rules it replays them, like newterms replay, and with
the same flags. With files and no --rules it shows the alerts in the files: what
the plugin, or newterms replay, wrote. An alert that comes several times is shown
once. Without files it shows the state of --state, which may be in use; --rules
then adds what the rules say of themselves.

The page is readable by its owner only.

Exit codes: 0 the page is written, 2 trouble, 130 interrupted; the page then
shows what was found until then.`,
		Example: `  newterms report --rules conf/rules --learn-until 2026-01-31 -o report.html audit-*.log.gz
  newterms report -o report.html alerts.jsonl
  newterms report --state /var/lib/newterms -o report.html`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.write(cmd, args) },
	}
	f.addCommon(cmd)
	offer(cmd, "learn", "off", "24h", "7d")
	fs := cmd.Flags()
	fs.StringVarP(&f.out, "out", "o", "", "the `FILE` to write, - for the standard output")
	fs.StringVar(&f.title, "title", "newterms report", "the `TITLE` of the page")
	fs.Var(&f.most, "most", "alerts to list at most (default 10000)")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no progress bar, no summary")
	return cmd
}

func (f *reportFlags) write(cmd *cobra.Command, files []string) error {
	if f.out == "" {
		return errors.New("name the file to write: -o FILE")
	}
	if len(files) == 0 && f.state == "" {
		return errors.New("name files of events or of alerts, or a state with --state")
	}
	if !f.most.set {
		f.most.n = 10_000
	}
	d := &report.Data{Title: f.title, Made: time.Now().UnixMilli(), Files: files}
	g := newGatherer(d, f.most.n)
	outcome := func() error { return nil }
	var err error
	switch {
	case len(files) == 0:
		err = f.fromState(cmd, g)
	case len(f.rules.rules) == 0:
		outcome, err = f.fromAlerts(cmd, g, files)
	default:
		outcome, err = f.replay(cmd, g, files)
	}
	if err != nil {
		return err
	}
	g.finish()
	if err := save(cmd, f.out, d); err != nil {
		return err
	}
	if !f.quiet && f.out != "-" {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s written: %s of %s\n", f.out, plural(len(d.Alerts)+d.LeftOut, "alert"), plural(len(d.Rules), "rule"))
	}
	return outcome()
}

// replay runs files through the rules. What the rules remember is read from
// the state afterwards; without one of the user's, from one made for it.
func (f *reportFlags) replay(cmd *cobra.Command, g *gatherer, files []string) (outcome func() error, err error) {
	o := f.options(files)
	if o.state == "" {
		if o.state, err = os.MkdirTemp("", "newterms-report-"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(o.state)
	}
	start := time.Now()
	r, err := newRunner(cmd, o)
	if err != nil {
		return nil, err
	}
	run := r.engine()
	r.timeline = newTimeline(run.Counts())
	o.engine.TimeFields = append(o.engine.TimeFields, timeFields...)
	r.needTime(o.engine)
	g.rules(run.Rules())
	r.receive = func(alerts [][]*engine.Alert) error {
		for _, a := range alerts[0] {
			g.alert(read(a))
		}
		return nil
	}
	interrupted, err := r.run(cmd.Context())
	if err != nil {
		return nil, err
	}
	c := run.Counts()
	g.d.Replayed, g.d.Source = true, "Replay of "+plural(len(files), "path")
	g.d.Events, g.d.Matches, g.d.Learned, g.d.Skipped = c.Events.Load(), c.Matched.Load(), c.Learned.Load(), r.trouble.lines
	g.activity = r.timeline.buckets
	snap, err := inspect(cmd, o.state)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	took := time.Since(start)
	return func() error {
		if !f.quiet {
			fmt.Fprintln(cmd.ErrOrStderr(), r.took(took))
		}
		return r.outcome(cmd.ErrOrStderr(), interrupted)
	}, g.state(snap)
}

// fromAlerts shows alerts that were raised before: by the plugin, or by replay.
func (f *reportFlags) fromAlerts(cmd *cobra.Command, g *gatherer, files []string) (outcome func() error, err error) {
	if f.state != "" {
		if err := f.fromState(cmd, g); err != nil {
			return nil, err
		}
	}
	expanded, err := expand(cmd, files)
	if err != nil {
		return nil, err
	}
	r := &runner{trouble: trouble{w: cmd.ErrOrStderr(), command: cmd.CommandPath()}}
	r.in = input.NewReader(cmd.Context(), expanded.Paths, cmd.InOrStdin())
	defer r.in.Close()
	uuids := make(map[string]bool) // one alert may be in several files, or twice
	n := 0
	for {
		c, err := r.in.Next(cmd.Context())
		if err != nil {
			if err == io.EOF && n == 0 {
				return nil, fmt.Errorf("no alerts in %s; to replay events, name the rules: --rules", strings.Join(files, ", "))
			}
			interrupted := err != io.EOF
			g.d.Source = "Alerts of " + plural(len(expanded.Paths), "file")
			return func() error { return r.outcome(cmd.ErrOrStderr(), interrupted) }, nil
		}
		if c.Err != nil {
			r.trouble.file(c.Err)
		}
		for _, v := range c.Values {
			_ = input.Events(v.Text, func(event []byte, _ int64) {
				a := readAlert(event)
				if a == nil {
					r.trouble.line(c.File, v.Line, errNoAlert)
					return
				}
				r.trouble.read(c.File)
				if n++; !uuids[a.UUID] {
					uuids[a.UUID] = true
					g.alert(a)
				}
			})
		}
		r.in.Free(c)
	}
}

var errNoAlert = errors.New("this is no alert of newterms: it has no kibana.alert.uuid")

// fromState shows a state, in the words of rules if there are any.
func (f *reportFlags) fromState(cmd *cobra.Command, g *gatherer) error {
	if len(f.rules.rules) > 0 {
		set, err := loadRules(cmd, f.rules)
		if err != nil {
			return err
		}
		g.rules(set.Rules)
	}
	snap, err := inspect(cmd, f.state)
	if err != nil {
		return err
	}
	defer snap.Close()
	g.d.Source = "State " + f.state
	return g.state(snap)
}

// save writes the page beside its place and moves it there, so that an old
// one is replaced by a whole one or not at all. Only its owner may read it
// (0600): what logs hold is in it.
func save(cmd *cobra.Command, path string, d *report.Data) (err error) {
	if path == "-" {
		return report.Write(cmd.OutOrStdout(), d)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".newterms-report-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // it is gone once renamed
	if err := errors.Join(report.Write(tmp, d), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// ruleInfo is what a report says of a rule that it has the text of.
func ruleInfo(r *rule.Rule) report.Rule {
	return report.Rule{
		ID: r.ID, Name: r.Name, Description: r.Description, Severity: r.Severity,
		Query: r.Query, Window: rule.FormatSpan(r.Window), Fields: r.Terms,
	}
}

// ruleOf is what a report says of a rule that only a state knows.
func ruleOf(r *seen.RuleInfo) report.Rule {
	return report.Rule{ID: r.ID, Name: r.Name, Severity: "low", Fields: r.Fields}
}
