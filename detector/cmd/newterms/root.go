package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/version"
)

const rootHelp = `newterms finds what a log has never shown before: first-seen detection with
Elastic's new_terms rules, the same engine as the Fluent Bit plugin's.

Events are JSON: Kubernetes audit events, bare or as clouds wrap them, or ECS
documents; an event per line, pretty-printed over several lines, or in an array.
Text before the JSON, as log collectors write it, is passed over. The exports of
Elasticsearch, Splunk, Loki and OpenTelemetry are read too, and what Fluent Bit
writes: the file output's default form, plain and msgpack, and the stdout
output's json, json_lines and json_stream. Fluent Bit's other forms leave out the
names of fields, or do not escape strings, which makes them easy to forge.
Files may be compressed (gzip, zstd; told by how they begin), folders are read
file by file in the order of their names, and - is the standard input.

Exit codes:
  0    all is well; for query: something matched
  1    the answer is no: nothing matched, a rule cannot run, a state is damaged
  2    trouble: a wrong option, an unreadable file, a rule that does not load
  130  interrupted; what was found until then has been printed`

// newRoot returns the command with all its sub-commands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "newterms",
		Version:       version.Get().String(),
		Short:         "First-seen detection: check rules, search and replay logs, look into states",
		Long:          rootHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          knownSubcommand,
		RunE:          needsSubcommand,
	}
	root.AddCommand(newCheck(), newTest(), newNew(), newQuery(), newReplay(), newMap(), newFields(), newLearn(), newState(), newReport())
	for _, c := range root.Commands() {
		c.DisableFlagsInUseLine = true
	}
	root.SetHelpCommand(newHelp(root))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())
	})
	return root
}

// newHelp returns the command help. Cobra's own one ends with exit code 0 where
// it is asked for a command that is not there.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Tell how a command is used",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return knownSubcommand(cmd, args[len(args)-max(len(rest), 1):])
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if cmd, _, err := root.Find(args); err == nil {
				for _, c := range cmd.Commands() {
					names = append(names, c.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// knownSubcommand refuses what is no sub-command, with one that may be meant.
func knownSubcommand(cmd *cobra.Command, args []string) error {
	err := cobra.NoArgs(cmd, args)
	if err == nil {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		return fmt.Errorf("%w; is %s meant?", err, strings.Join(meant, " or "))
	}
	return fmt.Errorf("%w; %s --help lists them", err, cmd.CommandPath())
}

// needsSubcommand is what a command does that only holds others.
func needsSubcommand(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return fmt.Errorf("say what to do: %s; %s --help tells more", strings.Join(names, ", "), cmd.CommandPath())
}
