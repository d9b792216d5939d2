package main

import (
	"fmt"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/seen"
)

// stateData is the rules and tuples of one state, or of several merged.
//
// Merging is a join: of each tuple the earliest first sighting, the latest
// last one and the greatest count; of each rule whether anybody has finished
// its learning. So it comes to the same in whatever order states come, in
// whatever groups, and however often: a node may be merged twice, or into a
// state that has its tuples already. Adding counts up would not have that; the
// price is that a count is what at least was seen.
type stateData struct {
	rules map[string]*ruleData
}

type ruleData struct {
	info   seen.RuleInfo // Num and Tuples do not matter; Meta is portable
	tuples map[string]seen.Sighting
}

func newStateData() *stateData { return &stateData{rules: make(map[string]*ruleData)} }

// loadState reads a state, which may be in use.
func loadState(snap *seen.Snapshot, rules []seen.RuleInfo) (*stateData, error) {
	d := newStateData()
	for _, info := range rules {
		newest := int64(0)
		r := &ruleData{tuples: make(map[string]seen.Sighting)}
		err := snap.Tuples(info.ID, func(t seen.Tuple) error {
			r.add(t.Raw, t.Sighting)
			newest = max(newest, t.Last)
			return nil
		})
		if err != nil {
			return nil, err
		}
		info.Meta = portable(info.ID, info.Meta, newest)
		r.info = info
		d.rules[info.ID] = r
	}
	return d, nil
}

// portable returns what of a rule's metadata means something outside of the
// state: since when it has been learning, and whether that is over, as it is
// when the rule has seen something later; and of a second memory, the sets of
// exceptions. Limits and what is suppressed stay behind.
func portable(id string, m seen.RuleMeta, newest int64) seen.RuleMeta {
	out := seen.RuleMeta{
		LearningSince: m.LearningSince, LearningUntil: m.LearningUntil,
		FirstMatch: m.FirstMatch, BaselineDone: m.BaselineDone, Excepted: m.Excepted,
	}
	if engine.IsHistory(id) {
		out.Extra = engine.JoinHistories(m.Extra, nil)
		return out
	}
	if out.BaselineDone == 0 && out.LearningSince != 0 && newest >= out.LearningUntil {
		out.BaselineDone = out.LearningUntil
	}
	return out
}

// resumable returns metadata that an engine takes up where the others left
// off learning.
func resumable(id string, m seen.RuleMeta) seen.RuleMeta {
	if !engine.IsHistory(id) && m.LearningSince != 0 {
		m.Extra = engine.LearningState(m)
	}
	return m
}

func (r *ruleData) add(raw []byte, s seen.Sighting) {
	if have, ok := r.tuples[string(raw)]; ok {
		s = have.Merge(s)
	}
	r.tuples[string(raw)] = s
}

// addRule adds a rule without tuples, or joins what is known of it.
func (d *stateData) addRule(info seen.RuleInfo) error {
	r := d.rules[info.ID]
	if r == nil {
		d.rules[info.ID] = &ruleData{info: info, tuples: make(map[string]seen.Sighting)}
		return nil
	}
	if r.info.Fingerprint != info.Fingerprint {
		return fmt.Errorf("%w: %q (%q)", seen.ErrOtherRule, info.ID, info.Name)
	}
	r.info.Meta = joinMeta(info.ID, r.info.Meta, info.Meta)
	// Names are for people; one must win whatever the order.
	r.info.Name = max(r.info.Name, info.Name)
	return nil
}

// joinMeta joins portable metadata. Learning that ends at all ends when the
// last of them would: so a join of states that are learning is learning, too.
func joinMeta(id string, a, b seen.RuleMeta) seen.RuleMeta {
	out := seen.RuleMeta{
		LearningSince: earliest(a.LearningSince, b.LearningSince),
		LearningUntil: max(a.LearningUntil, b.LearningUntil),
		FirstMatch:    earliest(a.FirstMatch, b.FirstMatch),
		BaselineDone:  max(a.BaselineDone, b.BaselineDone),
		Excepted:      a.Excepted || b.Excepted,
	}
	if engine.IsHistory(id) {
		out.Extra = engine.JoinHistories(a.Extra, b.Extra)
	}
	return out
}

// earliest returns the lesser, 0 being none.
func earliest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// merge joins another state into d.
func (d *stateData) merge(other *stateData) error {
	for _, r := range other.rules {
		if err := d.addRule(r.info); err != nil {
			return err
		}
		mine := d.rules[r.info.ID]
		for raw, s := range r.tuples {
			mine.add([]byte(raw), s)
		}
	}
	return nil
}

// sorted returns the rules by ID, each with its tuples in the order in which
// they were first seen.
func (d *stateData) sorted() ([]seen.RuleTuples, error) {
	var out []seen.RuleTuples
	for _, r := range d.rules {
		t := seen.RuleTuples{RuleInfo: r.info}
		for raw, s := range r.tuples {
			terms, err := seen.DecodeTerms([]byte(raw))
			if err != nil {
				return nil, err
			}
			t.Seen = append(t.Seen, seen.Tuple{Terms: terms, Sighting: s, Raw: []byte(raw)})
		}
		slices.SortFunc(t.Seen, func(a, b seen.Tuple) int {
			if a.First != b.First {
				if a.First < b.First {
					return -1
				}
				return 1
			}
			return strings.Compare(string(a.Raw), string(b.Raw))
		})
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b seen.RuleTuples) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}
