package detector

import (
	"fmt"
	"hash/fnv"
	"slices"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// An event under an exception raises no alert and is no history either. But
// when the exception is removed, or expires, what was seen under it becomes
// history at once in Elastic, which looks at the past with the exceptions of
// the present; an engine that had thrown those events away would flood.
//
// So a rule with exceptions has a second memory, of the tuples seen under
// them. With each tuple goes the set of exceptions that its event was under,
// since an event counts as history when none of them is in force any more, and
// not before. A tuple that is new to the rule is looked for there, under each
// set that has been let go; if it was seen inside the window, it is known. The
// second memory is in the store like the first, as a rule of its own, and has
// the same window and the same bound; where nothing was let go, it is never
// asked.

// exceptedSuffix makes the id of a rule's second memory in the store.
const exceptedSuffix = " (excepted)"

// excepted is a rule's second memory.
type excepted struct {
	state  seen.RuleState
	memory *seen.Memory
	sets   map[uint64][]uint64 // by their key: the exceptions of each set
	let    []uint64            // sets of which no exception is in force
	terms  []byte              // scratch
}

// exceptionKey names an exception by what it does, the values of its lists
// included, so that it stays the same when it moves to another file or gets
// another name, and is another when it lets more through.
func exceptionKey(e *rule.Exception) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(e.Node.String())) // never fails
	kql.Walk(e.Node, func(n kql.Node) bool {
		if in, ok := n.(kql.InList); ok {
			fmt.Fprintf(h, "\n%x", in.List.Digest())
		}
		return true
	})
	return h.Sum64()
}

// setKey names a set of exceptions, in whatever order. It is never 0.
func setKey(set []uint64) uint64 {
	key := uint64(len(set))
	for _, e := range set {
		x := e * 0x9E3779B97F4A7C15
		key += x ^ x>>29
	}
	return max(key, 1)
}

// exception is an exception in force, compiled.
type exception struct {
	key  uint64
	pred *kql.Predicate
}

// exceptionsOf returns the key of the set of exceptions that an event is
// under, one at least.
func (p *pass) exceptionsOf(c *compiled, v *record.View) uint64 {
	var room [16]uint64
	set := room[:0]
	for i := range c.exceptions {
		if x := &c.exceptions[i]; x.pred.Match(v, p.memo) && !slices.Contains(set, x.key) {
			set = append(set, x.key)
		}
	}
	key := setKey(set)
	if _, ok := p.exceptions[key]; !ok {
		p.exceptions[key] = slices.Clone(set)
	}
	return key
}

// appendUnder adds the set of exceptions to the terms of a tuple.
func appendUnder(terms []byte, key uint64) []byte {
	val := record.UintValue(key)
	return seen.AppendTerm(terms, &val)
}

// maxSets bounds the sets of exceptions that a rule remembers: 64 exceptions
// that overlap in every way would make more than anybody has.
const maxSets = 4096

// note remembers a set of exceptions; false if there are too many.
func (x *excepted) note(key uint64, set []uint64) (ok, fresh bool) {
	if _, have := x.sets[key]; have {
		return true, false
	}
	if len(x.sets) >= maxSets {
		return false, false
	}
	x.sets[key] = set
	return true, true
}

// release finds out which sets have been let go, active being the exceptions
// in force.
func (x *excepted) release(active []uint64) {
	x.let = x.let[:0]
	for key, set := range x.sets {
		if !slices.ContainsFunc(set, func(e uint64) bool { return slices.Contains(active, e) }) {
			x.let = append(x.let, key)
		}
	}
	slices.Sort(x.let)
}

// history returns when a tuple was seen under exceptions that have been let
// go, if that was not longer than the window (ms, 0 for ever) before at.
func (x *excepted) history(terms []byte, at, window int64) (s seen.Sighting, ok bool) {
	for _, key := range x.let {
		x.terms = appendUnder(append(x.terms[:0], terms...), key)
		found, is := x.memory.Peek(x.terms)
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
func (x *excepted) encode() []byte {
	out := make([][]uint64, 0, len(x.sets))
	for _, set := range x.sets {
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
func (x *excepted) decode(text []byte) {
	x.sets = make(map[uint64][]uint64)
	var sets [][]uint64
	if len(text) == 0 || setsJSON.Unmarshal(text, &sets) != nil {
		return
	}
	for _, set := range sets {
		x.sets[setKey(set)] = set
	}
}

// shadow finds or makes the second memory of a rule. The engine's lock is not
// held.
func (e *Engine) shadow(r *rule.Rule) (*excepted, error) {
	state, err := e.store.Rule(r.ID+exceptedSuffix, seen.RuleOptions{
		Fingerprint: r.Fingerprint(), Name: r.Name + exceptedSuffix,
		Fields: append(slices.Clone(r.Terms), "exceptions"),
	})
	if err != nil {
		return nil, err
	}
	x := &excepted{state: state}
	x.decode(state.Meta.Extra)
	x.memory = seen.NewMemory(seen.MemoryConfig{MaxTuples: e.maxTerms(r), Window: r.Window, Fields: len(r.Terms) + 1})
	_, err = e.store.Load(state, x.memory)
	return x, err
}

// activeKeys returns the exceptions of a compiled rule that are in force.
func (c *compiled) activeKeys() []uint64 {
	keys := make([]uint64, len(c.exceptions))
	for i := range c.exceptions {
		keys[i] = c.exceptions[i].key
	}
	return keys
}

// except remembers a tuple seen under exceptions.
func (e *Engine) except(p *pass, c *compiled, t *tuple) {
	x := c.except
	if x == nil {
		return
	}
	ok, fresh := x.note(t.under, p.exceptions[t.under])
	if !ok {
		return
	}
	if fresh {
		x.state.Meta.Extra = x.encode()
		e.batch.SetMeta(x.state.Num, x.state.Meta)
	}
	e.observe(x.memory, t, p.fold.terms(t), p.now)
}
