// Command chaos attacks the built plugin the way that nights on call do: it
// kills it, takes its disk away, reloads it, stops whoever takes its alerts,
// and floods it. What must hold then is in ledger.go.
//
//	make chaos                    # about two minutes
//	go run ./test/chaos -long     # hundreds of kills, ten million tuples
//	go run ./test/chaos disk      # some runs only
//
// The host of test/host loads the plugin as Fluent Bit does; runs with a real
// Fluent Bit use the one on the PATH, or those that NEWTERMS_FLUENT_BIT names,
// and are skipped, loudly, where there is none.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fluent-bit-newterms/test/fluentbit"
)

// lab is where the runs take place.
type lab struct {
	ctx    context.Context
	long   bool
	dir    string // removed in the end
	plugin string
	host   string
	out    io.Writer

	fluentBits []string

	mu     sync.Mutex // guards totals, and writing to out
	totals totals
}

// totals are what the summary shows.
type totals struct {
	rounds, kills, faults, reloads int
	expected, lost, uuids, again   int
	peak                           int64
}

// run is one kind of attack.
type run struct {
	name string
	what string
	do   func(*lab) (note string, err error)
}

var runs = []run{
	{"crash", "the host is killed at any moment under load", (*lab).crashHost},
	{"crash-fluent-bit", "a Fluent Bit with chunks on disk is killed at any moment under load", (*lab).crashFluentBit},
	{"disk", "each write, sync and rename fails in turn", (*lab).disk},
	{"disk-slow", "the disk hangs", (*lab).diskSlow},
	{"disk-full", "a real file system is full, and read-only", (*lab).diskFull},
	{"reload", "hot reloads of the host under load", (*lab).reloadHost},
	{"reload-fluent-bit", "hot reloads of a Fluent Bit under load, by signal and by HTTP", (*lab).reloadFluentBit},
	{"backpressure", "whoever takes the alerts is down, is slow, and hangs up", (*lab).pressure},
	{"attack", "requests made to exhaust, blind or hide, in the host", (*lab).attackHost},
	{"attack-fluent-bit", "the same through a Fluent Bit with the shipped DaemonSet's configuration and limits", (*lab).attackFluentBit},
	{"flood", "new tuples as fast as they come", (*lab).flood},
}

func main() {
	if len(os.Args) > 1 && helpers[os.Args[1]] != nil {
		helpers[os.Args[1]](os.Args[2:])
		return
	}
	long := flag.Bool("long", false, "hundreds of rounds rather than a few")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(chaos(ctx, *long, flag.Args(), os.Stdout))
}

// helpers are what the program runs itself as, as processes of their own.
var helpers = map[string]func(args []string){
	launchHelper: launchFaulty,
	floodHelper:  floodProcess,
}

func chaos(ctx context.Context, long bool, names []string, out io.Writer) (code int) {
	for _, name := range names {
		if !slices.ContainsFunc(runs, func(r run) bool { return r.name == name }) {
			fmt.Fprintf(out, "there is no run called %s; those there are:\n", name)
			for _, r := range runs {
				fmt.Fprintf(out, "  %-18s %s\n", r.name, r.what)
			}
			return 2
		}
	}
	l, err := newLab(ctx, long, out)
	if err != nil {
		fmt.Fprintln(out, "chaos:", err)
		return 1
	}
	defer os.RemoveAll(l.dir)
	if !l.all(names) {
		code = 1
	}
	l.summary()
	return code
}

// all does the runs with these names, or every run. In the short form several
// go on at once, since they wait most of the time; in the long form each has
// the machine to itself.
func (l *lab) all(names []string) bool {
	room := make(chan struct{}, l.choose(4, 1))
	var work sync.WaitGroup
	var failed atomic.Bool
	for _, r := range runs {
		if len(names) > 0 && !slices.Contains(names, r.name) {
			continue
		}
		room <- struct{}{}
		work.Go(func() {
			defer func() { <-room }()
			if !l.one(&r) {
				failed.Store(true)
			}
		})
	}
	work.Wait()
	return !failed.Load()
}

// one does one run and reports on it.
func (l *lab) one(r *run) bool {
	began := time.Now()
	note, err := r.do(l)
	took := time.Since(began).Round(100 * time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		fmt.Fprintf(l.out, "FAIL %-18s %s: %v (%s)\n  %s\n", r.name, r.what, note, took, err)
		return false
	}
	fmt.Fprintf(l.out, "ok   %-18s %s: %s (%s)\n", r.name, r.what, note, took)
	return true
}

func (l *lab) summary() {
	t := &l.totals
	fmt.Fprintf(l.out, `
rounds            %d
kills             %d
faults injected   %d
hot reloads       %d
tuples expected   %d
alerts lost       %d
doubled uuids     %d
came again        %d (after a kill or a reload, with the uuid that they had)
peak memory       %d MB
`, t.rounds, t.kills, t.faults, t.reloads, t.expected, t.lost, t.uuids, t.again, t.peak>>20)
}

// account adds what a ledger found to the summary, and returns its error.
func (l *lab) account(book *ledger) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.totals.expected += len(book.owed)
	l.totals.lost += book.lost()
	l.totals.again += book.again
	for _, f := range book.faults {
		if strings.Contains(f, "two uuids") {
			l.totals.uuids++
		}
	}
	return book.err()
}

func (l *lab) sawPeak(p *process) {
	n := p.peakMemory()
	l.tally(func(t *totals) { t.peak = max(t.peak, n) })
}

// tally adds to the summary. Some runs do several things at once.
func (l *lab) tally(add func(*totals)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	add(&l.totals)
}

// newLab builds what is attacked.
func newLab(ctx context.Context, long bool, out io.Writer) (*lab, error) {
	if err := fluentbit.Build(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "newterms-chaos-")
	if err != nil {
		return nil, err
	}
	l := &lab{ctx: ctx, long: long, dir: dir, out: out, plugin: fluentbit.Plugin, host: fluentbit.Host, fluentBits: fluentbit.Binaries()}
	if len(l.fluentBits) == 0 {
		fmt.Fprintln(out, "*** There is no fluent-bit on the PATH: runs with a real Fluent Bit are SKIPPED. ***")
	}
	return l, nil
}

// folder makes a folder for a run.
func (l *lab) folder(name string) (string, error) { return os.MkdirTemp(l.dir, name+"-") }

// choose returns the size of a run in its two forms.
func (l *lab) choose(short, long int) int {
	if l.long {
		return long
	}
	return short
}
