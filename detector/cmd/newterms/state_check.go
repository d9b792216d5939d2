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
		Long: `verify reads the whole journal of a state and checks it against its checksums. It
may be used while a plugin runs. Damage is no reason to stop the plugin: at its
next start it keeps what is whole, and moves the damaged file aside.

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
			if n := snap.Incomplete; n > 0 && snap.Pid == 0 && len(problems) == 0 {
				fmt.Fprintf(w, "the last %s bytes are not complete, as after a crash; the next start cuts them off\n", thousands(n))
			}
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
		Long: `compact writes the journal of a state anew, without what is dead in it. A plugin
does so by itself when more than half of a journal of a few MiB is dead.

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
