package engine

import (
	"time"

	"fluent-bit-newterms/detector/seen/remote"
)

// baselineEvery is how often the learning of rules is compared.
const baselineEvery = time.Minute

// peerLearning compares the learning of rules with what other nodes know: a node
// that joins late does not learn what the others have learned. One goroutine
// uses it.
type peerLearning struct {
	engine *Engine
	store  *remote.Store
	told   map[string]remote.Baseline // by rule_id: what the store knows
	toldAt time.Time
}

// compare tells the store what this node knows and takes over what others know.
// What this node has learned is told when its combinations are there, or the
// others would stop learning and alert on them.
func (p *peerLearning) compare() {
	all := time.Since(p.toldAt) >= baselineEvery
	if !all && !p.untold() {
		return
	}
	synced := p.store.Synced()
	for _, r := range p.engine.rules.Load().list {
		mine := p.engine.baselineOf(r)
		if told, ok := p.told[r.info.ID]; ok && (told == mine || !synced) && !all {
			continue
		}
		if !synced {
			mine = remote.Baseline{}
		}
		got, err := p.store.Baseline(r.shared, mine)
		if err != nil {
			return // again in a second, or when the store is back
		}
		p.engine.applyBaseline(r, got)
		p.told[r.info.ID] = got
	}
	p.toldAt = time.Now()
}

// untold tells whether the store lacks what this node knows of a rule.
func (p *peerLearning) untold() bool {
	synced := p.store.Synced()
	for _, r := range p.engine.rules.Load().list {
		if told, ok := p.told[r.info.ID]; !ok || synced && told != p.engine.baselineOf(r) {
			return true
		}
	}
	return false
}

// baselineOf returns what is known of a rule's learning.
func (e *Engine) baselineOf(r *runningRule) remote.Baseline {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := remote.Baseline{Done: r.stored.Meta.BaselineDone != 0}
	if since := r.limiter.Since(); !since.IsZero() {
		b.Since = since.UnixMilli()
	}
	return b
}

// applyBaseline takes over what other nodes know of a rule's learning.
func (e *Engine) applyBaseline(r *runningRule, b remote.Baseline) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.limiter.Began(b.Since)
	if b.Done && r.stored.Meta.BaselineDone == 0 {
		r.endLearning(e.opts.Clock(), &e.batch)
	}
}
