package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// diskChunks is how many chunks a life under attack is fed.
const diskChunks = 12

// disk lets each write, sync, truncation, rename and removal in the state
// folder fail in turn, once and for a while, with each of the errors that
// disks have. The plugin either refuses to start, and holds nothing, or takes
// every chunk, and everything is as if nothing had happened when the disk is
// back.
func (l *lab) disk() (string, error) {
	ops, names, err := l.dryRun()
	if err != nil {
		return "", err
	}
	step := l.choose(max(1, ops/24), 1)
	var todo []attack
	for n := 1; n <= ops; n += step {
		for i, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS} {
			if !l.long && (n/step+i)%3 != 0 {
				continue
			}
			a := attack{n: n, errno: errno, call: names[n-1]}
			todo = append(todo, a)
			a.outage = 300 * time.Millisecond
			todo = append(todo, a)
		}
	}
	// The same where the state that is found is none, and is to be replaced.
	for n := 1; n <= replacing; n++ {
		errno := []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS}[n%3]
		todo = append(todo, attack{n: n, errno: errno, call: "replacing a state", garbage: true})
	}
	refused, err := l.attackAll(todo)
	return fmt.Sprintf("%d calls, %d attacks, %d of them at the start and refused there", ops, len(todo), refused), err
}

// attack is one life whose n. call fails, and those for a while after it.
type attack struct {
	n      int
	errno  syscall.Errno
	outage time.Duration
	call   string // what the n. call is in a life without attacks

	garbage bool // there is something else in the place of the state
}

// replacing is how many calls it takes to put a state in the place of garbage,
// with some to spare.
const replacing = 24

// garbage is no state. It must not get lost, whatever happens: it could be a
// user's only copy of something.
var garbage = []byte(strings.Repeat("something else that somebody needs\n", 300))

// attackAll does attacks, several at a time: most of each is waiting.
func (l *lab) attackAll(todo []attack) (refused int, err error) {
	const atOnce = 6
	var work sync.WaitGroup
	var mu sync.Mutex
	room := make(chan struct{}, atOnce)
	for _, a := range todo {
		room <- struct{}{}
		mu.Lock()
		failed := err != nil
		mu.Unlock()
		if failed || l.ctx.Err() != nil {
			break
		}
		work.Go(func() {
			defer func() { <-room }()
			started, e := l.attack(a)
			mu.Lock()
			defer mu.Unlock()
			if e != nil && err == nil {
				err = fmt.Errorf("%w at call %d (%s), for %s: %w", a.errno, a.n, a.call, a.outage, e)
			}
			if !started {
				refused++
			}
		})
	}
	work.Wait()
	return refused, err
}

// dryRun returns which calls a life makes.
func (l *lab) dryRun() (int, []string, error) {
	f, err := l.newFeed("disk")
	if err != nil {
		return 0, nil, err
	}
	var mu sync.Mutex
	var names []string
	d := &faultyDisk{folder: f.state, decide: func(_ int, o op) verdict {
		mu.Lock()
		defer mu.Unlock()
		names = append(names, o.name+" "+filepath.Base(o.path))
		return verdict{}
	}}
	p, err := f.underAttack(d)
	if err != nil {
		return 0, nil, err
	}
	if err := p.wait(time.Minute); err != nil {
		return 0, nil, err
	}
	n, _ := d.count()
	mu.Lock()
	defer mu.Unlock()
	return n, names[:n], f.over(p)
}

// underAttack starts a life with its state under attack.
func (f *hostFeed) underAttack(d *faultyDisk) (*process, error) {
	if err := f.add(diskChunks, 3); err != nil {
		return nil, err
	}
	steps, err := f.script([]string{"sleep=5"}, "sleep=700")
	if err != nil {
		return nil, err
	}
	return d.launch(f.command(steps)...)
}

