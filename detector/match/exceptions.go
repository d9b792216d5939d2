package match

import (
	"fmt"
	"hash/fnv"
	"slices"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/rule"
)

// MaxExceptionSets bounds the sets of exceptions that are remembered: 64
// exceptions that overlap in every way would make more than anybody has.
const MaxExceptionSets = 4096

// exception is an exception in force, compiled.
type exception struct {
	key  uint64
	pred *kql.Predicate
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

// ActiveExceptions returns the keys of the exceptions that are in force.
func (r *Rule) ActiveExceptions() []uint64 {
	keys := make([]uint64, len(r.exceptions))
	for i := range r.exceptions {
		keys[i] = r.exceptions[i].key
	}
	return keys
}

// ExceptionSetKey names a set of exceptions, in whatever order. It is never 0.
func ExceptionSetKey(set []uint64) uint64 {
	key := uint64(len(set))
	for _, e := range set {
		x := e * 0x9E3779B97F4A7C15
		key += x ^ x>>29
	}
	return max(key, 1)
}

// exceptionSet returns the key of the set of exceptions that an event is under,
// one at least.
func (w *Worker) exceptionSet(c *Rule, v *record.View) uint64 {
	var room [16]uint64
	set := room[:0]
	for i := range c.exceptions {
		if x := &c.exceptions[i]; x.pred.Match(v, w.memo) && !slices.Contains(set, x.key) {
			set = append(set, x.key)
		}
	}
	key := ExceptionSetKey(set)
	if _, ok := w.exceptionSets[key]; !ok {
		w.exceptionSets[key] = slices.Clone(set)
	}
	return key
}
