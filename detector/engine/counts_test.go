package engine

import (
	"testing"

	"fluent-bit-newterms/detector/seen"
)

func TestEvictedCounts(t *testing.T) {
	var c RuleCounts
	c.evicted(&seen.Outcome{Evicted: true, EvictedInsideWindow: true})
	c.evicted(&seen.Outcome{Evicted: true})
	c.evicted(&seen.Outcome{})
	if c.Evicted.Load() != 2 || c.EvictedInsideWin.Load() != 1 {
		t.Errorf("%d evicted, %d inside their window", c.Evicted.Load(), c.EvictedInsideWin.Load())
	}
}
