package detector

import (
	"fmt"
	"slices"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// liveRule is the part of a rule that lives on when rules are loaded anew. It
// is guarded by the engine's lock.
type liveRule struct {
	fingerprint string

	info     alert.Rule
	suppress *rule.Suppression // nil if the rule suppresses nothing
	state    seen.RuleState
	memory   *seen.Memory
	gov      *alert.Governor
	except   *excepted // nil if the rule never had an exception
	counts   RuleCounts
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
	set, err := newRuleset(rules, &e.opts, e.opts.Clock())
	if err != nil {
		return nil, err
	}
	// What has to be read from disk is read before the flushes are held up.
	made := make([]*liveRule, len(rules))
	for i, r := range rules {
		if e.kept(r) != nil {
			continue
		}
		l, note, err := e.takeUp(r)
		if err != nil {
			return notes, fmt.Errorf("rule %s (%s): %w", r.Name, r.ID, err)
		}
		if note != "" {
			notes = append(notes, note)
		}
		made[i] = l
	}
	shadows := make([]*excepted, len(rules))
	for i, r := range rules {
		l := made[i]
		if l == nil {
			l = e.kept(r)
		}
		// One that runs has it already if it ever needed it.
		had := made[i] != nil && l.state.Meta.Excepted
		if l.except == nil && (had || len(r.Exceptions) > 0) {
			if shadows[i], err = e.shadow(r); err != nil {
				return notes, fmt.Errorf("rule %s (%s): %w", r.Name, r.ID, err)
			}
		}
		set.rules[i].liveRule = l
	}
	e.gen.Lock()
	defer e.gen.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.live
	e.live = make(map[string]*liveRule, len(rules))
	for i, c := range set.rules {
		e.adapt(c, shadows[i])
		e.live[c.rule.ID] = c.liveRule
	}
	e.set.Store(set)
	e.handOver(e.farewell(before))
	return notes, nil
}

// farewell makes the summaries that rules which run no more still owe: nobody
// would ask them later. The lock is held.
func (e *Engine) farewell(before map[string]*liveRule) (alerts []*Alert) {
	now := e.clock()
	for id, l := range before {
		if e.live[id] == l {
			continue
		}
		for _, s := range l.gov.Due(now, true) {
			alerts = append(alerts, e.summary(l, &s, now))
		}
		if l.gov.Changed() {
			l.state.Meta = l.meta()
			e.batch.SetMeta(l.state.Num, l.state.Meta)
		}
	}
	return alerts
}

// kept returns the running half that a rule takes over from before, nil if it
// has none. Only SetRules changes what it looks at.
func (e *Engine) kept(r *rule.Rule) *liveRule {
	if l := e.live[r.ID]; l != nil && l.fingerprint == r.Fingerprint() {
		return l
	}
	return nil
}

// takeUp makes the running half of a rule, with what the store knows of it.
func (e *Engine) takeUp(r *rule.Rule) (l *liveRule, note string, err error) {
	state, err := e.store.Rule(r.ID, seen.RuleOptions{Fingerprint: r.Fingerprint(), Name: r.Name, Fields: r.Terms})
	if err != nil {
		return nil, "", err
	}
	l = &liveRule{fingerprint: r.Fingerprint(), state: state}
	l.memory = seen.NewMemory(seen.MemoryConfig{MaxTuples: e.maxTerms(r), Window: r.Window, Fields: len(r.Terms)})
	l.gov = alert.NewGovernor(e.limits(r))
	if state.FingerprintChanged {
		note = fmt.Sprintf("rule %s (%s): its query or fields have changed, so it starts a new memory", r.Name, r.ID)
	} else if err := l.gov.Restore(state.Meta.Extra); err != nil {
		note = fmt.Sprintf("rule %s (%s): %v; they start anew", r.Name, r.ID, err)
	}
	if state.Meta.BaselineDone != 0 {
		l.gov.EndLearning()
	}
	_, err = e.store.Load(state, l.memory)
	return l, note, err
}

// adapt gives a running half what a rule says now, and the second memory that
// it needs from now on, if any. The lock is held.
func (e *Engine) adapt(c *compiled, shadow *excepted) {
	r, l := c.rule, c.liveRule
	limits, most := e.limits(r), e.maxTerms(r)
	if l.state.Meta.BaselineDone != 0 {
		limits.Learn = 0 // also where the baseline held no match of it
	}
	l.info, l.suppress = ruleInfo(r, limits), r.Suppression
	l.gov.SetLimits(limits)
	l.memory.Reconfigure(most, r.Window, &e.batch)
	if shadow != nil {
		l.except = shadow
	}
	if l.except == nil {
		return
	}
	l.except.memory.Reconfigure(most, r.Window, &e.batch)
	l.except.release(c.activeKeys())
	if !l.state.Meta.Excepted {
		l.state.Meta.Excepted = true
		e.batch.SetMeta(l.state.Num, l.state.Meta)
	}
}

func (e *Engine) maxTerms(r *rule.Rule) int {
	if r.MaxTerms > 0 {
		return r.MaxTerms
	}
	return e.opts.MaxTerms
}

// limits returns how a rule's alerts are held back. What the rule says in its
// table of our own goes before what the instance says, and that before what
// the rule says to Elastic.
func (e *Engine) limits(r *rule.Rule) alert.Limits {
	l := alert.Limits{MaxAlerts: r.MaxSignals, Interval: r.Interval, Learn: e.opts.Learn}
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
	if r.Suppression != nil {
		l.Suppress = r.Suppression.Duration
	}
	return l
}

func ruleInfo(r *rule.Rule, limits alert.Limits) alert.Rule {
	info := alert.Rule{
		ID: r.ID, UUID: alert.RuleUUID(r.ID), Name: r.Name, Description: r.Description,
		Severity: r.Severity, RiskScore: float64(r.RiskScore), Tags: r.Tags, Threat: r.Threat,
		References: r.References, FalsePositives: r.FalsePositives, Author: r.Author,
		License: r.License, Version: r.Version, From: r.From, MaxSignals: limits.MaxAlerts,
		Interval: rule.FormatSpan(limits.Interval),
		Window:   rule.FormatSpan(r.Window), Fields: slices.Clone(r.Terms), Building: r.BuildingBlock,
		TimestampOverride: r.TimestampOverride, NameOverride: r.RuleNameOverride,
	}
	if text, err := alert.Encode(r.Raw); err == nil { // it was read from TOML or JSON
		info.Parameters = text
	}
	for _, m := range r.SeverityMapping {
		info.SeverityMapping = append(info.SeverityMapping, alert.SeverityMapping(m))
	}
	for _, m := range r.RiskScoreMapping {
		info.RiskScoreMapping = append(info.RiskScoreMapping, alert.RiskScoreMapping(m))
	}
	return info
}

// meta writes what the store keeps about a rule for its users.
func (l *liveRule) meta() seen.RuleMeta {
	m := l.state.Meta
	m.Extra = l.gov.State()
	m.LearningSince, m.LearningUntil = unixMilli(l.gov.Since()), unixMilli(l.gov.Until())
	if m.FirstMatch == 0 {
		m.FirstMatch = m.LearningSince
	}
	m.Alerts = l.gov.Total()
	return m
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
