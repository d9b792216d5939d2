package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/seen"
)

func newStateVerify(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Read a whole state and tell what is wrong with it",
		Long: `verify reads every page of a state and checks every value against its checksum.
It may be used while a plugin runs. Damage is no reason to stop one: it saves
what is whole when it next starts, and keeps the damaged file beside it.

Exit codes: 0 the state is sound, 1 it is damaged, 2 it could not be read.`,
		Example: `  newterms state verify --state /var/lib/newterms`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			snap, problems, err := seen.Inspect(*dir)
			if err != nil {
				return stateError(err)
			}
			defer snap.Close()
			w := cmd.OutOrStdout()
			for _, p := range problems {
				fmt.Fprintln(w, printable(p.String()))
			}
			rules, tuples := snap.Rules(), 0
			for _, r := range rules {
				tuples += r.Tuples
			}
			held := fmt.Sprintf("%s, %s, %s to deliver", plural(len(rules), "rule"), plural(tuples, "tuple"), plural(len(snap.Outbox()), "alert"))
			if len(problems) > 0 {
				fmt.Fprintf(w, "damaged; what can be read: %s\n", held)
				return answer(exitNo)
			}
			fmt.Fprintf(w, "sound: %s\n", held)
			return nil
		},
	}
}

func newStateCompact(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "compact",
		Short: "Give back the room that forgotten tuples left in a state",
		Long: `compact writes the state anew, without the pages that are free. A plugin uses
those again by itself, so this is of use only after much was forgotten.

Exit codes: 0 done, 2 trouble, such as a state in use.`,
		Example: `  newterms state compact --state /var/lib/newterms`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			before, after, err := seen.Compact(*dir)
			if err != nil {
				return stateError(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s bytes, %s before\n", thousands(after), thousands(before))
			return nil
		},
	}
}
