package engine

import (
	"fmt"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/limits"
)

// group is the alerts that agree in the suppression's fields, from the first
// one, which left, to the end of the period.
type group struct {
	Key   string                  `json:"key"`
	Terms []alert.SuppressionTerm `json:"terms"`
	UUID  string                  `json:"uuid"`  // of the alert that left
	First int64                   `json:"first"` // its event
	Since int64                   `json:"since"` // when it left
	Until int64                   `json:"until"`
	Tally tally                   `json:"tally"` // what was suppressed
	Size  int                     `json:"size"`  // of all but the tally, about
}

// Suppressed tells whether an alert belongs to a group whose first one has
// left in the period at hand, and counts it then. key is GroupKey's.
func (l *limiter) Suppressed(key string, terms []any, size int, group uint64, at, now int64) bool {
	i := l.groupOf(key)
	if i < 0 || over(now, l.s.Groups[i].Until, l.s.Groups[i].Until-l.s.Groups[i].Since) {
		return false
	}
	most := limits.GroupTupleBytes
	if l.groupBytes+size > limits.GroupBytes {
		most = 0
	}
	t := &l.s.Groups[i].Tally
	before := t.Bytes
	t.add(terms, size, group, at, limits.GroupTuples, most)
	l.groupBytes += t.Bytes - before
	l.dirty = true
	return true
}

// Suppress begins a group with the alert uuid, which leaves.
func (l *limiter) Suppress(key string, terms []alert.SuppressionTerm, uuid string, at, now int64) {
	until := l.intervalOf(now) + l.limits.Interval.Milliseconds()
	if l.limits.Suppress > 0 {
		until = now + l.limits.Suppress.Milliseconds()
	}
	g := group{Key: key, Terms: terms, UUID: uuid, First: at, Since: now, Until: until, Size: 150}
	for _, t := range terms {
		g.Size += len(t.Field) + len(fmt.Sprint(t.Value))
	}
	l.indexGroups()
	for l.ended < len(l.s.Groups) && (len(l.s.Groups)-l.ended >= limits.Groups || l.groupBytes+g.Size > limits.GroupBytes) {
		l.endGroup(l.ended) // the oldest
	}
	l.groupBytes += g.Size
	l.byKey[key] = len(l.s.Groups)
	l.s.Groups = append(l.s.Groups, g)
	l.dirty = true
}

// endGroup ends a group early: Due takes it.
func (l *limiter) endGroup(i int) {
	g := &l.s.Groups[i]
	if l.byKey[g.Key] == i {
		delete(l.byKey, g.Key)
	}
	g.Until = 0
	l.groupBytes -= g.Size + g.Tally.Bytes
	l.ended = i + 1
}

// indexGroups finds the places of the open groups, where it is not known.
func (l *limiter) indexGroups() {
	if l.byKey != nil {
		return
	}
	l.byKey, l.groupBytes, l.ended = make(map[string]int), 0, 0
	for i := range l.s.Groups {
		g := &l.s.Groups[i]
		if g.Until == 0 {
			l.ended = i + 1
			continue
		}
		l.byKey[g.Key] = i
		l.groupBytes += g.Size + g.Tally.Bytes
	}
}

// groupOf returns the place of the open group with that key, -1 if none is.
func (l *limiter) groupOf(key string) int {
	l.indexGroups()
	if i, ok := l.byKey[key]; ok {
		return i
	}
	return -1
}

// endGroups takes out the groups whose period is over, and appends an update
// for each that suppressed anything.
func (l *limiter) endGroups(out []alert.Summary, now int64, all bool) []alert.Summary {
	kept := l.s.Groups[:0]
	for _, x := range l.s.Groups {
		if !all && !over(now, x.Until, x.Until-x.Since) {
			kept = append(kept, x)
			continue
		}
		l.dirty = true
		if x.Tally.Count == 0 {
			continue
		}
		s := l.summary(&x.Tally, alert.Suppressed, x.Since, max(min(now, x.Until), x.Since))
		s.UUID, s.OriginalTime = x.UUID, time.UnixMilli(x.First)
		s.Suppression = &alert.Suppression{
			Terms: x.Terms, Docs: x.Tally.Count,
			Start: time.UnixMilli(min(x.First, x.Tally.First)),
			End:   time.UnixMilli(max(x.First, x.Tally.Last)),
		}
		out = append(out, s)
	}
	if len(kept) < len(l.s.Groups) {
		l.byKey = nil // their places are others
	}
	clear(l.s.Groups[len(kept):])
	l.s.Groups = kept
	return out
}
