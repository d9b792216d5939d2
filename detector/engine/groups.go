package engine

import (
	"slices"
	"time"

	"fluent-bit-newterms/detector/alert"
)

// maxGroups is how many groups a rule keeps open. Over it the oldest ends
// early: its next alert is an alert again.
const maxGroups = 1000

// What a group lists of the tuples that it suppressed.
const (
	maxSuppressed      = 20
	maxSuppressedBytes = 2 << 10
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
}

// Suppressed tells whether an alert belongs to a group whose first one has
// left in the period at hand, and counts it then. key is GroupKey's.
func (l *limiter) Suppressed(key string, terms []any, size int, group uint64, at, now int64) bool {
	i := l.groupOf(key)
	if i < 0 || over(now, l.s.Groups[i].Until, l.s.Groups[i].Until-l.s.Groups[i].Since) {
		return false
	}
	l.s.Groups[i].Tally.add(terms, size, group, at, maxSuppressed, maxSuppressedBytes)
	l.dirty = true
	return true
}

// Suppress begins a group with the alert uuid, which leaves.
func (l *limiter) Suppress(key string, terms []alert.SuppressionTerm, uuid string, at, now int64) {
	if len(l.s.Groups) >= maxGroups {
		oldest := slices.IndexFunc(l.s.Groups, func(x group) bool { return x.Until != 0 })
		if oldest >= 0 {
			l.s.Groups[oldest].Until = 0 // Due takes it
		}
	}
	until := l.intervalOf(now) + l.limits.Interval.Milliseconds()
	if l.limits.Suppress > 0 {
		until = now + l.limits.Suppress.Milliseconds()
	}
	l.s.Groups = append(l.s.Groups, group{Key: key, Terms: terms, UUID: uuid, First: at, Since: now, Until: until})
	l.dirty = true
}

// groupOf returns the place of the open group with that key, -1 if none is.
func (l *limiter) groupOf(key string) int {
	return slices.IndexFunc(l.s.Groups, func(x group) bool { return x.Key == key && x.Until != 0 })
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
	clear(l.s.Groups[len(kept):])
	l.s.Groups = kept
	return out
}
