package engine

import (
	"fmt"
	"hash/fnv"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/limits"
)

// variantTally is the variants since the last summary of them: what changed, with
// counts, and the combinations themselves.
type variantTally struct {
	tally
	Since   int64           `json:"since"`
	Changes []variantChange `json:"changes,omitempty"`
	// NotListed counts the changes, seen in a combination, that have no entry.
	NotListed uint64 `json:"not_listed,omitempty"`
	Marked    uint64 `json:"marked,omitempty"` // combinations with a marked change
}

// variantChange is how one field's term changed.
type variantChange struct {
	alert.Change
	Count  uint64 `json:"count"`
	Others uint64 `json:"others,omitempty"` // combinations with other changes of the same form
	First  int64  `json:"first"`
	Last   int64  `json:"last"`
}

// Variant counts a variant, which the summary lists.
func (l *limiter) Variant(v *alert.Variant, terms []any, size int, at, now int64) {
	l.dirty = true
	t := l.s.Variants
	if t == nil {
		t = &variantTally{Since: now}
		l.s.Variants = t
	}
	marked, most := false, uint64(0)
	var form alert.Change
	for i := range v.Changes {
		c := v.Changes[i].Clip()
		if n := t.addChange(c, at); n > most {
			most, form = n, c
		}
		marked = marked || c.Mark != ""
	}
	group := uint64(0)
	if marked {
		t.Marked++
	} else if most > limits.FormTerms {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %s", form.Field, form.Form)
		group = max(h.Sum64(), 1)
	}
	t.add(terms, size, group, at, limits.VariantTerms, limits.VariantTermBytes)
}

// addChange counts a change, and returns how many combinations with a change of
// the same form were counted.
func (t *variantTally) addChange(c alert.Change, at int64) (ofForm uint64) {
	same, last := 0, -1
	for i := range t.Changes {
		have := &t.Changes[i]
		if have.Field != c.Field || have.Form != c.Form {
			continue
		}
		ofForm += have.Count + have.Others
		if have.From == c.From && have.To == c.To {
			have.Count++
			have.First, have.Last = min(have.First, at), max(have.Last, at)
			return ofForm + 1
		}
		if (have.Mark != "") == (c.Mark != "") {
			same, last = same+1, i
		}
	}
	entry := variantChange{Change: c, Count: 1, First: at, Last: at}
	switch {
	case same >= limits.FormChanges:
		t.Changes[last].Others++
	case len(t.Changes) < limits.VariantChanges:
		t.Changes = append(t.Changes, entry)
	case c.Mark != "":
		for i := len(t.Changes) - 1; i >= 0; i-- {
			if old := &t.Changes[i]; old.Mark == "" {
				t.NotListed += old.Count + old.Others
				*old = entry
				return ofForm + 1
			}
		}
		t.NotListed++
	default:
		t.NotListed++
	}
	return ofForm + 1
}

// summary returns the summary of the variants.
func (t *variantTally) summary(s alert.Summary) alert.Summary {
	s.Marked, s.ChangesNotListed = t.Marked, t.NotListed
	for _, c := range t.Changes {
		s.Changes = append(s.Changes, alert.ChangeCount{Change: c.Change, Count: c.Count, Others: c.Others, First: c.First, Last: c.Last})
	}
	return s
}
