package record

import "strings"

// lead is what the records at hand begin with: entries that nobody wants, the
// same in all of them. Audit events begin with their kind, API version and
// level, and one look tells that these are there and can be stepped over.
//
// It is taken from one record, and after some time from another. Where too many
// of those between do not begin with all of it, it is cut down to what they do
// begin with.
type lead struct {
	root    *node // of the layout that does not want the entries
	text    []byte
	entries []int // where each of them ends in text
	age     int   // records since it was taken
	missed  int   // and how many of them did not begin with it
	others  int   // records since that were read by another layout
}

const (
	// maxLead is how many bytes are compared at most.
	maxLead = 128
	// leadAge is after how many records a lead is taken anew.
	leadAge = 4096
	// leadOthers is after how many records that were read by another layout the
	// lead is taken from one of them: layouts may take turns.
	leadOthers = 64
)

// pass returns the offset after those entries at b[i], in a map of n that begins
// there, which are the lead's, and how many they are.
func (l *lead) pass(root *node, b []byte, i, n int) (next, entries int) {
	if l.root != root {
		if l.others++; l.others < leadOthers && l.root != nil {
			return i, 0
		}
		l.age = leadAge
	}
	if l.age++; l.age > leadAge {
		l.take(root, b, i, n)
	}
	k := len(l.entries)
	if k <= n && len(b)-i >= len(l.text) && string(b[i:i+len(l.text)]) == string(l.text) {
		return i + len(l.text), k
	}
	return l.some(b, i, n)
}

// some is pass for a map that does not begin with all of the lead.
func (l *lead) some(b []byte, i, n int) (next, entries int) {
	start := 0
	for entries < min(n, len(l.entries)) {
		end := l.entries[entries]
		if end > len(b)-i || string(b[i+start:i+end]) != string(l.text[start:end]) {
			break
		}
		start = end
		entries++
	}
	if l.missed++; l.missed > 32+l.age/4 {
		l.text, l.entries = l.text[:start], l.entries[:entries]
	}
	return i + start, entries
}

// take makes the lead that of the map of n entries at b[i].
func (l *lead) take(root *node, b []byte, i, n int) {
	l.root, l.age, l.missed, l.others = root, 0, 0, 0
	l.text, l.entries = l.text[:0], l.entries[:0]
	for end := i; n > 0; n-- {
		key, next := text(b, end)
		if next < 0 || root.wants(key) {
			return
		}
		if end = skip(b, next); end < 0 || end-i > maxLead {
			return
		}
		l.text = append(l.text, b[i+len(l.text):end]...)
		l.entries = append(l.entries, end-i)
	}
}

// wants tells whether anything under a key may be wanted.
func (n *node) wants(key string) bool {
	return n.other != nil || n.find(key) != nil || strings.IndexByte(key, '.') >= 0
}
