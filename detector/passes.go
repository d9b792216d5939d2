package detector

import (
	"runtime"
	"sync"
)

// passes are the passes that are not in use. They are kept for good, as the
// collector would not let a sync.Pool do: a pass has learnt what the events are
// like (see lens and recall), and would have to learn it again after every other
// collection.
type passes struct {
	mu   sync.Mutex
	free []*pass
}

// take returns a pass for a generation of rules, nil if there is none. Those of
// others are let go.
func (l *passes) take(set *ruleset) *pass {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := len(l.free); n > 0; n-- {
		p := l.free[n-1]
		l.free[n-1], l.free = nil, l.free[:n-1]
		if p.set == set {
			return p
		}
	}
	return nil
}

// give takes a pass back. No more are kept than can run at once.
func (l *passes) give(p *pass) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) < runtime.GOMAXPROCS(0) {
		l.free = append(l.free, p)
	}
}
