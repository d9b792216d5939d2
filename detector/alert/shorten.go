package alert

import (
	"maps"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/limits"
)

// maxCut bounds the names of shortened fields in an alert, maxName the bytes of
// each.
const (
	maxCut  = 20
	maxName = 200
)

// mainFields stay, shortened, in a document of which nothing else can.
var mainFields = []string{
	"cloud.account.id", "destination.ip", "event.action", "event.category", "event.code", "event.id", "event.outcome",
	"event.provider", "event.type", "file.name", "host.id", "host.name", "kubernetes.audit.auditID",
	"kubernetes.audit.objectRef.name", "kubernetes.audit.objectRef.namespace", "kubernetes.audit.objectRef.resource",
	"kubernetes.audit.requestURI", "kubernetes.audit.user.username", "kubernetes.audit.verb", "process.executable",
	"process.name", "source.address", "source.ip", "user.id", "user.name", "user_agent.original",
}

// shorten returns a document that takes most bytes in JSON and has no more than
// limits.AlertDepth levels, with long strings, lists and maps shortened, the long
// ones first, and the names of what was shortened. What it returns shares values with doc, which stays as it is.
func shorten(doc map[string]any, most int) (short map[string]any, cut []string) {
	for _, limit := range []int{1 << 30, 8 << 10, 2 << 10, 512, 128, 32} {
		s := shortener{text: limit, items: max(limit/8, 4)}
		short, _ = s.value(doc, "", 1).(map[string]any)
		if jsonSize(short) <= most {
			return short, s.names()
		}
	}
	short = make(map[string]any)
	s := shortener{text: 128, items: 4}
	for _, name := range mainFields {
		if val := Find(doc, name); val != nil {
			short[name] = s.value(val, name, 2)
		}
	}
	if jsonSize(short) > most {
		clear(short)
	}
	return short, []string{"all but " + strings.Join(slices.Sorted(maps.Keys(short)), ", ")}
}

// shortener shortens strings over text bytes, and lists and maps over so many
// items.
type shortener struct {
	text, items int
	cut         []string
	more        bool // than maxCut were shortened
}

func (s *shortener) names() []string {
	if s.more {
		return append(s.cut, "…")
	}
	return s.cut
}

func (s *shortener) note(path string) {
	switch {
	case slices.Contains(s.cut, path): // at most maxCut
	case len(s.cut) < maxCut:
		s.cut = append(s.cut, path)
	default:
		s.more = true
	}
}

// value returns a value that lies at a level of the document, of which the
// document itself is the first.
func (s *shortener) value(val any, path string, level int) any {
	switch val.(type) {
	case []any, map[string]any:
		if level > limits.AlertDepth {
			s.note(path)
			return "…"
		}
	}
	switch val := val.(type) {
	case string:
		if len(val) > s.text {
			s.note(path)
			return clipTo(val, s.text)
		}
	case []any:
		kept := val
		if len(val) > s.items {
			s.note(path)
			kept = val[:s.items]
		}
		out := make([]any, len(kept))
		for i, v := range kept {
			out[i] = s.value(v, path, level+1)
		}
		return out
	case map[string]any:
		out := make(map[string]any)
		for _, k := range slices.Sorted(maps.Keys(val)) {
			if len(k) > maxName || len(out) == s.items {
				s.note(path)
				continue
			}
			below := k
			if path != "" {
				below = clipTo(path+"."+k, maxName)
			}
			out[k] = s.value(val[k], below, level+1)
		}
		return out
	}
	return val
}

// jsonSize returns how many bytes a value takes in JSON, or a little more.
func jsonSize(val any) int {
	switch val := val.(type) {
	case string:
		n := len(val) + 2
		for i := range len(val) {
			switch c := val[i]; {
			case c < ' ':
				n += 5
			case c == '"' || c == '\\':
				n++
			}
		}
		return n
	case []any:
		n := 2
		for _, v := range val {
			n += jsonSize(v) + 1
		}
		return n
	case map[string]any:
		n := 2
		for k, v := range val {
			n += jsonSize(k) + 1 + jsonSize(v) + 1
		}
		return n
	}
	return 24 // a number, a boolean or null
}

// deep tells whether a value has more than so many levels of lists and maps.
func deep(val any, levels int) bool {
	switch val := val.(type) {
	case []any:
		return levels == 0 || slices.ContainsFunc(val, func(v any) bool { return deep(v, levels-1) })
	case map[string]any:
		if levels == 0 {
			return true
		}
		for _, v := range val {
			if deep(v, levels-1) {
				return true
			}
		}
	}
	return false
}
