// Command run runs the tests of every module in this tree. It prints a line
// per package, a line every five seconds that says what is going on, the output
// of what failed, and at the end what was skipped and why.
//
//	go run ./test/run [-long] [-sample 2m] [-race] [PACKAGE...]
//
// The default is go test -short. With -long every test runs. With -sample those
// that only -long runs are taken in a random order, one after the other, until
// the time is up.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// tick is how often run says what is going on.
const tick = 5 * time.Second

func main() {
	long := flag.Bool("long", false, "run every test, also those that go test -short skips")
	sample := flag.Duration("sample", 0, "then run some of the tests that go test -short skips, for this long")
	race := flag.Bool("race", false, "with the race detector")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	args := []string{"test", "-json", "-timeout", "60m"}
	if *race {
		args = append(args, "-race")
	}
	r := newReport(os.Stdout)
	err := everyModule(ctx, r, args, *long, flag.Args())
	if err == nil && *sample > 0 {
		err = sampleSkipped(ctx, r, args, *sample)
	}
	r.summary()
	if err != nil || r.failed > 0 {
		if err != nil {
			fmt.Fprintln(os.Stderr, "run:", err)
		}
		os.Exit(1)
	}
}

// everyModule runs the tests of the packages, which are those of the main module
// and of the modules under test if none is named.
func everyModule(ctx context.Context, r *report, args []string, long bool, packages []string) error {
	if !long {
		args = append(slices.Clone(args), "-short")
	}
	if len(packages) > 0 {
		return goTest(ctx, r, ".", append(args, packages...))
	}
	modules, err := filepath.Glob("test/*/go.mod")
	if err != nil {
		return err
	}
	for _, dir := range append([]string{"."}, dirs(modules)...) {
		if err := goTest(ctx, r, dir, append(slices.Clone(args), "./...")); err != nil {
			return err
		}
	}
	return nil
}

func dirs(files []string) (list []string) {
	for _, file := range files {
		list = append(list, filepath.Dir(file))
	}
	return list
}

// sampleSkipped runs tests that only -long runs, in a random order, until the
// time is up. The last one may take longer.
func sampleSkipped(ctx context.Context, r *report, args []string, limit time.Duration) error {
	left := slices.Clone(r.long)
	rand.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
	fmt.Fprintf(r.out, "\nA sample of the %d tests that need -long, for %s:\n\n", len(left), limit)
	for deadline := time.Now().Add(limit); len(left) > 0 && time.Now().Before(deadline); left = left[1:] {
		t := left[0]
		var run []string
		for _, name := range strings.Split(t.name, "/") {
			run = append(run, "^"+name+"$")
		}
		if err := goTest(ctx, r, t.dir, append(slices.Clone(args), "-count=1", "-v", "-run", strings.Join(run, "/"), t.pkg)); err != nil {
			return err
		}
	}
	return nil
}

// goTest runs go test in a module's folder and reports what it says. Tests that
// fail are in the report; the error is that go test could not be run.
func goTest(ctx context.Context, r *report, dir string, args []string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r.begin(dir)
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		readLines(stdout, lines)
	}()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for open := true; open; {
		var line []byte
		select {
		case line, open = <-lines:
			if open {
				r.line(line)
			}
		case <-ticker.C:
			r.progress(time.Now())
		}
	}
	err = cmd.Wait()
	if exit := new(exec.ExitError); errors.As(err, &exit) && r.failed > 0 {
		return ctx.Err() // the report says what failed
	}
	return err
}

// readLines sends each line, of whatever length.
func readLines(from io.Reader, to chan<- []byte) {
	var rest []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		rest = append(rest, buf[:n]...)
		for {
			line, after, ok := bytes.Cut(rest, []byte("\n"))
			if !ok {
				break
			}
			to <- bytes.Clone(line)
			rest = after
		}
		if err != nil {
			if len(rest) > 0 {
				to <- rest
			}
			return
		}
	}
}
