// Command newterms works with new_terms rules and events outside Fluent Bit:
// it checks rules, searches events, replays old logs, makes baselines, looks
// into the state that the plugin keeps, and writes reports.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes. The help of the command lists them.
const (
	exitOK          = 0
	exitNo          = 1 // the answer is no: no match, a rule that cannot run, damage
	exitTrouble     = 2 // the question could not be answered
	exitInterrupted = 130
)

// exitError is an error with an exit code of its own. Without a cause, all
// has been said already.
type exitError struct {
	code  int
	cause error
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.cause.Error()
}

func (e *exitError) Unwrap() error { return e.cause }

// answer ends a command with a code and no further words.
func answer(code int) error {
	if code == exitOK {
		return nil
	}
	return &exitError{code: code}
}

// run is the program, and returns its exit code. Ctrl-C ends what goes on; a
// second one ends the process at once.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var exit *exitError
	code := exitTrouble
	if errors.As(err, &exit) {
		code, err = exit.code, exit.cause
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", cmd.CommandPath(), printableLines(err.Error()))
	}
	return code
}
