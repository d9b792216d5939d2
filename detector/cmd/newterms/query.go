package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/cmd/newterms/input"
	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/mapping"
)

func newQuery() *cobra.Command {
	var q queryRun
	var shape shapeFlags
	cmd := &cobra.Command{
		Use:   "query [flags] 'KQL' [FILE...]",
		Short: "Print the lines whose events match a KQL query",
		Long: `query is a grep for KQL: it prints the lines of the files that hold an event
which matches, as they are (on a terminal, with control characters escaped).
Fields are named as rules name them, in ECS, also
where the events are raw audit events. Without a file, and for -, the standard
input is read.

Exit codes: 0 something matched, 1 nothing did, 2 the query is no KQL or a file
could not be read.`,
		Example: `  newterms query 'user.name: system\:anonymous and not event.outcome: failure' audit.log
  zcat audit.log.*.gz | newterms query 'user_agent.original: curl*'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("give the query, in quotes")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			node, err := kql.ParseTyped(args[0], ecs.TypeOf)
			if err != nil {
				return &exitError{exitTrouble, pointed(args[0], err)}
			}
			plan := mapping.NewPlan(shape.options())
			compiler := kql.NewCompiler(plan)
			if q.predicate, err = compiler.Compile(node); err != nil {
				return err
			}
			q.memo, q.reader = compiler.NewMemo(), plan.NewReader()
			files, err := expand(cmd, args[1:])
			if err != nil {
				return err
			}
			q.out = bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
			q.terminal = isTerminal(cmd.OutOrStdout())
			q.trouble = trouble{w: cmd.ErrOrStderr(), command: cmd.CommandPath()}
			return q.run(cmd, files.Paths)
		},
	}
	shape.add(cmd.Flags())
	offerEvents(cmd)
	cmd.Flags().BoolVarP(&q.count, "count", "c", false, "print only how many lines match")
	cmd.Flags().BoolVarP(&q.invert, "invert-match", "v", false, "print the lines that do not match")
	cmd.Flags().BoolVarP(&q.number, "line-number", "n", false, "print file and line before each line")
	cmd.Flags().IntVarP(&q.most, "max-count", "m", 0, "stop after `N` lines")
	return cmd
}

// queryRun is one search. It is the handler of the events of a line.
type queryRun struct {
	count, invert, number bool
	most                  int

	predicate *kql.Predicate
	memo      *kql.Memo
	reader    *mapping.Reader
	out       *bufio.Writer
	trouble   trouble

	matched bool // an event of the line at hand
	found   int

	terminal bool // out is one
}

// Event implements mapping.Handler.
func (q *queryRun) Event(ev *mapping.Event) {
	q.memo.Reset()
	q.matched = q.matched || q.predicate.Match(ev.View, q.memo)
}

func (q *queryRun) run(cmd *cobra.Command, files []string) error {
	ctx := cmd.Context()
	in := input.NewReader(ctx, files, cmd.InOrStdin())
	defer in.Close()
	var file string
	q.reader.Skip = func(line int, err error) { q.trouble.line(file, line, err) }
	for {
		c, err := in.Next(ctx)
		if err != nil {
			return q.end(err)
		}
		if file = c.File; c.Err != nil {
			q.trouble.file(c.Err)
		}
		full := q.chunk(c)
		in.Free(c)
		if err := q.out.Flush(); err != nil {
			return err
		}
		if full {
			return q.end(io.EOF)
		}
	}
}

// chunk searches the values of a chunk; full tells that enough were found.
func (q *queryRun) chunk(c *input.Chunk) (full bool) {
	for _, v := range c.Values {
		if v.TooLong {
			q.trouble.line(c.File, v.Line, errTooLong)
			continue
		}
		q.matched = false
		err := input.Events(v.Text, func(event []byte, ns int64) {
			if q.reader.Line(event, ns, v.Line, q) == nil { // or Skip has heard of it
				q.trouble.read(c.File)
			}
		})
		if err != nil {
			q.trouble.line(c.File, v.Line, err)
		}
		if q.matched == q.invert {
			continue
		}
		q.found++
		if !q.count {
			if q.number {
				fmt.Fprintf(q.out, "%s:%d:", printable(c.File), v.Line)
			}
			if q.terminal { // which control characters in a log must not command
				q.out.WriteString(printableLines(string(v.Text)))
			} else {
				q.out.Write(v.Text)
			}
			q.out.WriteByte('\n')
		}
		if q.most > 0 && q.found >= q.most {
			return true
		}
	}
	return false
}

func (q *queryRun) end(err error) error {
	if q.count {
		fmt.Fprintln(q.out, q.found)
	}
	if flushErr := q.out.Flush(); flushErr != nil {
		return flushErr
	}
	switch {
	case err != io.EOF:
		return answer(exitInterrupted)
	case q.trouble.any():
		return answer(exitTrouble)
	case q.found == 0:
		return answer(exitNo)
	}
	return nil
}

// pointed shows where in a query an error lies.
func pointed(query string, err error) error {
	var pe *kql.ParseError
	if !errors.As(err, &pe) {
		return err
	}
	msg := pe.Found
	if pe.Expected != "" {
		msg = "expected " + pe.Expected + ", found " + pe.Found
	}
	offset := min(pe.Offset, len(query))
	start := strings.LastIndexByte(query[:offset], '\n') + 1
	line, _, _ := strings.Cut(query[start:], "\n")
	before := line[:min(offset-start, len(line))]
	// A long line is shown around the place.
	const around = 60
	if cut := len(before) - around; cut > 0 {
		for !utf8.RuneStart(before[cut]) {
			cut++
		}
		before, line = "…"+before[cut:], "…"+line[cut:]
	}
	if cut := len(before) + around; cut < len(line) {
		for !utf8.RuneStart(line[cut]) {
			cut--
		}
		line = line[:cut] + "…"
	}
	text := fmt.Sprintf("the query is no KQL: %s\n  %s\n  %s^", printable(msg), printable(line),
		strings.Repeat(" ", uniseg.StringWidth(printable(before))))
	if pe.Hint != "" {
		text += "\n  " + printable(pe.Hint)
	}
	return errors.New(text)
}
