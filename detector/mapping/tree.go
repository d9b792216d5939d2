package mapping

import (
	"maps"
	"slices"
	"strings"
)

// Decoded documents may write a path nested, dotted or mixed, and have an
// array wherever a value may be. These helpers read all of it alike.

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// at returns what lies at a path, nil if nothing does. Where the path leads
// through an array, or is written in two ways, it returns an array.
func at(val any, path []string) any {
	if len(path) == 0 {
		return val
	}
	var found []any
	several := false
	switch val := val.(type) {
	case map[string]any:
		for k := range path {
			if e, ok := val[strings.Join(path[:k+1], ".")]; ok {
				if e = at(e, path[k+1:]); e != nil {
					found = append(found, e)
				}
			}
		}
	case []any:
		several = true
		for _, e := range val {
			if e = at(e, path); e != nil {
				found = append(found, e)
			}
		}
	}
	switch {
	case len(found) == 0:
		return nil
	case len(found) == 1 && !several:
		return found[0]
	}
	return found
}

// scalars returns the scalars of a value, arrays flattened. Maps are left out.
func scalars(val any) (all []any) {
	switch val := val.(type) {
	case nil, map[string]any:
		return nil
	case []any:
		for _, e := range val {
			all = append(all, scalars(e)...)
		}
		return all
	}
	return []any{val}
}

// put sets what m holds at a path, making the maps on the way. What stands in
// the way and is no map gives way.
func put(m map[string]any, path []string, val any) {
	for _, name := range path[:len(path)-1] {
		next, ok := m[name].(map[string]any)
		if !ok {
			next = make(map[string]any)
			m[name] = next
		}
		m = next
	}
	m[path[len(path)-1]] = val
}

// add sets a name of m, or adds val to what it has.
func add(m map[string]any, name string, val any) {
	have, ok := m[name]
	if !ok || have == nil {
		m[name] = val
		return
	}
	if into, ok := have.(map[string]any); ok {
		if from, ok := val.(map[string]any); ok {
			addAll(into, from)
			return
		}
	}
	m[name] = append(listOf(have), listOf(val)...)
}

func addAll(m, from map[string]any) {
	for _, name := range sortedKeys(from) {
		add(m, name, from[name])
	}
}

func listOf(val any) []any {
	if list, ok := val.([]any); ok {
		return slices.Clone(list)
	}
	return []any{val}
}

// remove deletes what lies at a path.
func remove(val any, path []string) {
	switch val := val.(type) {
	case map[string]any:
		whole := strings.Join(path, ".")
		for name := range val {
			if name == whole || strings.HasPrefix(name, whole+".") {
				delete(val, name)
			}
		}
		for k := 1; k < len(path); k++ {
			remove(val[strings.Join(path[:k], ".")], path[k:])
		}
	case []any:
		for _, e := range val {
			remove(e, path)
		}
	}
}

// set puts a copy of val at a dotted path, unless it is nothing.
func set(doc map[string]any, path string, val any) {
	switch list := val.(type) {
	case nil:
		return
	case string:
		if list == "" {
			return
		}
	case []any:
		if len(list) == 0 {
			return
		}
		val = slices.Clone(list)
	}
	put(doc, strings.Split(path, "."), val)
}

// clean removes null, "", empty maps and empty arrays, from the leaves up; 0
// and false stay.
func clean(val map[string]any) {
	for k, e := range val {
		if e, ok := cleaned(e); ok {
			val[k] = e
		} else {
			delete(val, k)
		}
	}
}

// cleaned returns what is left of val, and whether anything is.
func cleaned(val any) (_ any, ok bool) {
	switch val := val.(type) {
	case nil:
		return nil, false
	case string:
		return val, val != ""
	case map[string]any:
		clean(val)
		return val, len(val) > 0
	case []any:
		out := val[:0]
		for _, e := range val {
			if e, ok := cleaned(e); ok {
				out = append(out, e)
			}
		}
		return out, len(out) > 0
	}
	return val, true
}
