package engine

import (
	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/limits"
)

// tally counts combinations and lists as many of them as a record can carry:
// those of a noisy group in one entry, all others by name, so that a flood leaves
// room for everybody else. Times are those of events, in unix ms.
type tally struct {
	Count uint64       `json:"count"`
	Terms [][]any      `json:"terms,omitempty"`
	Noisy []noisyEntry `json:"noisy,omitempty"`
	Bytes int          `json:"bytes,omitempty"`
	First int64        `json:"first"`
	Last  int64        `json:"last"`
}

// noisyEntry is one noisy group.
type noisyEntry struct {
	Group  uint64 `json:"group"`
	Count  uint64 `json:"count"`
	Sample []any  `json:"sample"`
}

// add counts a combination of a noisy group, 0 for none, whose terms need size
// bytes, and lists it unless the list has most combinations or bytes already.
func (t *tally) add(terms []any, size int, group uint64, at int64, most, mostBytes int) {
	if t.Count == 0 || at < t.First {
		t.First = at
	}
	if t.Count == 0 || at > t.Last {
		t.Last = at
	}
	t.Count++
	if len(terms) == 0 {
		return // of a rule of type query there is nothing to list
	}
	fits := t.Bytes+size <= mostBytes
	if group != 0 {
		for i := range t.Noisy {
			if t.Noisy[i].Group == group {
				t.Noisy[i].Count++
				return
			}
		}
		if len(t.Noisy) < limits.SummaryGroups && fits {
			t.Noisy = append(t.Noisy, noisyEntry{group, 1, terms})
			t.Bytes += size
		}
		return
	}
	if len(t.Terms) < most && fits {
		t.Terms = append(t.Terms, terms)
		t.Bytes += size
	}
}

// noisy returns the noisy groups as a summary has them.
func (t *tally) noisy() (list []alert.NoisyGroup) {
	for _, g := range t.Noisy {
		list = append(list, alert.NoisyGroup{Count: g.Count, Sample: g.Sample})
	}
	return list
}
