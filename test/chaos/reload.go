package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// reloadHost reloads the host between chunks. Descriptors and threads must not
// grow with the reloads.
func (l *lab) reloadHost() (string, error) {
	f, err := l.newFeed("reload")
	if err != nil {
		return "", err
	}
	const warm = 5
	n := l.choose(50, 300)
	if err := f.add(n+warm, 3); err != nil {
		return "", err
	}
	f.book.feed(f.pending)
	var steps []string
	for i, c := range f.pending {
		steps = append(steps, "events="+c.path, "say=ack "+c.path, fmt.Sprintf("sleep=%d", i*7%60), "reload")
		if i == warm {
			steps = append(steps, "say=warm", "sleep=400")
		}
	}
	path := f.dir + "/steps"
	steps = append(steps, "say=over", "sleep=1500")
	if err := os.WriteFile(path, []byte(strings.Join(steps, "\n")), 0o600); err != nil {
		return "", err
	}
	p, err := f.live(path)
	if err != nil {
		return "", err
	}
	if err := l.awaitText(f.records(), "\nwarm\n"); err != nil {
		return "", fmt.Errorf("%w\n%s", err, tail(p.log.String()))
	}
	time.Sleep(200 * time.Millisecond)
	before := measure(p)
	if err := l.await("the end of the reloads", p, func() bool {
		text, _ := os.ReadFile(f.records())
		return strings.Contains(string(text), "\nover\n")
	}); err != nil {
		return "", err
	}
	time.Sleep(300 * time.Millisecond)
	after := measure(p)
	if err := p.wait(time.Minute); err != nil {
		return "", err
	}
	l.tally(func(t *totals) { t.rounds++; t.reloads += n + warm })
	if err := f.over(p); err != nil {
		return "", err
	}
	if err := after.grown(before); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d reloads, %s", n+warm, after), f.settle()
}

// use is what a process holds.
type use struct{ descriptors, threads int }

func measure(p *process) use { return use{p.descriptors(), p.threads()} }

func (u use) String() string {
	return fmt.Sprintf("%d descriptors, %d threads", u.descriptors, u.threads)
}

// grown wants u to be no more than what was before, but for the few threads
// that Go's runtime makes as it needs them and keeps.
func (u use) grown(before use) error {
	if u.descriptors > before.descriptors+2 || u.threads > before.threads+6 {
		return fmt.Errorf("it holds %s, and held %s before the reloads", u, before)
	}
	return nil
}
