package telemetry

import (
	"fmt"
	"sync"
	"time"
)

// logEvery is how often a RateLimited logs lines of one format.
const logEvery = time.Minute

// RateLimited logs what may happen with every record. It logs the first line
// of a format at once, and after that one line per minute with the number of
// lines that were held back. The format is the kind: it must be a constant,
// which also bounds what a RateLimited holds.
type RateLimited struct {
	host Host

	mu    sync.Mutex
	kinds map[string]*heldBack // by format
}

// heldBack is the lines of one format since the last that was logged.
type heldBack struct {
	level  Level
	logged time.Time // when the last was
	n      int
	latest string
}

// NewRateLimited returns a rate-limited logger in front of a host's log.
func NewRateLimited(host Host) *RateLimited {
	return &RateLimited{host: host, kinds: make(map[string]*heldBack)}
}

// Warnf logs a line, or holds it back.
func (l *RateLimited) Warnf(format string, args ...any) { l.logf(LevelWarn, format, args...) }

// logf tells whether it logged the line.
func (l *RateLimited) logf(level Level, format string, args ...any) bool {
	line := fmt.Sprintf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[format]
	if k == nil {
		k = &heldBack{level: level}
		l.kinds[format] = k
	}
	if !k.logged.IsZero() && time.Since(k.logged) < logEvery {
		k.n, k.latest = k.n+1, line
		return false
	}
	k.logged = time.Now()
	l.host.Log(level, line)
	return true
}

// Flush logs what was held back for a minute, or, at the end, for any time.
func (l *RateLimited) Flush(end bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.kinds {
		if k.n == 0 || !end && time.Since(k.logged) < logEvery {
			continue
		}
		line := k.latest
		if k.n > 1 {
			line = fmt.Sprintf("%s (and %d more like it)", line, k.n-1)
		}
		l.host.Log(k.level, line)
		k.logged, k.n = time.Now(), 0
	}
}

// Recover logs a panic with its stack, and counts it. It is deferred, inside
// the loop of every goroutine: what a goroutine does not recover ends the host.
// task is a constant that says what was being done.
func (l *RateLimited) Recover(task string) {
	if v := recover(); v != nil {
		l.Panicked(task, v)
	}
}

// Panicked is Recover for a caller that has recovered v itself: it is called
// from the deferred function, so that the stack is still there.
func (l *RateLimited) Panicked(task string, v any) {
	countPanic(l.host)
	if l.logf(LevelError, "a bug stopped "+task+": %v; newterms goes on; please report it with the lines below", v) {
		logStack(l.host)
	}
}
