package remote

import (
	"math/rand/v2"
	"time"
)

// Bounds of the wait between probes of a server that is away.
const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second
	// steady is how long the server must answer to be trusted again: one that
	// fails again before, such as a Cluster that lacks a part, is probed as
	// seldom as if it had never been back.
	steady = time.Minute
)

// circuit keeps commands from a server that is away. It is open until a probe
// succeeds; the time between probes grows. It is not safe for concurrent use.
type circuit struct {
	open bool
	err  error     // that opened it, or that the last probe met
	next time.Time // of the next probe
	wait time.Duration

	closed time.Time // when it was closed last
}

// fail notes a failure; first tells that it opened the circuit.
func (c *circuit) fail(now time.Time, err error) (first bool) {
	if first = !c.open; first && now.Sub(c.closed) >= steady {
		c.wait = minBackoff
	}
	c.open, c.err = true, err
	// Nodes that lost the server together do not come back together.
	c.next = now.Add(c.wait/2 + rand.N(c.wait/2))
	c.wait = min(2*c.wait, maxBackoff)
	return first
}

// succeed closes the circuit; first tells that it was open.
func (c *circuit) succeed(now time.Time) (first bool) {
	if first = c.open; first {
		c.open, c.err, c.closed = false, nil, now
	}
	return first
}
