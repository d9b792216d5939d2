package remote

import (
	"errors"
	"testing"
	"time"
)

func TestCircuit(t *testing.T) {
	var c circuit
	now := time.Unix(1_700_000_000, 0)
	down := errors.New("down")
	between := func(what string, low, high time.Duration) {
		t.Helper()
		if wait := c.next.Sub(now); wait < low || wait > high {
			t.Errorf("%s: the next probe is in %s, want %s to %s", what, wait, low, high)
		}
	}
	if !c.fail(now, down) || !c.open || c.err != down {
		t.Fatal("a failure does not open it")
	}
	between("first failure", minBackoff/2, minBackoff)
	if c.fail(now, down) {
		t.Error("it opens twice")
	}
	between("second failure", minBackoff, 2*minBackoff)
	for range 20 {
		c.fail(now, down)
	}
	between("many failures", maxBackoff/2, maxBackoff)

	if !c.succeed(now) || c.open || c.succeed(now) {
		t.Error("a success does not close it, or closes it twice")
	}
	now = now.Add(steady - 1)
	if !c.fail(now, down) {
		t.Error("it does not open again")
	}
	between("a failure soon after", maxBackoff/2, maxBackoff)
	c.succeed(now)
	now = now.Add(steady)
	c.fail(now, down)
	between("a failure later", minBackoff/2, minBackoff)
}
