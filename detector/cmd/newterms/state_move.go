package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/cmd/newterms/input"
	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/seen"
)

func newStateExport(dir *string) *cobra.Command {
	var pattern string
	cmd := &cobra.Command{
		Use:   "export [--rule ID]",
		Short: "Write a state as lines of JSON",
		Long: `export writes the rules and tuples of a state to the standard output, an object a
line, for newterms state import or for other programs. It may be used while a
plugin runs. Alerts still to be delivered are not part of it.

  {"type":"rule","rule_id":…,"name":…,"fingerprint":…,"fields":[…],…}
  {"type":"tuple","rule_id":…,"terms":[…],"first_seen":…,"last_seen":…,"count":…}

Exit codes: 0 done, 2 trouble.`,
		Example: `  newterms state export --state /var/lib/newterms > baseline.ndjson`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			snap, err := inspect(cmd, *dir)
			if err != nil {
				return err
			}
			defer snap.Close()
			rules, err := pickRules(snap.Rules(), pattern)
			if err != nil {
				return err
			}
			data, err := loadState(snap, rules)
			if err != nil {
				return err
			}
			return export(cmd.OutOrStdout(), data)
		},
	}
	cmd.Flags().StringVar(&pattern, "rule", "", "only this rule: `ID` or name, with * as a wildcard")
	return cmd
}

// export writes a state in an order that depends on what is in it alone.
func export(w io.Writer, data *stateData) error {
	sorted, err := data.sorted()
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	for i := range sorted {
		r := &sorted[i]
		if err := writeRule(out, &r.RuleInfo); err != nil {
			return err
		}
		for _, t := range r.Seen {
			if err := writeTuple(out, &tupleRow{&r.RuleInfo, t}); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

func newStateImport(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import [FILE...]",
		Short: "Take what export wrote into a state",
		Long: `import merges exports (files, or the standard input) into a state, which is made
if there is none: see newterms state merge.

Exit codes: 0 done, 2 trouble, such as a state in use; then nothing was changed.`,
		Example: `  newterms state import --state /var/lib/newterms baseline.ndjson`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{input.Stdin}
			}
			data := newStateData()
			for _, name := range args {
				more, err := readExport(cmd, name)
				if err != nil {
					return err
				}
				if err := data.merge(more); err != nil {
					return stateError(err)
				}
			}
			return importInto(cmd, *dir, data)
		},
	}
	return cmd
}

func readExport(cmd *cobra.Command, name string) (*stateData, error) {
	if name == input.Stdin {
		return readState("-", cmd.InOrStdin())
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readState(name, f)
}

func newStateMerge(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "merge --state DIR FROM...",
		Short: "Put the states of several nodes together",
		Long: `merge takes the states in the folders FROM, which may be in use, into the one of
--state, which is made if there is none and must not be in use.

Of a tuple that several know, the earliest first sighting, the latest last one
and the greatest count are kept, so it does not matter in what order, in what
groups or how often states are merged. A rule that has done its learning in one
of them has done so in the result. Rules of one ID must have the same query and
fields everywhere.

Exit codes: 0 done, 2 trouble; then nothing was changed.`,
		Example: `  newterms state merge --state merged node-1/newterms node-2/newterms`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name the folders of the states to merge")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("state") {
				return errors.New("name the state to merge into: --state DIR")
			}
			data := newStateData()
			for _, from := range args {
				more, err := readFolder(cmd, from)
				if err != nil {
					return err
				}
				if err := data.merge(more); err != nil {
					return stateError(fmt.Errorf("%s: %w", from, err))
				}
			}
			return importInto(cmd, *dir, data)
		},
	}
	return cmd
}

func readFolder(cmd *cobra.Command, dir string) (*stateData, error) {
	snap, err := inspect(cmd, dir)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	return loadState(snap, snap.Rules())
}

// importInto merges data into the state in dir.
func importInto(cmd *cobra.Command, dir string, data *stateData) error {
	rules, err := data.sorted()
	if err != nil {
		return err
	}
	have, err := rulesOf(dir)
	if err != nil {
		return err
	}
	for i := range rules {
		r := &rules[i]
		mine, known := have[r.ID]
		if !known {
			r.Meta = resumable(r.ID, r.Meta)
			continue
		}
		// What the state says of its own limits stays; its learning may be
		// over now.
		joined := joinMeta(r.ID, portable(r.ID, mine.Meta, 0), r.Meta)
		if !engine.IsHistory(r.ID) {
			joined.Extra, joined.Alerts = mine.Meta.Extra, mine.Meta.Alerts
		}
		r.Meta, r.Name = joined, max(r.Name, mine.Name)
	}
	added, changed, err := seen.Import(dir, rules)
	if err != nil {
		return stateError(err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s of %s: %s new, %s changed, in %s\n", plural(count(rules), "tuple"),
		plural(len(rules), "rule"), thousands(added), thousands(changed), dir)
	return nil
}

func count(rules []seen.RuleTuples) (n int) {
	for i := range rules {
		n += len(rules[i].Seen)
	}
	return n
}

// rulesOf returns the rules that a state knows, which need not be there.
func rulesOf(dir string) (map[string]seen.RuleInfo, error) {
	snap, problems, err := seen.Inspect(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, stateError(err)
	}
	defer snap.Close()
	if len(problems) > 0 {
		return nil, fmt.Errorf("the state in %s is damaged: %s; start a plugin on it, which saves what is whole, or use another folder", dir, problems[0])
	}
	rules := make(map[string]seen.RuleInfo)
	for _, r := range snap.Rules() {
		rules[r.ID] = r
	}
	return rules, nil
}