// attack does one attack. started is false where the plugin refused to start.
func (l *lab) attack(a attack) (started bool, err error) {
	f, err := l.newFeed("disk")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(f.dir)
	var until time.Time
	d := &faultyDisk{folder: f.state, decide: func(i int, _ op) verdict {
		if i == a.n {
			until = time.Now().Add(a.outage)
			return verdict{err: a.errno}
		}
		if i > a.n && time.Now().Before(until) {
			return verdict{err: a.errno}
		}
		return verdict{}
	}}
	if a.garbage {
		if err := errors.Join(os.Mkdir(f.state, 0o700), os.WriteFile(filepath.Join(f.state, "journal"), garbage, 0o600)); err != nil {
			return false, err
		}
	}
	p, err := f.underAttack(d)
	if err != nil {
		return false, err
	}
	err = p.wait(time.Minute)
	if a.garbage && !f.holdsGarbage() {
		return false, errors.New("the file that was in the place of the state is gone")
	}
	_, hit := d.count()
	l.tally(func(t *totals) { t.rounds++; t.faults += hit })
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		if !strings.Contains(p.log.String(), "property state_path") {
			return false, fmt.Errorf("the refusal does not name the property: %w", err)
		}
		err = nil
	} else {
		started = true
	}
	if err != nil {
		return started, err
	}
	if err := f.over(p); err != nil {
		return started, err
	}
	if started && len(f.pending) > 0 {
		return started, fmt.Errorf("%d chunks were not acknowledged:\n%s", len(f.pending), tail(p.log.String()))
	}
	if started {
		if err := f.alerted(p); err != nil {
			return started, err
		}
	}
	if !a.garbage || started { // otherwise there may still be no state to look at
		f.book.remembered(f.state, byInput, byFile)
	}
	return started, f.settle()
}

// holdsGarbage tells whether some file beside the state still is the garbage.
func (f *hostFeed) holdsGarbage() bool {
	files, _ := filepath.Glob(filepath.Join(f.state, "journal*"))
	for _, path := range files {
		if have, _ := os.ReadFile(path); bytes.Equal(have, garbage) {
			return true
		}
	}
	return false
}

// alerted wants every acknowledged tuple to have alerted already.
func (f *hostFeed) alerted(p *process) error {
	if f.book.lost() > 0 {
		return fmt.Errorf("%d tuples did not alert while the disk was away:\n%s", f.book.lost(), tail(p.log.String()))
	}
	return nil
}

