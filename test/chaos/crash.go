package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// hostFeed is a host that is fed chunks over many lives. A chunk that was not
// acknowledged in one life is fed again in the next, as Fluent Bit does with
// the chunks it keeps on disk.
type hostFeed struct {
	l       *lab
	dir     string
	book    *ledger
	events  events
	pending []chunk // not acknowledged yet
	lives   int
	config  string
	state   string
	args    []string // more options of the host
}

// The ways out of a hostFeed's alerts.
const (
	byInput = "the alerts input"
	byFile  = "alert_file"
)

func (l *lab) newFeed(name string, more ...string) (*hostFeed, error) {
	dir, err := l.folder(name)
	if err != nil {
		return nil, err
	}
	f := &hostFeed{l: l, dir: dir, book: newLedger(byInput, byFile), config: filepath.Join(dir, "host.conf"), state: filepath.Join(dir, "state"),
		args: []string{"-i", "20", "--ring", "100"}}
	return f, os.WriteFile(f.config, []byte("[SERVICE]\n    log_level info\n"+alertsInput()+
		newterms(f.state, append([]string{"Alert_File " + f.file()}, more...)...)), 0o600)
}

func (f *hostFeed) file() string { return filepath.Join(f.dir, "alerts") }

func (f *hostFeed) records() string {
	return filepath.Join(f.dir, fmt.Sprintf("records-%d", f.lives))
}

// add makes new chunks of n tuples each.
func (f *hostFeed) add(chunks, n int) error {
	for range chunks {
		c, err := f.events.chunk(f.dir, n)
		if err != nil {
			return err
		}
		f.pending = append(f.pending, c)
	}
	return nil
}

// script writes the steps of a life: the pending chunks, with something
// between, and an end.
func (f *hostFeed) script(between []string, end ...string) (string, error) {
	f.book.feed(f.pending)
	var steps []string
	for _, c := range f.pending {
		steps = append(steps, "events="+c.path, "say=ack "+c.path)
		steps = append(steps, between...)
	}
	path := filepath.Join(f.dir, "steps")
	return path, os.WriteFile(path, []byte(strings.Join(append(steps, end...), "\n")), 0o600)
}

// command returns the command line of a life.
func (f *hostFeed) command(steps string) []string {
	f.lives++
	args := []string{f.l.host, "-p", f.l.plugin, "-p", f.l.plugin, "-c", f.config, "-r", f.records()}
	return append(append(args, f.args...), "@"+steps)
}

// live starts a life.
func (f *hostFeed) live(steps string) (*process, error) {
	args := f.command(steps)
	return launch(f.l.ctx, args[0], args[1:]...)
}

// over takes in what a life has done.
func (f *hostFeed) over(p *process) error {
	f.l.sawPeak(p)
	acked := make(map[string]bool)
	err := f.book.read(byInput, f.records(), func(line string) {
		if path, ok := strings.CutPrefix(line, "ack "); ok {
			acked[path] = true
		}
	})
	if err != nil {
		return err
	}
	var left []chunk
	for i := range f.pending {
		if acked[f.pending[i].path] {
			f.book.acknowledged(&f.pending[i])
			_ = os.Remove(f.pending[i].path)
		} else {
			left = append(left, f.pending[i])
		}
	}
	f.pending = left
	_ = os.Remove(f.records())
	return f.book.read(byFile, f.file(), nil)
}

// settle feeds what is left in a life without attacks, and balances the book.
func (f *hostFeed) settle() error {
	for try := range 4 { // what waits may be more than leaves in one go
		steps, err := f.script(nil, fmt.Sprintf("sleep=%d", 800+1000*try))
		if err != nil {
			return err
		}
		p, err := f.live(steps)
		if err != nil {
			return err
		}
		if err := p.wait(time.Minute); err != nil {
			return err
		}
		if err := f.over(p); err != nil {
			return err
		}
		if f.book.lost() == 0 && len(f.pending) == 0 && waiting(f.state) == 0 {
			break
		}
	}
	if len(f.pending) > 0 {
		f.book.wrong("%d chunks were not acknowledged in a life without attacks", len(f.pending))
	}
	f.book.complete()
	f.book.remembered(f.state, byInput, byFile)
	f.book.empty(f.state)
	return f.l.account(f.book)
}

// crashHost kills the host at random moments. After each kill every tuple that
// the state remembers must have alerted, or wait in the outbox; in the end
// every acknowledged tuple must have, with one uuid.
func (l *lab) crashHost() (string, error) {
	f, err := l.newFeed("crash")
	if err != nil {
		return "", err
	}
	rounds := l.choose(20, 300)
	for range rounds {
		if err := f.add(40, 3); err != nil {
			return "", err
		}
		steps, err := f.script([]string{fmt.Sprintf("sleep=%d", rand.IntN(20))}, "sleep=5000")
		if err != nil {
			return "", err
		}
		p, err := f.live(steps)
		if err != nil {
			return "", err
		}
		time.Sleep(time.Duration(10+rand.IntN(l.choose(800, 1200))) * time.Millisecond)
		if !p.running() {
			return "", fmt.Errorf("the host ended before it was killed: %w", p.wait(0))
		}
		p.kill()
		l.tally(func(t *totals) { t.rounds++; t.kills++ })
		if err := f.over(p); err != nil {
			return "", err
		}
		f.book.remembered(f.state, byInput, byFile)
		if len(f.pending) > 500 {
			f.pending = f.pending[:500]
		}
	}
	return fmt.Sprintf("%d kills, %d tuples", rounds, len(f.book.fed)), f.settle()
}
