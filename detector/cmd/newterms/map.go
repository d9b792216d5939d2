package main

import (
	"bufio"
	"errors"

	"github.com/spf13/cobra"
)

func newMap() *cobra.Command {
	var e events
	cmd := &cobra.Command{
		Use:   "map [--mapping M] FILE...",
		Short: "Print the ECS document of each event",
		Long: `map prints the document that rules see of each event, a JSON object per line:
what a mapping makes of raw events, and documents as they are. Without a file,
and for -, it reads the standard input.

Exit codes: 0 the files were read to the end, 2 trouble with options or files,
130 interrupted.`,
		Example: `  newterms map audit.log | jq .user_agent
  newterms map --log-key log containers.log`,
		RunE: func(cmd *cobra.Command, args []string) error {
			out := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
			e.doc = func(_ string, _ int, doc map[string]any) error {
				line, err := jsonNumbers.Marshal(doc) // in the order of the keys
				if err != nil {
					return err
				}
				out.Write(line)
				return out.WriteByte('\n')
			}
			err := e.read(cmd, args)
			return errors.Join(out.Flush(), err)
		},
	}
	e.shape.add(cmd.Flags())
	offerEvents(cmd)
	return cmd
}
