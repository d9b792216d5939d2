package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fluent-bit-newterms/detector/cmd/newterms/input"
)

// bar shows how far the reading is, on a terminal. A nil bar shows nothing.
type bar struct {
	p     *progressbar.ProgressBar
	start time.Time
}

// isTerminal tells whether w is one.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// expand finds the files to read, and says what a user should know of them:
// also that events are taken from the keyboard, for who names no file has
// mostly forgotten it.
func expand(cmd *cobra.Command, paths []string) (*input.Files, error) {
	files, err := input.Expand(paths)
	if err != nil {
		return nil, err
	}
	for _, note := range files.Notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.CommandPath(), printable(note))
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if ok && slices.Equal(files.Paths, []string{input.Stdin}) && term.IsTerminal(int(in.Fd())) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: no file is named: reading events from the terminal, up to Ctrl-D\n", cmd.CommandPath())
	}
	return files, nil
}

// newBar returns a bar for size bytes, -1 if that is not known; nil if w is no
// terminal. It shows a rate from the second second on: before, buffers fill.
func newBar(w io.Writer, size int64) *bar {
	if !isTerminal(w) {
		return nil
	}
	return &bar{start: time.Now(), p: progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowBytes(false),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetDescription("reading"),
	)}
}

// at moves the bar to n bytes.
func (b *bar) at(n int64) {
	if b == nil {
		return
	}
	if d := time.Since(b.start).Seconds(); d >= 1 {
		b.p.Describe(fmt.Sprintf("reading, %.1f MB/s", float64(n)/1e6/d))
	}
	_ = b.p.Set64(n)
}

// clear makes room for text; the next move draws the bar again.
func (b *bar) clear() {
	if b != nil {
		_ = b.p.Clear()
	}
}

func (b *bar) finish() {
	if b != nil {
		_ = b.p.Finish()
	}
}

// above returns a writer to w whose text does not run into the bar.
func (b *bar) above(w io.Writer) io.Writer {
	if b == nil {
		return w
	}
	return aboveBar{b, w}
}

type aboveBar struct {
	b *bar
	w io.Writer
}

func (a aboveBar) Write(p []byte) (int, error) {
	a.b.clear()
	return a.w.Write(p)
}
