package detector

import (
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/detector/seen"
)

const (
	// maxCombinations is how many tuples one event may yield for one rule:
	// where its term fields hold arrays, every combination is one. What is
	// over is counted, and the alert says so. Elastic is tested with 50,000.
	maxCombinations = 100_000
	// maxPassCombinations is how many a pass makes of arrays before each
	// further event is held to fewCombinations: else a chunk of 2 MB of
	// arrays could keep a flush busy for minutes.
	maxPassCombinations = 1_000_000
	fewCombinations     = 100
)

// combinations folds every combination of the distinct values of the term
// fields.
func (p *pass) combinations(t tupleOf) {
	v := t.ev.View
	for len(p.values) < len(t.c.fields) {
		p.values = append(p.values, nil)
	}
	total := 1
	for k, f := range t.c.fields {
		vals := p.values[k][:0]
		for cell := v.Head(f); cell != 0; cell = v.Next(cell) {
			if val := *v.At(cell); val.Kind != record.Object && val.Kind != record.Null {
				vals = append(vals, val)
			}
		}
		vals = distinct(vals)
		if len(vals) == 0 {
			if !t.lacks() {
				return
			}
			vals = append(vals, record.Value{Kind: record.Null})
		}
		p.values[k] = vals
		if total > 1<<40/len(vals) {
			total = 1 << 40 // enough to know that it is too much
		} else {
			total *= len(vals)
		}
	}
	limit := maxCombinations
	if p.combos >= maxPassCombinations {
		limit = fewCombinations
	}
	if total > limit {
		t.truncated = total - limit
		p.counts.truncated += uint64(t.truncated)
		total = limit
	}
	p.combos += total
	for n := range total {
		p.terms = p.terms[:0]
		rest := n
		for k := range t.c.fields {
			vals := p.values[k]
			val := &vals[rest%len(vals)]
			rest /= len(vals)
			if val.Kind == record.Null {
				p.terms = seen.AppendNull(p.terms)
			} else {
				p.terms = seen.AppendTerm(p.terms, val)
			}
		}
		terms := p.terms
		p.recalled.noteTuple(&t, terms, p.add(&t))
	}
}

// distinct drops repeated values, in place.
func distinct(vals []record.Value) []record.Value {
	if len(vals) <= 16 {
		out := vals[:0]
	next:
		for _, val := range vals {
			for _, have := range out {
				if have == val {
					continue next
				}
			}
			out = append(out, val)
		}
		return out
	}
	have := make(map[record.Value]struct{}, len(vals))
	out := vals[:0]
	for _, val := range vals {
		if _, ok := have[val]; !ok {
			have[val] = struct{}{}
			out = append(out, val)
		}
	}
	return out
}