// diskSlow lets every sync of the state take longer and longer: a flush waits
// five seconds at most, those after it hardly at all, and alerts go out.
func (l *lab) diskSlow() (string, error) {
	f, err := l.newFeed("slow")
	if err != nil {
		return "", err
	}
	hang := time.Duration(0)
	d := &faultyDisk{folder: f.state, decide: func(n int, o op) verdict {
		if n > 20 && strings.HasSuffix(o.name, "sync") {
			hang = time.Hour
		}
		return verdict{delay: hang}
	}}
	if err := f.add(40, 3); err != nil {
		return "", err
	}
	steps, err := f.script(nil, "say=fed", "sleep=3000", "say=waited", "sleep=60000")
	if err != nil {
		return "", err
	}
	began := time.Now()
	p, err := d.launch(f.command(steps)...)
	if err != nil {
		return "", err
	}
	fed := time.Duration(0)
	for p.running() && time.Since(began) < 30*time.Second {
		text, _ := os.ReadFile(f.records())
		if fed == 0 && strings.Contains(string(text), "\nfed\n") {
			fed = time.Since(began)
		}
		if strings.Contains(string(text), "\nwaited\n") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if fed == 0 || !p.running() {
		p.kill()
		return "", fmt.Errorf("the chunks were not taken while the disk hung:\n%s", tail(p.log.String()))
	}
	p.kill()
	_, hit := d.count()
	l.tally(func(t *totals) { t.rounds++; t.kills++; t.faults += hit })
	if err := f.over(p); err != nil {
		return "", err
	}
	if err := f.alerted(p); err != nil {
		return "", err
	}
	if limit := 12 * time.Second; fed > limit {
		return "", fmt.Errorf("it took %s to take 40 chunks while the disk hung, more than %s", fed, limit)
	}
	if !strings.Contains(p.log.String(), "slow") {
		return "", fmt.Errorf("the log does not say that the disk is slow:\n%s", tail(p.log.String()))
	}
	// What had not been written is gone with the process, but had alerted.
	return fmt.Sprintf("a disk that does not answer for an hour held 40 chunks up for %s", fed.Round(100*time.Millisecond)), f.settle()
}

// diskFull fills a small file system, takes the load all the same, starts anew
// on the full file system, and writes what it owes when there is room. Then the
// file system becomes read-only.
func (l *lab) diskFull() (string, error) {
	f, err := l.newFeed("full")
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(f.state, 0o700); err != nil {
		return "", err
	}
	mount := func(args ...string) error {
		if out, err := exec.Command("mount", append(args, f.state)...).CombinedOutput(); err != nil {
			return fmt.Errorf("mount: %w: %s", err, out)
		}
		return nil
	}
	if err := mount("-t", "tmpfs", "-o", "size=256k,mode=700", "newterms-chaos"); err != nil {
		return "SKIPPED, only root can mount", nil
	}
	defer exec.Command("umount", "-l", f.state).Run()
	if err := f.fullLife(120, "sleep=1500"); err != nil {
		return "", err
	}
	if err := f.fullLife(20, "say=fed", "sleep=4000", "say=waited", "sleep=1000"); err != nil {
		return "", err
	}
	return "filled, started again while full, enlarged, read-only", errors.Join(f.settle(), l.readOnly(f, mount))
}

// fullLife feeds chunks on a full file system. If it says that they are fed,
// the file system is made larger, and the life goes on.
func (f *hostFeed) fullLife(chunks int, end ...string) error {
	l := f.l
	if err := f.add(chunks, 20); err != nil {
		return err
	}
	steps, err := f.script([]string{"sleep=5"}, end...)
	if err != nil {
		return err
	}
	p, err := f.live(steps)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := l.awaitLog(p, "no space left"); err != nil {
		return err
	}
	if end[0] == "say=fed" {
		if err := l.awaitText(f.records(), "fed\n"); err != nil {
			return err
		}
		if out, err := exec.Command("mount", "-o", "remount,size=64m", f.state).CombinedOutput(); err != nil {
			return fmt.Errorf("mount: %w: %s", err, out)
		}
		if err := l.awaitLog(p, "can be written again"); err != nil {
			return err
		}
	}
	if err := p.wait(time.Minute); err != nil {
		return err
	}
	l.tally(func(t *totals) { t.rounds++; t.faults++ })
	if err := f.over(p); err != nil {
		return err
	}
	return f.alerted(p)
}

// readOnly starts on a read-only file system, which is refused with the reason.
func (l *lab) readOnly(f *hostFeed, mount func(...string) error) error {
	if err := mount("-o", "remount,ro"); err != nil {
		return err
	}
	steps, err := f.script(nil)
	if err != nil {
		return err
	}
	p, err := f.live(steps)
	if err != nil {
		return err
	}
	l.tally(func(t *totals) { t.faults++ })
	if p.wait(20*time.Second) == nil {
		return errors.New("the host starts with a read-only state")
	}
	if !strings.Contains(p.log.String(), "read-only") {
		return fmt.Errorf("the refusal does not say that the file system is read-only:\n%s", tail(p.log.String()))
	}
	return mount("-o", "remount,rw")
}

// awaitLog waits until a process has said something.
func (l *lab) awaitLog(p *process, text string) error {
	return l.await(fmt.Sprintf("%q in the log", text), p, func() bool { return strings.Contains(p.log.String(), text) })
}

// awaitText waits until a file holds a text.
func (l *lab) awaitText(path, text string) error {
	return l.await(fmt.Sprintf("%q in %s", text, filepath.Base(path)), nil, func() bool {
		have, _ := os.ReadFile(path)
		return strings.Contains(string(have), text)
	})
}

// await waits until a condition holds.
func (l *lab) await(what string, p *process, holds func() bool) error {
	most := time.Duration(l.choose(60, 600)) * time.Second
	for deadline := time.Now().Add(most); time.Now().Before(deadline) && l.ctx.Err() == nil; time.Sleep(30 * time.Millisecond) {
		if holds() {
			return nil
		}
		if p != nil && !p.running() {
			break
		}
	}
	if p != nil {
		return fmt.Errorf("waited in vain for %s:\n%s", what, tail(p.log.String()))
	}
	return fmt.Errorf("waited in vain for %s", what)
}
