package alert

import "fmt"

// Find returns what a document holds at a dotted path, however its names are
// split between dots and nesting; nil if nothing.
func Find(doc map[string]any, path string) any {
	if val, ok := doc[path]; ok {
		return val
	}
	for i := len(path) - 1; i > 0; i-- {
		if path[i] != '.' {
			continue
		}
		if m, ok := doc[path[:i]].(map[string]any); ok {
			if val := Find(m, path[i+1:]); val != nil {
				return val
			}
		}
	}
	return nil
}

// Values returns the scalars that a document holds at a dotted path, those in
// arrays and in objects in arrays included, without null. The list is new.
func Values(doc map[string]any, path string) []any {
	return appendValues(nil, doc, path)
}

func appendValues(out []any, val any, path string) []any {
	switch val := val.(type) {
	case nil:
		return out
	case []any:
		for _, e := range val {
			out = appendValues(out, e, path)
		}
		return out
	case map[string]any:
		if path == "" {
			return out // an object is no value
		}
		if val, ok := val[path]; ok {
			out = appendValues(out, val, "")
		}
		for i := len(path) - 1; i > 0; i-- {
			if path[i] != '.' {
				continue
			}
			if below, ok := val[path[:i]]; ok {
				out = appendValues(out, below, path[i+1:])
			}
		}
		return out
	}
	if path != "" {
		return out
	}
	return append(out, val)
}

// lookup returns the first scalar at a dotted path, as text.
func lookup(doc map[string]any, path string) string {
	if val := firstOf(doc, path); val != nil {
		return clip(text(val))
	}
	return ""
}

// text writes a scalar as a keyword field has it.
func text(val any) string {
	if s, ok := val.(string); ok {
		return s
	}
	return fmt.Sprint(val)
}
