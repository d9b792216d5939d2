package detector

import (
	"fmt"
	"sync/atomic"
	"time"
)

// idle notices that no event arrives: a log that cannot be read, or is no
// longer written, looks like one without anything new in it.
type idle struct {
	host   Host
	after  time.Duration // 0: never
	events uint64        // at the last look
	since  atomic.Int64  // unix ms of the last event, of the start before there is one
	told   bool
}

func newIdle(host Host, after time.Duration) *idle {
	i := &idle{host: host, after: after}
	i.since.Store(time.Now().UnixMilli())
	return i
}

// look compares how many events there have been with the last look. It warns
// once, and says when events come again.
func (i *idle) look(events uint64) {
	now := time.Now()
	if events != i.events {
		if i.told {
			i.host.Log(LevelInfo, "events arrive again")
		}
		i.events, i.told = events, false
		i.since.Store(now.UnixMilli())
		return
	}
	quiet := now.Sub(time.UnixMilli(i.since.Load()))
	if i.after == 0 || i.told || quiet < i.after {
		return
	}
	i.told = true
	i.host.Log(LevelWarn, fmt.Sprintf("no event for %s: look whether the log is written, whether Fluent Bit may read it, and whether the Match of this output takes its tag; idle_after says after what time this is said", quiet.Round(time.Second)))
}

// last returns when the last event arrived, in seconds since the epoch.
func (i *idle) last() float64 { return float64(i.since.Load()) / 1000 }
