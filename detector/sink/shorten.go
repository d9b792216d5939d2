package sink

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"fluent-bit-newterms/detector/limits"
)

// Shorten returns the form of an alert that goes to a receiver which refuses
// the whole one: its smallest fields, up to limits.RefusedAlertBytes, and the
// names of the others in newterms.removed. ok is false if the alert is no JSON
// object or is not longer than that.
func Shorten(body []byte) (short []byte, ok bool) {
	var fields map[string]json.RawMessage
	if len(body) <= limits.RefusedAlertBytes || json.Unmarshal(body, &fields) != nil {
		return nil, false
	}
	names := slices.SortedFunc(maps.Keys(fields), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a)+len(fields[a]), len(b)+len(fields[b])), cmp.Compare(a, b))
	})
	kept, room := make(map[string]json.RawMessage), limits.RefusedAlertBytes
	for i, name := range names {
		if room -= len(name) + len(fields[name]); room < 0 {
			kept["newterms.removed"] = removedNames(names[i:])
			break
		}
		kept[name] = fields[name]
	}
	short, err := json.Marshal(kept)
	return short, err == nil && len(short) < len(body)
}

// removedNames is a JSON list of the first names, each to a bounded length:
// an event chooses them.
func removedNames(names []string) []byte {
	const most, longest = 100, 200
	var list []string
	for _, name := range names[:min(len(names), most)] {
		list = append(list, name[:min(len(name), longest)])
	}
	text, err := json.Marshal(list)
	if err != nil { // a list of strings has a form
		return []byte("[]")
	}
	return text
}
