package engine

import (
	"slices"
	"strings"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// An event under an exception raises no alert and is no history either. But
// when the exception is removed, or expires, what was seen under it becomes
// history at once in Elastic, which looks at the past with the exceptions of
// the present; an engine that had thrown those events away would flood.
//
// So a rule with exceptions has a suppressed history, of the combinations seen
// under them. With each combination goes its exception set: the exceptions that
// its event was under, since an event counts as history when none of them is in
// force any more, and not before. A combination that is new to the rule is looked
// for there, under each set that has been let go; if it was seen inside the
// window, it is known. The history is in the store like the rule's own memory,
// as a rule of its own, and has the same window and the same bound; where nothing
// was let go, it is never asked.

// historySuffix makes the id of a rule's history in the store.
const historySuffix = " (excepted)"

// history is what was seen under a rule's exceptions.
type history struct {
	stored seen.RuleState
	memory *seen.Memory
	sets   map[uint64][]uint64 // by their key: the exceptions of each set
	let    []uint64            // sets of which no exception is in force
	terms  []byte              // scratch
}

// loadHistory finds or makes the history of a rule in the store.
func loadHistory(store *seen.Store, r *rule.Rule, maxTerms int) (*history, error) {
	stored, err := store.Rule(r.ID+historySuffix, seen.RuleOptions{
		Fingerprint: r.Fingerprint(), Name: r.Name + historySuffix,
		Fields: append(slices.Clone(r.Terms), "exceptions"),
	})
	if err != nil {
		return nil, err
	}
	h := &history{stored: stored}
	h.decode(stored.Meta.Extra)
	h.memory = seen.NewMemory(seen.MemoryConfig{MaxTuples: maxTerms, Window: r.Window, Fields: len(r.Terms) + 1})
	_, err = store.Load(stored, h.memory)
	return h, err
}

// addSet remembers a set of exceptions; ok is false if there are too many.
func (h *history) addSet(key uint64, set []uint64) (ok, fresh bool) {
	if _, have := h.sets[key]; have {
		return true, false
	}
	if len(h.sets) >= match.MaxExceptionSets {
		return false, false
	}
	h.sets[key] = set
	return true, true
}

// release finds out which sets have been let go, active being the exceptions
// in force.
func (h *history) release(active []uint64) {
	h.let = h.let[:0]
	for key, set := range h.sets {
		if !slices.ContainsFunc(set, func(e uint64) bool { return slices.Contains(active, e) }) {
			h.let = append(h.let, key)
		}
	}
	slices.Sort(h.let)
}

// find returns when a combination was seen under exceptions that have been let
// go, if that was not longer than the window (ms, 0 for ever) before at.
func (h *history) find(terms []byte, at, window int64) (s seen.Sighting, ok bool) {
	for _, key := range h.let {
		h.terms = match.AppendExceptionSet(append(h.terms[:0], terms...), key)
		found, is := h.memory.Peek(h.terms)
		if !is || window > 0 && at-found.Last > window {
			continue
		}
		if !ok || found.Last > s.Last {
			s, ok = found, true
		}
	}
	return s, ok
}

var setsJSON = jsoniter.Config{SortMapKeys: true}.Froze()

// encode writes the sets for the store.
func (h *history) encode() []byte {
	out := make([][]uint64, 0, len(h.sets))
	for _, set := range h.sets {
		out = append(out, set)
	}
	slices.SortFunc(out, slices.Compare)
	text, err := setsJSON.Marshal(out)
	if err != nil {
		return nil // cannot be: numbers
	}
	return text
}

// decode reads what encode wrote. What cannot be read is as if nothing had
// been seen under exceptions.
func (h *history) decode(text []byte) {
	h.sets = make(map[uint64][]uint64)
	var sets [][]uint64
	if len(text) == 0 || setsJSON.Unmarshal(text, &sets) != nil {
		return
	}
	for _, set := range sets {
		h.sets[match.ExceptionSetKey(set)] = set
	}
}

// IsHistory tells whether an id in a state is that of a rule's history: what was
// seen under its exceptions.
func IsHistory(ruleID string) bool { return strings.HasSuffix(ruleID, historySuffix) }

// JoinHistories joins what two states keep beside a history (Extra of
// seen.RuleMeta): the sets of exceptions that its combinations were seen under.
func JoinHistories(a, b []byte) []byte {
	var x, y history
	x.decode(a)
	y.decode(b)
	for key, set := range y.sets {
		x.sets[key] = set
	}
	if len(x.sets) == 0 {
		return nil
	}
	return x.encode()
}

// rememberExcepted remembers a combination seen under exceptions.
func (e *Engine) rememberExcepted(f *flush, b *match.Batch, r *runningRule, c *match.Combination) {
	h := r.history
	if h == nil {
		return
	}
	ok, fresh := h.addSet(c.Under, b.ExceptionSet(c.Under))
	if !ok {
		return
	}
	if fresh {
		h.stored.Meta.Extra = h.encode()
		e.batch.SetMeta(h.stored.Num, h.stored.Meta)
	}
	e.observe(h.memory, c, b.Terms(c), f.now)
}

// knownFromHistory tells whether a combination that is new to the rule was seen
// under exceptions that have been let go, and so is known.
func (e *Engine) knownFromHistory(r *runningRule, c *match.Combination, d *decision, terms []byte) bool {
	if r.history == nil || len(r.history.let) == 0 {
		return false
	}
	s, ok := r.history.find(terms, c.At, r.Window)
	if !ok {
		return false
	}
	d.before = s
	e.counts.Readmitted.Add(1)
	r.memory.Observe(terms, seen.Sighting{First: s.First, Last: s.First, Count: s.Count}, &e.batch)
	return true
}
