package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
)

// confirmations are combinations that the shared store is told of as seen once
// their commit is durable.
type confirmations struct {
	disk  *seen.Store
	store *remote.Store
	wake  chan struct{} // capacity 1: there is something to confirm

	mu    sync.Mutex
	queue []unconfirmed
}

// unconfirmed are combinations of one commit.
type unconfirmed struct {
	ticket  seen.Ticket
	reqs    []remote.Request
	claimed time.Time // when their claims began
}

// add queues combinations; reqs is copied.
func (c *confirmations) add(ticket seen.Ticket, reqs []remote.Request) {
	if len(reqs) == 0 {
		return
	}
	c.mu.Lock()
	c.queue = append(c.queue, unconfirmed{ticket, slices.Clone(reqs), time.Now()})
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// confirm confirms the combinations whose commit is durable, and renews the
// claims of those that the disk still owes. It waits for the disk, most at most.
func (c *confirmations) confirm(most time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.mu.Unlock()
			return
		}
		next := c.queue[0]
		c.mu.Unlock()
		if c.disk.Wait(ctx, next.ticket) != nil {
			break // those behind it are not durable either
		}
		c.store.Mark(true, next.reqs...)
		c.mu.Lock()
		c.queue = slices.Delete(c.queue, 0, 1)
		c.mu.Unlock()
	}
	now := time.Now()
	var renew []remote.Request
	c.mu.Lock()
	for i := range c.queue {
		if x := &c.queue[i]; now.Sub(x.claimed) > c.store.ClaimTime()/3 {
			x.claimed = now
			renew = append(renew, x.reqs...)
		}
	}
	c.mu.Unlock()
	if len(renew) > 0 {
		c.store.Claim(renew)
	}
}
