package mapping

import (
	"errors"
	"fmt"
	"strings"

	"fluent-bit-newterms/detector/record"
)

// Document returns the whole ECS document of an event: for a raw audit event
// what the Kubernetes integration's ingest pipeline makes of it (@timestamp
// and what the agent adds aside), for any other the record itself. The values
// are those of package record's Decode, and share nothing with the event.
//
// Source: the Kubernetes integration, data_stream/audit_logs, ingest pipeline.
func (ev *Ref) Document() (map[string]any, error) {
	doc, err := decodeMap(ev.format, ev.span)
	if err != nil {
		return nil, err
	}
	switch ev.shape {
	case ecsShape:
		return doc, nil
	case agentShape:
		k, _ := doc["kubernetes"].(map[string]any)
		event, ok := k["audit"].(map[string]any)
		if !ok {
			event = undotted(doc)
		}
		return pipeline(event, nil), nil
	}
	var envelope map[string]any
	if ev.aks != nil {
		if envelope, err = decodeMap(ev.aksFmt, ev.aks); err != nil {
			return nil, err
		}
	}
	return pipeline(doc, envelope), nil
}

var errNotDocument = errors.New("not a map")

func decodeMap(f record.Format, b []byte) (map[string]any, error) {
	val, err := f.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("cannot decode the event: %w", err)
	}
	m, ok := val.(map[string]any)
	if !ok {
		return nil, errNotDocument
	}
	return m, nil
}

// undotted gathers the fields of an event whose names are written out:
// {"kubernetes.audit.verb": …}.
func undotted(doc map[string]any) map[string]any {
	event := make(map[string]any)
	for k, v := range doc {
		if rest, ok := strings.CutPrefix(k, audit); ok {
			put(event, splitRaw(rest), v)
		}
	}
	if k, ok := doc["kubernetes.audit"].(map[string]any); ok {
		for name, v := range k {
			event[name] = v
		}
	}
	return event
}

// pipeline runs the steps of the ingest pipeline in their order on a raw
// event, which it takes over. envelope is Azure's, nil if there is none.
func pipeline(event, envelope map[string]any) map[string]any {
	doc := map[string]any{
		"event":        map[string]any{"kind": "event"},
		"orchestrator": map[string]any{"type": "kubernetes"},
	}
	if envelope != nil {
		event["aks_metadata"] = aksMetadata(envelope)
	}
	for _, object := range [...]string{"responseObject", "requestObject"} {
		if m, ok := event[object].(map[string]any); ok {
			delete(m, "metadata")
		}
	}
	copyTo(doc, "event.action", event["verb"])
	for _, r := range renames {
		if val, ok := at(event, r.from); ok {
			if _, taken := at(event, r.to); !taken {
				put(event, r.to, val)
				remove(event, r.from)
			}
		}
	}
	if m, ok := event["annotations"].(map[string]any); ok {
		m = underscored(m)
		event["annotations"] = m
		switch m["authorization_k8s_io/decision"] {
		case "allow":
			copyTo(doc, "event.outcome", "success")
		case "forbid":
			copyTo(doc, "event.outcome", "failure")
		}
	}
	for path, src := range sources {
		if src.path != nil {
			if val, ok := at(event, src.path); ok {
				copyTo(doc, path, val)
			}
		}
	}
	for path, from := range orchestratorFallbacks {
		if val, ok := at(event, from); ok {
			if _, taken := at(doc, strings.Split(path, ".")); !taken && event["protoPayload"] != nil {
				copyTo(doc, path, val)
			}
		}
	}
	user, _ := event["user"].(map[string]any)
	copyTo(doc, "related.user", distinct(user["uid"], user["username"]))
	copyTo(doc, "related.ip", distinct(event["sourceIPs"]))
	doc["kubernetes"] = map[string]any{"audit": event}
	clean(doc)
	return doc
}

// aksMetadata is Azure's envelope less the event, in the integration's names.
func aksMetadata(envelope map[string]any) map[string]any {
	meta := make(map[string]any)
	for k, v := range envelope {
		if k != "properties" {
			meta[snake(k)] = v
		}
	}
	if props, ok := envelope["properties"].(map[string]any); ok {
		for k, v := range props {
			if k != "log" {
				meta[snake(k)] = v
			}
		}
	}
	return meta
}

// underscored returns m with every dot in its keys an underscore.
func underscored(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[strings.ReplaceAll(k, ".", "_")] = v
	}
	return out
}

// distinct returns the distinct scalars among the values, arrays flattened.
func distinct(vals ...any) []any {
	var out []any
	var add func(val any)
	add = func(val any) {
		switch val := val.(type) {
		case nil, map[string]any:
			return
		case []any:
			for _, e := range val {
				add(e)
			}
			return
		}
		for _, seen := range out {
			if seen == val {
				return
			}
		}
		if val != "" {
			out = append(out, val)
		}
	}
	for _, val := range vals {
		add(val)
	}
	return out
}

// at returns what m holds at a path.
func at(m map[string]any, path []string) (any, bool) {
	for _, name := range path[:len(path)-1] {
		var ok bool
		if m, ok = m[name].(map[string]any); !ok {
			return nil, false
		}
	}
	val, ok := m[path[len(path)-1]]
	return val, ok && val != nil
}

// put sets what m holds at a path, making the maps on the way. What stands in
// the way and is no map stays.
func put(m map[string]any, path []string, val any) {
	for _, name := range path[:len(path)-1] {
		next, ok := m[name].(map[string]any)
		if !ok {
			if m[name] != nil {
				return
			}
			next = make(map[string]any)
			m[name] = next
		}
		m = next
	}
	m[path[len(path)-1]] = val
}

func remove(m map[string]any, path []string) {
	for _, name := range path[:len(path)-1] {
		var ok bool
		if m, ok = m[name].(map[string]any); !ok {
			return
		}
	}
	delete(m, path[len(path)-1])
}

// copyTo sets a copy of val at a dotted path, unless it is nothing.
func copyTo(doc map[string]any, path string, val any) {
	if list, ok := val.([]any); ok {
		val = append([]any(nil), list...)
	}
	if val != nil {
		put(doc, strings.Split(path, "."), val)
	}
}

// clean removes null, "", empty maps and empty arrays, from the leaves up; 0
// and false stay. It tells whether anything is left of val.
func clean(val any) bool {
	switch val := val.(type) {
	case nil:
		return false
	case string:
		return val != ""
	case map[string]any:
		for k, e := range val {
			if list, ok := e.([]any); ok {
				e = cleanList(list)
				val[k] = e
			}
			if !clean(e) {
				delete(val, k)
			}
		}
		return len(val) > 0
	case []any:
		return len(val) > 0
	}
	return true
}

func cleanList(list []any) []any {
	out := list[:0]
	for _, e := range list {
		if inner, ok := e.([]any); ok {
			e = cleanList(inner)
		}
		if clean(e) {
			out = append(out, e)
		}
	}
	return out
}
