package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	jsoniter "github.com/json-iterator/go"
	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/rule"
)

var jsonLine = jsoniter.Config{EscapeHTML: false}.Froze()

func newCheck() *cobra.Command {
	var asJSON, strict bool
	var mode modeValue
	var exceptions pathsValue
	var config string
	cmd := &cobra.Command{
		Use:   "check [--json] [--mapping LIST] [--strict] [--exceptions PATH] PATH... | check --config FILE",
		Short: "Tell whether rules, or a configuration of Fluent Bit, can run",
		Long: `check reads rules (.toml as in the public repository, .ndjson as Kibana exports
them) and prints one line per rule: its name, its fields and its window, or that it
is a query. A rule
that its file disables is "off": it runs nowhere. What keeps a rule from running
follows with file, line and column. Rules of other types in
a folder, a glob or an export are passed over and counted; a file that is named
and holds nothing else is an error.

With --json each rule is an object on a line of its own:
  {"file","rule_id","name","ok","error","warnings","enabled"}

With --mapping LIST the data sets that the rule finds among the raw events of
these mappings follow, each with the fields that the rule asks for and such
events never have, and why the rule cannot fire if it cannot; as JSON in "coverage",
[{"mapping","dataset","runs","missing"}], and "cannot_fire". With --strict such a rule
is a failure.

With --config it checks a configuration of Fluent Bit, classic or YAML, with its
includes and variables: names and values of the properties of newterms and
newterms_alerts, rules and exceptions, paths and their modes, a Match that takes
the alerts, alerts that no output takes, out_newterms.so listed once, Workers
beside Hot_Reload, tail without DB or Refresh_Interval. Each problem is a line,
FILE:LINE: error|warning: MESSAGE; with --json {"file","line","level","message"}.
Run it where Fluent Bit will run: relative paths start at the current folder. A
note is no problem.

Exit codes: 0 all rules can run, or the configuration has no problems; 1 some
cannot, or it has; 2 wrong use.`,
		Example: `  newterms check conf/rules
  newterms check --config /etc/fluent-bit/fluent-bit.yaml
  newterms check --json rules.ndjson | jq 'select(.ok | not)'`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case config != "" && (len(args) > 0 || len(exceptions) > 0):
				return errors.New("--config names its own rules and exceptions; check others without it")
			case config == "" && len(args) == 0:
				return errors.New("name the files or folders of rules to check, or a configuration of Fluent Bit: --config FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if config != "" {
				return checkConfig(cmd, config, asJSON)
			}
			var coveredBy *mapping.Options
			if strict || cmd.Flags().Changed("mapping") {
				coveredBy = &mode.options
			}
			checked, skipped := checkRules(args, exceptions, coveredBy)
			out := bufio.NewWriter(cmd.OutOrStdout())
			for i := range checked {
				if asJSON {
					checked[i].writeJSON(out)
				} else {
					checked[i].write(out)
				}
			}
			if err := out.Flush(); err != nil {
				return err
			}
			var n counts
			for i := range checked {
				n.add(&checked[i])
			}
			note := cmd.ErrOrStderr()
			if skipped != "" {
				fmt.Fprintln(note, skipped)
			}
			if !asJSON {
				fmt.Fprintln(note, n.verdict())
			}
			if n.bad > 0 || n.files > 0 || strict && n.dead > 0 {
				return answer(exitNo)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one object a rule instead of text")
	cmd.Flags().StringVar(&config, "config", "", "check this configuration `FILE` of Fluent Bit")
	cmd.Flags().Var(&mode, "mapping", "print what the rules find in the raw events that these mappings give: auto, or names and files")
	cmd.Flags().BoolVar(&strict, "strict", false, "a rule that cannot fire on these events is a failure")
	cmd.Flags().Var(&exceptions, "exceptions", "files, folders or globs of exceptions to the rules")
	return cmd
}

// counts are of what was checked.
type counts struct {
	rules, off, bad int // rules: all; off: that could run, but are disabled
	dead            int // rules that no loaded mapping gives events for
	files           int // files, and exceptions, with problems of their own
}

func (n *counts) add(c *checkedRule) {
	if c.OK && c.Enabled && c.Dead != "" {
		n.dead++
	}
	switch isRule := c.Name != "" || c.RuleID != ""; {
	case isRule && !c.OK:
		n.rules, n.bad = n.rules+1, n.bad+1
	case isRule && !c.Enabled:
		n.rules, n.off = n.rules+1, n.off+1
	case isRule:
		n.rules++
	case !c.OK:
		n.files++
	}
}

func (n *counts) verdict() string {
	s := plural(n.rules, "rule")
	switch {
	case n.rules == 0 && n.files > 0:
		s = "no rules could be read"
	case n.rules == 0:
		return "no rules of type new_terms or query"
	case n.bad == 0 && n.off == 0:
		s += ", all can run"
	case n.bad > 0:
		s += fmt.Sprintf(", %s cannot run", thousands(n.bad))
	}
	if n.off > 0 {
		s += fmt.Sprintf(", %s disabled", thousands(n.off))
	}
	if n.dead > 0 {
		s += fmt.Sprintf(", %s cannot fire on raw events", thousands(n.dead))
	}
	if n.files > 0 {
		s += "; " + plural(n.files, "file") + " with errors"
	}
	return s
}

// checkedRule is what check has to say of a rule, or of a file that no rule
// could be made out in.
type checkedRule struct {
	File     string   `json:"file"`
	RuleID   string   `json:"rule_id"`
	Name     string   `json:"name"`
	OK       bool     `json:"ok"`
	Error    string   `json:"error"` // a line for each; "" if there is none
	Warnings []string `json:"warnings"`
	Enabled  bool     `json:"enabled"` // the file does not say enabled = false

	// With --mapping: what the rule finds in raw events, and why it cannot fire.
	Coverage []match.SourceCoverage `json:"coverage,omitempty"`
	Dead     string                 `json:"cannot_fire,omitempty"`

	asks string // the fields and the window, or that it is a query; "" for a file
	line int    // in the file, for the order
}

// checkRules loads and compiles rules. skipped says in a line what was passed
// over.
func checkRules(paths, exceptions []string, coveredBy *mapping.Options) (checked []checkedRule, skipped string) {
	set, err := rule.Load(paths, rule.Options{Exceptions: exceptions})
	for _, r := range set.Rules {
		c := checkedRule{
			File: r.Source.File, RuleID: r.ID, Name: r.Name, OK: true, Enabled: r.Enabled, line: r.Source.Line,
			asks: fmt.Sprintf("[%s]  %s", strings.Join(r.Terms, ", "), rule.FormatSpan(r.Window)), Warnings: []string{},
		}
		if r.IsQuery() {
			c.asks = "query"
		}
		if err := compiles(r); err != nil {
			c.OK, c.Error = false, fmt.Sprintf("%s: %v", r.Source, err)
		}
		if coveredBy != nil {
			c.Coverage, c.Dead = match.Dead(r, *coveredBy)
		}
		checked = append(checked, c)
	}
	find := func(p *rule.Problem) *checkedRule {
		for i := range checked {
			c := &checked[i]
			if c.File == p.File && (p.RuleID != "" && c.RuleID == p.RuleID || p.RuleID == "" && c.Name == p.Rule) {
				return c
			}
		}
		return nil
	}
	var problems rule.Problems
	if err != nil && !errors.As(err, &problems) {
		problems = rule.Problems{{Msg: err.Error()}}
	}
	for i := range problems {
		p := &problems[i]
		c := find(p)
		if c == nil || c.OK {
			// A rule that did load and has a problem is another of the same
			// id: it gets a line of its own.
			checked = append(checked, checkedRule{File: p.File, RuleID: p.RuleID, Name: p.Rule, Enabled: true, line: p.Line, Warnings: []string{}})
			c = &checked[len(checked)-1]
			c.Error = p.Error()
			continue
		}
		c.Error += "\n" + p.Error()
	}
	for i := range set.Warnings {
		p := &set.Warnings[i]
		if c := find(p); c != nil {
			c.Warnings = append(c.Warnings, p.Error())
			continue
		}
		checked = append(checked, checkedRule{
			File: p.File, RuleID: p.RuleID, Name: p.Rule, OK: true, Enabled: true, line: p.Line, Warnings: []string{p.Error()},
		})
	}
	slices.SortStableFunc(checked, func(a, b checkedRule) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.line - b.line
	})
	return checked, set.SkippedSummary()
}

// compiles makes sure that a rule's conditions can be turned into what runs.
func compiles(r *rule.Rule) error {
	compiler := kql.NewCompiler(mapping.NewPlan(mapping.Options{}))
	if _, err := compiler.Compile(r.Filter); err != nil {
		return err
	}
	for _, e := range r.Exceptions {
		if _, err := compiler.Compile(e.Node); err != nil {
			return fmt.Errorf("exception %q: %w", e.Name, err)
		}
	}
	return nil
}

func (c *checkedRule) writeJSON(w io.Writer) {
	line, err := jsonLine.Marshal(c)
	if err != nil {
		return // cannot be: strings and a bool
	}
	fmt.Fprintf(w, "%s\n", line)
}

func (c *checkedRule) write(w io.Writer) {
	name := c.Name
	if name == "" {
		name = filepath.Base(c.File)
	}
	switch {
	case !c.OK:
		fmt.Fprintf(w, "FAIL  %s\n", printable(name))
	case c.asks == "":
		fmt.Fprintf(w, "note  %s\n", printable(name)) // a file without rules, such as of exceptions
	case !c.Enabled:
		fmt.Fprintf(w, "off   %s  %s  disabled: the file says enabled = false\n", printable(name), printable(c.asks))
	default:
		fmt.Fprintf(w, "ok    %s  %s\n", printable(name), printable(c.asks))
	}
	for line := range strings.SplitSeq(c.Error, "\n") {
		if line != "" {
			fmt.Fprintf(w, "      %s\n", printable(line))
		}
	}
	for _, x := range c.Coverage {
		lacks := ""
		if len(x.Missing) > 0 {
			lacks = ": never has " + strings.Join(x.Missing, ", ")
		}
		fmt.Fprintf(w, "      events of %s (%s)%s\n", printable(x.Dataset), printable(x.Mapping), printable(lacks))
	}
	if c.Dead != "" {
		fmt.Fprintf(w, "      cannot fire: %s\n", printable(c.Dead))
	}
	for _, warning := range c.Warnings {
		fmt.Fprintf(w, "      warning: %s\n", printable(warning))
	}
}
