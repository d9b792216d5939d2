package main

import (
	"fmt"
	"io"

	"fluent-bit-newterms/detector/cmd/newterms/input"
)

// namedTroubles is how many unreadable lines are named. The others are only
// counted.
const namedTroubles = 5

var errTooLong = fmt.Errorf("the line, or the JSON value that begins there, is longer than %d MiB", input.MaxLine>>20)

// trouble gathers what could not be read: lines without an event, files that
// break off, and files with nothing but such lines.
type trouble struct {
	w       io.Writer
	command string

	lines    uint64 // passed over, in whole or in part
	files    int    // not read to the end, or without an event that could be read
	lastFile string
	lastLine int

	readable string // a file in which an event was read: the last one
	doubtful string // a file with an unreadable line: the last one
	reason   string // of that line
}

// read notes that an event of a file could be read.
func (t *trouble) read(file string) {
	if file != t.doubtful {
		t.settle()
	}
	t.readable = file
}

// line notes a line that holds no event, or one with a part that holds none.
func (t *trouble) line(file string, line int, err error) {
	if t.lines > 0 && t.lastLine == line && t.lastFile == file {
		return
	}
	if file != t.doubtful {
		t.settle()
		t.doubtful, t.reason = file, err.Error()
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

// settle ends the account of the file that had unreadable lines last.
func (t *trouble) settle() {
	if t.doubtful != "" && t.doubtful != t.readable {
		t.file(fmt.Errorf("%s: nothing in the file could be read as an event: %s", t.doubtful, t.reason))
	}
	t.doubtful = ""
}

// file notes a file that could not be read, or not to its end.
func (t *trouble) file(err error) {
	t.files++
	fmt.Fprintf(t.w, "%s: %s\n", t.command, printable(err.Error()))
}

// any tells whether a file could not be read, once all have been.
func (t *trouble) any() bool {
	t.settle()
	return t.files > 0
}
