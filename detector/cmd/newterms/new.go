package main

import (
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io"

	"strings"
	"time"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/cmd/newterms/input"
)

//go:embed template/*.toml
var templates embed.FS

func newNew() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Print a template of a rule, a mapping or an exception",
		Args:  knownSubcommand,
		RunE:  needsSubcommand,
	}
	for _, kind := range []string{"rule", "mapping"} {
		cmd.AddCommand(&cobra.Command{
			Use:   kind,
			Short: "Print a commented template of a " + kind,
			Long: "Prints a " + kind + " that is valid as it stands, with comments that say what can be\n" +
				"changed. Redirect it into a file.\n\nExit codes: 0 printed, 2 wrong use.",
			Example: "  newterms new " + kind + " > " + kind + ".toml",
			Args:    cobra.NoArgs,
			RunE:    func(cmd *cobra.Command, _ []string) error { return printTemplate(cmd.OutOrStdout(), kind) },
		})
	}
	cmd.AddCommand(newNewException())
	return cmd
}

// printTemplate prints a template, with an id of its own.
func printTemplate(w io.Writer, kind string) error {
	text, err := templates.ReadFile("template/" + kind + ".toml")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, strings.ReplaceAll(string(text), "00000000-0000-4000-8000-000000000000", newUUID()))
	return err
}

// newUUID returns a random UUID, of version 4 (RFC 9562).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it does not fail
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func newNewException() *cobra.Command {
	var alert string
	cmd := &cobra.Command{
		Use:   "exception [--alert FILE]",
		Short: "Print an exception: a template, or one that covers an alert",
		Long: `Without --alert it prints a commented template. With --alert FILE it reads an
alert (as newterms replay or the plugin writes it; - is the standard input) and
prints an exception for its rule that covers exactly that combination. Comments
show how to make it wider. Of several alerts in the file each gets one.

Exit codes: 0 printed, 2 there is no alert in the file, or wrong use.`,
		Example: `  newterms new exception --alert alert.json >> exceptions.toml
  newterms replay -q --rules conf/rules audit.log | head -1 | newterms new exception --alert -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if alert == "" {
				return printTemplate(cmd.OutOrStdout(), "exception")
			}
			return exceptionsOf(cmd, alert)
		},
	}
	cmd.Flags().StringVar(&alert, "alert", "", "cover the alert in this `FILE`")
	return cmd
}

// exceptionsOf prints an exception for each alert in a file.
func exceptionsOf(cmd *cobra.Command, path string) error {
	files, err := expand(cmd, []string{path})
	if err != nil {
		return err
	}
	in := input.NewReader(cmd.Context(), files.Paths, cmd.InOrStdin())
	defer in.Close()
	n, summaries := 0, 0
	for {
		c, err := in.Next(cmd.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if c.Err != nil {
			return c.Err
		}
		for _, v := range c.Values {
			err := input.Events(v.Text, func(event []byte, _ int64) {
				f := readAlert(event)
				switch {
				case f == nil:
				case f.Own.Summary != "" || len(f.Terms) == 0 || len(f.Terms) > len(f.Own.Fields):
					summaries++
				default:
					if n++; n > 1 {
						fmt.Fprintln(cmd.OutOrStdout())
					}
					writeException(cmd.OutOrStdout(), f)
				}
			})
			if err != nil {
				return fmt.Errorf("%s:%d: %w", path, v.Line, err)
			}
		}
		in.Free(c)
	}
	switch {
	case n > 0:
		return nil
	case summaries > 0:
		return fmt.Errorf("%s holds only summaries, which name no single combination; give it one of the alerts", path)
	}
	return errors.New("there is no alert in " + path + ": it has no kibana.alert.uuid")
}

// writeException writes an exception that covers exactly the combination of an
// alert.
func writeException(w io.Writer, f *found) {
	name := f.Rule
	if i := len(f.Terms) - 1; i >= 0 {
		name += ": " + showTerms(f.Terms)
	}
	fmt.Fprintln(w, "[[exception]]")
	fmt.Fprintf(w, "name = %s\n", tomlText(name))
	fmt.Fprintf(w, "rule = %s # %s\n", tomlText(f.RuleID), printable(f.Rule))
	var exact, lines []string
	for i, term := range f.Terms {
		exact = append(exact, kqlIs(f.Own.Fields[i], term))
	}
	fmt.Fprintf(w, "query = %s\n", tomlText(strings.Join(exact, " and ")))
	if len(exact) > 1 {
		for i := range exact {
			wider := append(append([]string{}, exact[:i]...), exact[i+1:]...)
			lines = append(lines, fmt.Sprintf("# whatever the %s:\n#   query = %s", printable(f.Own.Fields[i]), tomlText(strings.Join(wider, " and "))))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintln(w, "# Wider, instead:")
		fmt.Fprintln(w, strings.Join(lines, "\n"))
	}
	fmt.Fprintf(w, "# expires = %s # from then on it has no effect\n", time.Now().AddDate(0, 3, 0).UTC().Format(time.DateOnly))
	fmt.Fprintf(w, "comment = %s\n", tomlText("alert "+f.UUID+" of "+f.Time.Format(time.RFC3339)))
}

// kqlIs is the condition in KQL that a field has a value. A term that is
// missing is null.
func kqlIs(field string, term any) string {
	if term == nil {
		return "not " + field + ": *"
	}
	return field + ": " + kqlTerm(term)
}
