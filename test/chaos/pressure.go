package main

import (
	"fmt"
	"strings"
	"time"
)

// byForward is the receiver that alert_forward sends to.
const byForward = "alert_forward"

// pressure feeds the host while the receiver of its alerts is down, slow and
// hanging up, and then well. Flushes must go on at their pace, memory must not
// grow, and in the end everything has arrived, in order.
func (l *lab) pressure() (string, error) {
	r, err := newReceiver()
	if err != nil {
		return "", err
	}
	defer r.stop()
	f, err := l.newFeed("pressure", "Alert_Forward tcp://"+r.address, "Alert_Forward_Timeout 2s")
	if err != nil {
		return "", err
	}
	f.book.names = append(f.book.names, byForward)
	// The long form is an hour in all. What waits must fit the outbox, which
	// is why its events come more slowly.
	phase := time.Duration(l.choose(3, 20*60)) * time.Second
	pause := l.choose(20, 500) // ms between chunks
	chunks := 3 * int(phase.Milliseconds()) / pause
	if err := f.add(chunks, 1); err != nil {
		return "", err
	}
	steps, err := f.script([]string{fmt.Sprintf("sleep=%d", pause)}, "say=fed", "sleep=600000")
	if err != nil {
		return "", err
	}
	p, err := f.live(steps)
	if err != nil {
		return "", err
	}
	defer p.kill()
	began := time.Now()
	var peaks []string
	for _, m := range []mood{down, slow, hangsUp} {
		if err := r.be(m); err != nil {
			return "", err
		}
		time.Sleep(phase)
		l.tally(func(t *totals) { t.faults++ })
		peaks = append(peaks, fmt.Sprintf("%s %d MB", moods[m], p.peakMemory()>>20))
	}
	if err := l.awaitText(f.records(), "\nfed\n"); err != nil {
		return "", fmt.Errorf("flushes do not go on: %w\n%s", err, tail(p.log.String()))
	}
	fed := time.Since(began)
	if len(r.alerts()) > 0 {
		return "", fmt.Errorf("%d alerts arrived at a receiver that takes none", len(r.alerts()))
	}
	if err := r.be(well); err != nil {
		return "", err
	}
	want := len(f.book.fed)
	if err := l.await("the alerts", p, func() bool { return distinct(r.alerts()) == want }); err != nil {
		return "", fmt.Errorf("%d of %d alerts have arrived: %w", distinct(r.alerts()), want, err)
	}
	time.Sleep(2 * time.Second) // so that they leave the outbox
	p.kill()
	l.tally(func(t *totals) { t.rounds++; t.kills++ })
	if err := f.over(p); err != nil {
		return "", err
	}
	for _, a := range r.alerts() {
		f.book.left(byForward, &a)
	}
	if err := inOrder(r.alerts()); err != nil {
		return "", err
	}
	// The disk's time for each chunk is slack enough on a busy machine; a flush
	// that waits for a sink would take far longer.
	if limit := 3*phase + 20*time.Second + time.Duration(chunks)*50*time.Millisecond; fed > limit {
		return "", fmt.Errorf("feeding took %s, more than %s", fed, limit)
	}
	return fmt.Sprintf("%s each, then well; %d alerts in order; peak memory %s", phase, want, strings.Join(peaks, ", ")), f.settle()
}

func distinct(list []alert) int {
	have := make(map[string]bool)
	for _, a := range list {
		have[a.UUID] = true
	}
	return len(have)
}

// inOrder wants alerts to have come first in the order of their events.
func inOrder(list []alert) error {
	have := make(map[string]bool)
	last := 0
	for _, a := range list {
		if have[a.UUID] {
			continue
		}
		have[a.UUID] = true
		t, _ := a.tuple()
		n := 0
		if _, err := fmt.Sscanf(t.agent, "agent/%d", &n); err != nil {
			return fmt.Errorf("%q is not an agent of these runs", t.agent)
		}
		if n < last {
			return fmt.Errorf("the alert on %s came after that on agent/%d", t, last)
		}
		last = n
	}
	return nil
}
