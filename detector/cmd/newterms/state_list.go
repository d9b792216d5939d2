package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/seen"
)

func newStateList(dir *string) *cobra.Command {
	var pattern, condition, order string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [flags]",
		Short: "List tuples: their terms, first and last sighting, and count",
		Long: `list prints the tuples that the rules have seen, the latest first. A count is
what at least was seen: sightings that follow each other closely are written to
disk only now and then.

--where is KQL on the terms, by the names of the rule's fields, and on
first_seen, last_seen, count, rule_id and rule_name.

Exit codes: 0 something was listed, 1 nothing was, 2 trouble.`,
		Example: `  newterms state list --state /var/lib/newterms --rule 'Kubernetes*' --sort first
  newterms state list --where 'user.name: admin and last_seen >= 2026-01-01' --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			less, ok := tupleOrders[order]
			if !ok {
				return fmt.Errorf("--sort %q is not allowed; last, first, count or terms", order)
			}
			rows, err := findTuples(cmd, *dir, pattern, condition)
			if err != nil {
				return err
			}
			slices.SortStableFunc(rows, less)
			found := len(rows)
			if limit > 0 && limit < found {
				rows = rows[:limit]
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			if asJSON {
				for i := range rows {
					if err := writeTuple(out, &rows[i]); err != nil {
						return err
					}
				}
			} else {
				printTuples(out, cmd.OutOrStdout(), rows)
			}
			if err := out.Flush(); err != nil {
				return err
			}
			if len(rows) < found {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s of %s; --limit 0 lists all\n", thousands(len(rows)), plural(found, "tuple"))
			}
			if found == 0 {
				return answer(exitNo)
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&pattern, "rule", "", "only tuples of this rule: `ID` or name, with * as a wildcard")
	fs.StringVar(&condition, "where", "", "only tuples that match this `KQL`")
	fs.StringVar(&order, "sort", "last", "`ORDER`: last or first (latest first), count (greatest first), terms")
	offer(cmd, "sort", "last", "first", "count", "terms")
	fs.IntVar(&limit, "limit", 0, "list at most `N` tuples, 0 for all")
	fs.BoolVar(&asJSON, "json", false, "one object a tuple, as export writes them")
	return cmd
}

// tupleRow is a tuple with its rule.
type tupleRow struct {
	rule *seen.RuleInfo
	seen.Tuple
}

// tupleOrders are the orders of list. Equal tuples stay in the order in which
// they were stored.
var tupleOrders = map[string]func(a, b tupleRow) int{
	"last":  func(a, b tupleRow) int { return cmp.Compare(b.Last, a.Last) },
	"first": func(a, b tupleRow) int { return cmp.Compare(b.First, a.First) },
	"count": func(a, b tupleRow) int { return cmp.Compare(b.Count, a.Count) },
	"terms": func(a, b tupleRow) int { return cmp.Compare(showTerms(a.Terms), showTerms(b.Terms)) },
}

// findTuples returns the tuples of the rules that a pattern names, and that
// match a condition.
func findTuples(cmd *cobra.Command, dir, pattern, condition string) ([]tupleRow, error) {
	w, err := newWhere(condition)
	if err != nil {
		return nil, err
	}
	snap, err := inspect(cmd, dir)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	rules, err := pickRules(snap.Rules(), pattern)
	if err != nil {
		return nil, err
	}
	if unknown := w.unknown(rules); unknown != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.CommandPath(), printable(unknown))
	}
	var rows []tupleRow
	for i := range rules {
		r := &rules[i]
		err := snap.Tuples(r.ID, func(t seen.Tuple) error {
			ok, err := w.match(r, &t)
			if ok {
				rows = append(rows, tupleRow{r, t})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// printTuples prints tuples for people, by rule where there are several.
func printTuples(w, dest io.Writer, rows []tupleRow) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "no tuples")
		return
	}
	var last *seen.RuleInfo
	for i := range rows {
		r := &rows[i]
		if r.rule != last {
			if last != nil {
				fmt.Fprintln(w)
			}
			last = r.rule
			fmt.Fprintf(w, "%s (%s)\n", printable(last.Name), printable(last.ID))
			fmt.Fprintf(w, "%-19s  %-19s  %8s  %s\n", "FIRST SEEN (UTC)", "LAST SEEN (UTC)", "COUNT", printable(strings.Join(last.Fields, " · ")))
		}
		fmt.Fprintf(w, "%s  %s  %8s  %s\n", clock(r.First), clock(r.Last), thousands(uint64(r.Count)), showTerms(r.Terms))
	}
}

// showTerms writes terms on one line.
func showTerms(terms []any) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = bare(t)
	}
	return strings.Join(parts, " · ")
}

// clock writes a moment, in unix ms, for people; a dash for none.
func clock(ms int64) string {
	if ms == 0 {
		return "-"
	}
	return time.UnixMilli(ms).UTC().Format(time.DateTime)
}

func newStateRules(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "rules",
		Short: "List the rules that a state knows",
		Long: `rules prints a line for each rule that the state knows: how many tuples it has,
when it first matched an event ("never": look at its coverage with newterms
check --mapping, and at newterms query), until when it learns or learned, its ID
and its name. What a rule saw under exceptions is listed like a rule of its own.
A rule of type query remembers and learns nothing.

Exit codes: 0, or 2 for trouble.`,
		Example: `  newterms state rules --state /var/lib/newterms`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			snap, err := inspect(cmd, *dir)
			if err != nil {
				return err
			}
			defer snap.Close()
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "%9s  %-19s  %-19s  %-36s  %s\n", "TUPLES", "FIRST MATCH (UTC)", "LEARNS UNTIL (UTC)", "RULE", "NAME")
			for _, r := range snap.Rules() {
				first, until := clock(r.Meta.FirstMatch), clock(r.Meta.LearningUntil)
				switch {
				case engine.IsHistory(r.ID):
					first = "-"
				case r.Meta.FirstMatch == 0 && r.Tuples == 0:
					first = "never"
				}
				switch {
				case len(r.Fields) == 0:
					until = "-"
				case r.Meta.BaselineDone != 0:
					until = "baseline made"
				}
				fmt.Fprintf(w, "%9s  %-19s  %-19s  %-36s  %s\n", thousands(r.Tuples), first, until, printable(r.ID), printable(r.Name))
			}
			if n := len(snap.Outbox()); n > 0 {
				fmt.Fprintf(w, "%s still to be delivered\n", plural(n, "alert"))
			}
			if snap.Pid != 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "in use by process %d\n", snap.Pid)
			}
			return nil
		},
	}
}
