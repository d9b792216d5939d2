package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector"
	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/seen"
)

func newState() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look into what rules have seen, and change it",
		Long: `state works on the folder in which a plugin, or replay and learn, keep what the
rules have seen: tuples of terms, with their first and last sighting.

rules, list, export and verify read, also while a plugin uses the state. forget,
import, merge and compact write, and refuse a state in use: its plugin has it
in memory, and would not notice. Stop it first.

Exit codes: 0 all is well, 1 the answer is no (nothing found, or damage), 2
trouble: wrong use, no such state, or one in use.`,
		Example: `  newterms state rules --state /var/lib/newterms
  newterms state list --where 'user_agent.original: curl*'`,
		Args: knownSubcommand,
		RunE: needsSubcommand,
	}
	dir := cmd.PersistentFlags().String("state", detector.DefaultStatePath, "the `DIR` of the state")
	_ = cmd.MarkPersistentFlagDirname("state") // the flag is there
	cmd.AddCommand(
		newStateRules(dir), newStateList(dir), newStateForget(dir), newStateExport(dir),
		newStateImport(dir), newStateMerge(dir), newStateVerify(dir), newStateCompact(dir),
	)
	for _, c := range cmd.Commands() {
		c.DisableFlagsInUseLine = true
	}
	return cmd
}

// inspect opens a state for reading. Damage is said and no error: what is
// whole can be read.
func inspect(cmd *cobra.Command, dir string) (*seen.Snapshot, error) {
	snap, problems, err := seen.Inspect(dir)
	if err != nil {
		return nil, stateError(err)
	}
	if len(problems) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: the state is damaged: %s; what is whole is read; newterms state verify tells more\n",
			cmd.CommandPath(), printable(problems[0].String()))
	}
	return snap, nil
}

// stateError adds to an error of a state what to do about it, where the error
// does not say so itself.
func stateError(err error) error {
	switch {
	case errors.Is(err, seen.ErrLocked):
		return fmt.Errorf("%w; if a plugin uses it, stop that first, since it has the state in memory", err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; a state is a folder: name the one that state_path names, --state DIR", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; name the folder that state_path names: --state DIR", err)
	case errors.Is(err, seen.ErrOtherRule):
		return fmt.Errorf("%w; their queries or fields differ, so their tuples cannot be put together: use the same version of the rule, or leave it out", err)
	}
	return err
}

// pickRules returns the rules of a state that a pattern names: by ID or name,
// * being any run of characters; all for "".
func pickRules(rules []seen.RuleInfo, pattern string) ([]seen.RuleInfo, error) {
	if pattern == "" {
		return rules, nil
	}
	picked := slices.DeleteFunc(slices.Clone(rules), func(r seen.RuleInfo) bool {
		return !kql.MatchStars(pattern, r.ID) && !kql.MatchStars(pattern, r.Name)
	})
	if len(picked) == 0 {
		var known []string
		for _, r := range rules {
			known = append(known, fmt.Sprintf("%s (%s)", r.ID, r.Name))
		}
		return nil, fmt.Errorf("the state knows no rule %q; it knows %s", pattern, printable(strings.Join(known, ", ")))
	}
	return picked, nil
}
