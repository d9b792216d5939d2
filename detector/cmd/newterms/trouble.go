package main

import (
	"fmt"
	"io"

	"fluent-bit-newterms/detector/cmd/newterms/input"
)

// namedTroubles is how many unreadable lines are named. The others are only
// counted.
const namedTroubles = 5

// trouble gathers what could not be read: lines without an event, and files
// that break off.
type trouble struct {
	w       io.Writer
	command string

	lines    uint64 // passed over, in whole or in part
	files    int    // not read to the end
	lastFile string
	lastLine int

	warned string // the file whose form was warned of last
}

// doubt warns, once a file, of lines in a form that can be misread.
func (t *trouble) doubt(file string, line []byte) {
	if file == t.warned || !input.ReadsUnescaped(line) {
		return
	}
	t.warned = file
	fmt.Fprintf(t.w, "%s: %s: warning: Fluent Bit does not escape strings in this form: whoever chooses one, such as a user agent, can forge fields; json_lines is safe\n",
		t.command, printable(file))
}

// line notes a line that holds no event, or one with a part that holds none.
func (t *trouble) line(file string, line int, err error) {
	if t.lines > 0 && t.lastLine == line && t.lastFile == file {
		return
	}
	t.lines++
	t.lastFile, t.lastLine = file, line
	switch {
	case t.lines <= namedTroubles:
		fmt.Fprintf(t.w, "%s: %s:%d: passed over: %s\n", t.command, printable(file), line, printable(err.Error()))
	case t.lines == namedTroubles+1:
		fmt.Fprintf(t.w, "%s: more lines are passed over; they are counted at the end\n", t.command)
	}
}

// file notes a file that could not be read to its end.
func (t *trouble) file(err error) {
	t.files++
	fmt.Fprintf(t.w, "%s: %s\n", t.command, printable(err.Error()))
}
