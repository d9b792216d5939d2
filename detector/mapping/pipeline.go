package mapping

import (
	"strings"

	"fluent-bit-newterms/detector/limits"
)

// pipeline runs the steps of the ingest pipeline on an event, which it takes
// over. envelope is Azure's, nil if there is none; beside is what lies in the
// record beside the event.
//
// The pipeline removes what is empty as its last step. Here that is the first
// as well, so that an empty value counts as absent throughout, which differs
// only where an event has an empty value and Google Cloud's name for it.
//
// Source: the Kubernetes integration, data_stream/audit_logs, ingest pipeline.
func pipeline(s shape, event, envelope, beside map[string]any) map[string]any {
	doc := map[string]any{
		"event":        map[string]any{"kind": "event"},
		"orchestrator": map[string]any{"type": "kubernetes"},
	}
	for _, object := range noMetadata {
		remove(event, []string{object, "metadata"})
	}
	undot(event, "annotations")
	clean(event)
	if s == gkeShape {
		undot(event, "labels")
		rename(event)
	}
	if annotations, ok := event["annotations"]; ok {
		event["annotations"] = underscored(annotations)
		result := ""
		for _, d := range scalars(at(event, decisionPath)) {
			if d, ok := d.(string); ok {
				result = outcomeOf(d, result)
			}
		}
		set(doc, "event.outcome", result)
	}
	for path, src := range sources {
		set(doc, path, firstAt(event, s, src))
	}
	set(doc, "related.user", distinct(at(event, []string{"user", "uid"}), at(event, []string{"user", "username"})))
	set(doc, "related.ip", distinct(at(event, []string{"sourceIPs"})))
	if envelope != nil {
		set(doc, "@timestamp", envelope["time"])
		event["aks_metadata"] = aksMetadata(envelope)
	}
	doc["kubernetes"] = map[string]any{"audit": event}
	addBeside("", doc, beside)
	clean(doc)
	return doc
}

// firstAt returns what an event has of an ECS field, nil if nothing.
func firstAt(event map[string]any, s shape, src source) any {
	places := [][]string{src.path}
	if s == gkeShape {
		places = [][]string{src.above, src.path, src.below}
	}
	for _, place := range places {
		if place != nil {
			if val := at(event, place); val != nil {
				return val
			}
		}
	}
	return nil
}

// rename gives what stands in for a missing name of an event that name.
func rename(event map[string]any) {
	for _, r := range renames {
		val := at(event, r.from)
		have := at(event, r.to)
		if r.to[0] == "annotations" && len(scalars(have)) > 0 {
			have = nil // no map, so no annotations
		}
		if val == nil || have != nil {
			continue
		}
		remove(event, r.from)
		put(event, r.to, val)
	}
	clean(event) // of maps that hold nothing any more
}

// aksMetadata is Azure's envelope less the event, which it takes over, in the
// integration's names.
func aksMetadata(envelope map[string]any) map[string]any {
	remove(envelope, []string{"properties", "log"})
	for _, r := range aksRenames {
		if val := at(envelope, r.from); val != nil {
			remove(envelope, r.from)
			envelope[r.to] = val
		}
	}
	return envelope
}

// takeAudit takes the event out of a document that has it under
// kubernetes.audit, in whichever way that path is written, and returns it.
func takeAudit(doc map[string]any) map[string]any {
	event := make(map[string]any)
	for _, name := range sortedKeys(doc) {
		if rest, ok := strings.CutPrefix(name, audit); ok {
			add(event, rest, doc[name])
			delete(doc, name)
		}
	}
	if m, ok := doc["kubernetes.audit"].(map[string]any); ok {
		addAll(event, m)
		delete(doc, "kubernetes.audit")
	}
	kubernetes, _ := doc["kubernetes"].(map[string]any)
	for _, name := range sortedKeys(kubernetes) {
		if rest, ok := strings.CutPrefix(name, "audit."); ok {
			add(event, rest, kubernetes[name])
			delete(kubernetes, name)
		}
	}
	if m, ok := kubernetes["audit"].(map[string]any); ok {
		addAll(event, m)
		delete(kubernetes, "audit")
	}
	return event
}

// undot gathers what keys with dots have of the map under name.
func undot(event map[string]any, name string) {
	for _, key := range sortedKeys(event) {
		rest, ok := strings.CutPrefix(key, name+".")
		if !ok {
			continue
		}
		if m, ok := event[name].(map[string]any); ok {
			add(m, rest, event[key])
		} else if event[name] == nil {
			event[name] = map[string]any{rest: event[key]}
		}
		delete(event, key)
	}
}

// underscored returns annotations with every dot in their names an underscore.
// A name that is there in both spellings has both values.
func underscored(val any) any {
	switch val := val.(type) {
	case map[string]any:
		out := make(map[string]any, len(val))
		for _, k := range sortedKeys(val) {
			add(out, strings.ReplaceAll(k, ".", "_"), val[k])
		}
		return out
	case []any:
		for i, e := range val {
			val[i] = underscored(e)
		}
	}
	return val
}

// addBeside adds to a document what lay beside its event. What the pipeline
// and the data stream say goes first.
func addBeside(base string, doc, beside map[string]any) {
	for _, name := range sortedKeys(beside) {
		path, val := base+name, beside[name]
		if src, ok := sources[path]; ok && !src.byDefault || path+"." == audit || strings.HasPrefix(path, audit) {
			continue
		}
		inner, isMap := val.(map[string]any)
		have, taken := doc[name]
		switch into, ok := have.(map[string]any); {
		case !taken && isMap:
			into = make(map[string]any)
			addBeside(path+".", into, inner)
			doc[name] = into
		case !taken && !leadsToSource(path):
			doc[name] = val
		case ok && isMap:
			addBeside(path+".", into, inner)
		}
	}
}

// leadsToSource tells whether a field of the pipeline lies below the path.
func leadsToSource(path string) bool {
	for field := range sources {
		if strings.HasPrefix(field, path+".") {
			return true
		}
	}
	return false
}

// distinct returns the distinct scalars among the values, arrays flattened.
func distinct(vals ...any) []any {
	var out []any
	known := map[any]bool{"": true}
	for _, val := range scalars(vals) {
		if len(out) == limits.RelatedValues {
			break
		}
		if !known[val] {
			known[val] = true
			out = append(out, val)
		}
	}
	return out
}
