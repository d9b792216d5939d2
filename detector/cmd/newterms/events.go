package main

import (
	"io"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/cmd/newterms/input"
	"fluent-bit-newterms/detector/mapping"
)

// events reads the events of files without rules.
type events struct {
	shape   shapeFlags
	trouble trouble
	file    string
	doc     func(file string, line int, doc map[string]any) error // gets the ECS document of each
	line    int
	err     error
}

// Event implements mapping.Handler.
func (e *events) Event(ev *mapping.Event) {
	ref := ev.Ref()
	doc, err := ref.Document()
	if err != nil {
		e.trouble.line(e.file, e.line, err)
		return
	}
	if e.err == nil {
		e.err = e.doc(e.file, e.line, doc)
	}
}

// read reads files to their end. Its error ends the command.
func (e *events) read(cmd *cobra.Command, paths []string) error {
	files, err := expand(cmd, paths)
	if err != nil {
		return err
	}
	e.trouble = trouble{w: cmd.ErrOrStderr(), command: cmd.CommandPath()}
	reader := mapping.NewPlan(e.shape.options()).NewReader()
	reader.Skip = func(line int, err error) { e.trouble.line(e.file, line, err) }
	in := input.NewReader(cmd.Context(), files.Paths, cmd.InOrStdin())
	defer in.Close()
	for e.err == nil {
		c, err := in.Next(cmd.Context())
		switch {
		case err == io.EOF && e.trouble.any():
			return answer(exitTrouble)
		case err == io.EOF:
			return nil
		case err != nil:
			return answer(exitInterrupted)
		}
		if e.file = c.File; c.Err != nil {
			e.trouble.file(c.Err)
		}
		for _, v := range c.Values {
			if e.line = v.Line; v.TooLong {
				e.trouble.line(c.File, v.Line, errTooLong)
				continue
			}
			err := input.Events(v.Text, func(event []byte, ns int64) {
				if reader.Line(event, ns, v.Line, e) == nil { // or Skip has heard of it
					e.trouble.read(c.File)
				}
			})
			if err != nil {
				e.trouble.line(c.File, v.Line, err)
			}
		}
		in.Free(c)
	}
	return e.err
}
