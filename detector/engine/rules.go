package engine

import (
	"fmt"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
)

// generation is the rules that run between two reloads. It is not changed once
// it is in use.
type generation struct {
	*match.Rules
	list []*runningRule // as Rules.List
}

// runningRule is a compiled rule and its state.
type runningRule struct {
	*ruleState
	*match.Rule
	shared *remote.Rule // nil without a shared store
}

// newGeneration compiles rules. Their states are added later.
func newGeneration(rules []*rule.Rule, o *Options) (*generation, error) {
	compiled, err := match.Compile(rules, o.matchOptions(), o.Clock())
	if err != nil {
		return nil, err
	}
	g := &generation{Rules: compiled}
	for _, c := range compiled.List() {
		r := &runningRule{Rule: c}
		if o.Shared != nil {
			r.shared = o.Shared.NewRule(c.Source.ID, c.Source.Fingerprint(), c.Source.Window)
		}
		g.list = append(g.list, r)
	}
	return g, nil
}

// SetRules makes the engine run these rules. Those that ran before and have
// the same query and fields keep their memory; the others take up what the
// store knows of them. notes say what a user should know about it. On an error
// the rules stay as they were.
//
// It waits for the flushes that are being read, so it must not be called
// between NewBatch and End.
func (e *Engine) SetRules(rules []*rule.Rule) (notes []string, err error) {
	e.reload.Lock()
	defer e.reload.Unlock()
	return e.setRules(rules)
}

// setRules is SetRules with the reload lock held.
func (e *Engine) setRules(rules []*rule.Rule) (notes []string, err error) {
	next, err := newGeneration(rules, &e.opts)
	if err != nil {
		return nil, err
	}
	// What has to be read from disk is read before the flushes are held up.
	histories := make([]*history, len(rules))
	normalizers := make([]*normalizer, len(rules))
	normalized := make([][]normalizedTuple, len(rules))
	for i, r := range rules {
		s := e.reusable(r)
		loaded := s == nil
		if loaded {
			var note string
			if s, note, err = e.loadState(r); err != nil {
				return notes, fmt.Errorf("rule %s (%s): %w", r.Name, r.ID, err)
			}
			if note != "" {
				notes = append(notes, note)
			}
		}
		// One that runs has its history already if it ever needed it.
		if s.history == nil && !r.IsQuery() && (len(r.Exceptions) > 0 || loaded && s.stored.Meta.Excepted) {
			if histories[i], err = loadHistory(e.store, r, e.maxTerms(r)); err != nil {
				return notes, fmt.Errorf("rule %s (%s): %w", r.Name, r.ID, err)
			}
		}
		if n := newNormalizer(r, &e.opts); n != nil {
			normalizers[i] = n
			if n.id() != s.normalizer.id() {
				if normalized[i], err = n.normalized(e.store, s.stored); err != nil {
					return notes, fmt.Errorf("rule %s (%s): %w", r.Name, r.ID, err)
				}
			}
		}
		next.list[i].ruleState = s
	}
	e.gen.Lock()
	defer e.gen.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.states
	e.states = make(map[string]*ruleState, len(rules))
	for i, r := range next.list {
		r.applyConfig(e.limits(r.Source), e.maxTerms(r.Source), histories[i], &e.batch)
		r.setNormalizer(normalizers[i], normalized[i], &e.batch)
		e.states[r.Source.ID] = r.ruleState
	}
	e.rules.Store(next)
	e.handOver(e.finalSummaries(before))
	return notes, nil
}

// DeadRule says what keeps a rule from matching any raw event that mappings give,
// "" if nothing does.
func DeadRule(r *rule.Rule, o mapping.Options) (why string) {
	_, why = match.Dead(r, o)
	return why
}

// expireExceptions compiles the rules anew if an exception has expired. It
// returns what a user should know about it.
func (e *Engine) expireExceptions() (note string) {
	expired := func() bool {
		at := e.rules.Load().Expires()
		return !at.IsZero() && !e.opts.Clock().Before(at)
	}
	if !expired() {
		return ""
	}
	// The rules are asked for under the lock: a reload may be under way, and
	// those from before it must not come back.
	e.reload.Lock()
	defer e.reload.Unlock()
	if !expired() {
		return ""
	}
	if _, err := e.setRules(e.Rules()); err != nil {
		return "an exception has expired, and the rules cannot be set anew: " + err.Error()
	}
	return "an exception has expired; what was seen under it counts as known"
}

// finalSummaries makes the summaries that rules which run no more still owe:
// nobody would ask them later. The lock is held.
func (e *Engine) finalSummaries(before map[string]*ruleState) (alerts []*Alert) {
	now := e.clock()
	for id, s := range before {
		if e.states[id] == s {
			continue
		}
		for _, sum := range s.limiter.Due(now, true) {
			alerts = append(alerts, e.build.summary(s, &sum, now))
		}
		s.writeChanged(&e.batch)
	}
	return alerts
}

// reusable returns the state that a rule takes over from before, nil if it has
// none. Only setRules changes what it looks at.
func (e *Engine) reusable(r *rule.Rule) *ruleState {
	if s := e.states[r.ID]; s != nil && s.fingerprint == r.Fingerprint() {
		return s
	}
	return nil
}

// loadState makes the state of a rule, with what the store knows of it.
func (e *Engine) loadState(r *rule.Rule) (s *ruleState, note string, err error) {
	stored, err := e.store.Rule(r.ID, seen.RuleOptions{Fingerprint: r.Fingerprint(), Name: r.Name, Fields: r.Terms})
	if err != nil {
		return nil, "", err
	}
	s = &ruleState{fingerprint: r.Fingerprint(), stored: stored}
	s.memory = seen.NewMemory(seen.MemoryConfig{MaxTuples: e.maxTerms(r), Window: r.Window, Fields: len(r.Terms)})
	s.limiter = newLimiter(e.limits(r))
	if stored.FingerprintChanged {
		note = fmt.Sprintf("rule %s (%s): its query or fields have changed, so it starts a new memory", r.Name, r.ID)
	} else if err := s.limiter.Restore(stored.Meta.Extra); err != nil {
		note = fmt.Sprintf("rule %s (%s): %v; they start anew", r.Name, r.ID, err)
	}
	if stored.Meta.BaselineDone != 0 {
		s.limiter.EndLearning()
	}
	_, err = e.store.Load(stored, s.memory)
	return s, note, err
}

func (e *Engine) maxTerms(r *rule.Rule) int {
	if r.MaxTerms > 0 {
		return r.MaxTerms
	}
	return e.opts.MaxTerms
}

// limits returns how a rule's alerts are limited. What the rule says in its
// table of our own goes before what the instance says, and that before what
// the rule says to Elastic.
func (e *Engine) limits(r *rule.Rule) alertLimits {
	l := alertLimits{MaxAlerts: r.MaxSignals, Interval: r.Interval, Learn: e.opts.Learn}
	if e.opts.MaxAlerts != 0 {
		l.MaxAlerts = max(e.opts.MaxAlerts, 0)
	}
	if r.MaxAlerts > 0 {
		l.MaxAlerts = r.MaxAlerts
	}
	if e.opts.Interval > 0 {
		l.Interval = e.opts.Interval
	}
	if r.Learn != nil {
		l.Learn = *r.Learn
	}
	if r.IsQuery() {
		l.Learn = 0
	}
	if r.Suppression != nil {
		l.Suppress = r.Suppression.Duration
	}
	return l
}
