package engine

import (
	"slices"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// ruleState is what a rule keeps when rules are loaded anew. It is guarded by the
// engine's lock.
type ruleState struct {
	fingerprint string

	info       alert.Rule
	suppress   *rule.Suppression // nil if the rule suppresses nothing
	stored     seen.RuleState
	memory     *seen.Memory
	limiter    *limiter
	history    *history // of what was seen under exceptions, nil if the rule never had one
	counts     RuleCounts
	normalizer *normalizer // nil where variants are new
}

// applyConfig gives the state what a rule says now, and the history that it needs
// from now on, if any.
func (r *runningRule) applyConfig(l alertLimits, maxTerms int, h *history, b *seen.Batch) {
	s, rule := r.ruleState, r.Source
	if s.stored.Meta.BaselineDone != 0 {
		l.Learn = 0 // also where the baseline held no match of it
	}
	s.info, s.suppress = ruleInfo(rule, l), rule.Suppression
	s.limiter.SetLimits(l)
	s.memory.Reconfigure(maxTerms, rule.Window, b)
	if h != nil {
		s.history = h
	}
	if s.history == nil {
		return
	}
	s.history.memory.Reconfigure(maxTerms, rule.Window, b)
	s.history.release(r.ActiveExceptions())
	if !s.stored.Meta.Excepted {
		s.stored.Meta.Excepted = true
		b.SetMeta(s.stored.Num, s.stored.Meta)
	}
}

// writeChanged writes what has changed of the limiter.
func (s *ruleState) writeChanged(b *seen.Batch) {
	if s.limiter.Changed() {
		s.stored.Meta = s.meta()
		b.SetMeta(s.stored.Num, s.stored.Meta)
	}
}

// endLearning ends the rule's learning: its baseline is done at the time now.
func (s *ruleState) endLearning(now time.Time, b *seen.Batch) {
	s.limiter.EndLearning()
	s.stored.Meta = s.meta()
	s.stored.Meta.BaselineDone = now.UnixMilli()
	b.SetMeta(s.stored.Num, s.stored.Meta)
}

// meta returns what the store keeps about the rule for its users.
func (s *ruleState) meta() seen.RuleMeta {
	m := s.stored.Meta
	m.Extra = s.limiter.State()
	m.LearningSince, m.LearningUntil = unixMilli(s.limiter.Since()), unixMilli(s.limiter.Until())
	if m.FirstMatch == 0 {
		m.FirstMatch = m.LearningSince
	}
	m.Alerts = s.limiter.Total()
	return m
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func ruleInfo(r *rule.Rule, l alertLimits) alert.Rule {
	info := alert.Rule{
		Type: r.Type, ID: r.ID, UUID: alert.RuleUUID(r.ID), Name: r.Name, Description: r.Description,
		Severity: r.Severity, RiskScore: float64(r.RiskScore), Tags: r.Tags, Threat: r.Threat,
		References: r.References, FalsePositives: r.FalsePositives, Author: r.Author,
		License: r.License, Version: r.Version, From: r.From, MaxSignals: l.MaxAlerts,
		Interval: rule.FormatSpan(l.Interval),
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
