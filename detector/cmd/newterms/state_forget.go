package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/seen"
)

// shownBeforeForgetting is how many tuples forget shows before it asks.
const shownBeforeForgetting = 20

func newStateForget(dir *string) *cobra.Command {
	var pattern, condition string
	var yes bool
	cmd := &cobra.Command{
		Use:   "forget [--rule ID] [--where 'KQL'] [--yes]",
		Short: "Forget tuples, so that they alert again",
		Long: `forget removes the tuples of a rule, those that match a condition, or both
together. What it is about to remove is shown first, and asked about unless --yes
is given. A tuple that is forgotten is new when it is seen again.

--where is KQL as in newterms state list.

Exit codes: 0 done, 1 nothing matched or the answer was no, 2 trouble.`,
		Example: `  newterms state forget --state /var/lib/newterms --where 'user.name: mallory'
  newterms state forget --rule 'Kubernetes*' --where 'last_seen < 2026-01-01' --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if pattern == "" && condition == "" {
				return errors.New("say what to forget: --rule, --where or both")
			}
			rows, err := findTuples(cmd, *dir, pattern, condition)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			printTuples(out, out, rows[:min(len(rows), shownBeforeForgetting)])
			if more := len(rows) - shownBeforeForgetting; more > 0 {
				fmt.Fprintf(out, "… and %s more\n", thousands(more))
			}
			if len(rows) == 0 {
				return answer(exitNo)
			}
			if err := unused(*dir); err != nil {
				return stateError(err)
			}
			if !yes {
				ok, err := ask(cmd, fmt.Sprintf("Forget %s? [y/N] ", plural(len(rows), "tuple")))
				if err != nil {
					return err
				}
				if !ok {
					fmt.Fprintln(cmd.ErrOrStderr(), "nothing was forgotten")
					return answer(exitNo)
				}
			}
			n, err := forget(*dir, rows)
			if err != nil {
				return stateError(err)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s forgotten\n", plural(n, "tuple"))
			return nil
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&pattern, "rule", "", "tuples of this rule: `ID` or name, with * as a wildcard")
	cmd.Flags().StringVar(&condition, "where", "", "tuples that match this `KQL`")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// forget removes exactly the tuples that were shown.
func forget(dir string, rows []tupleRow) (n int, err error) {
	byRule := make(map[string]map[string]bool)
	for _, r := range rows {
		if byRule[r.rule.ID] == nil {
			byRule[r.rule.ID] = make(map[string]bool)
		}
		byRule[r.rule.ID][string(r.Raw)] = true
	}
	for id, raws := range byRule {
		k, err := seen.Forget(dir, id, func(t seen.Tuple) bool { return raws[string(t.Raw)] })
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// unused refuses a state in use before a question is asked whose answer would
// come to nothing.
func unused(dir string) error {
	snap, _, err := seen.Inspect(dir)
	if err != nil {
		return err
	}
	if pid := snap.Pid; pid != 0 {
		err = fmt.Errorf("%w: process %d holds %s", seen.ErrLocked, pid, dir)
	}
	return errors.Join(err, snap.Close())
}

// ask puts a question to whoever sits at the terminal.
func ask(cmd *cobra.Command, question string) (bool, error) {
	fmt.Fprint(cmd.ErrOrStderr(), question)
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && line == "" {
		fmt.Fprintln(cmd.ErrOrStderr())
		return false, errors.New("nobody answers; give --yes to forget without being asked")
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}
