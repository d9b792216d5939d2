package main

import (
	"fmt"
	"slices"
	"strings"
)

// Core's look-up gives a plugin the first value of a property only, and does
// not tell which properties there are. They are in the instance's memory all
// the same, and are read there on the terms of instance.go. From 3.0 to 5.1
// (flb_output.h, flb_input.h, flb_kv.h):
//
//	struct mk_list properties;            // prev, next
//	struct flb_kv { flb_sds_t key, val; struct mk_list _head; };

const (
	propertyBytes = 4096 // the list is within the first 700 so far
	maxProperties = 1000
)

// property is one line of an instance's section, in the user's order.
type property struct{ key, value string }

// properties returns what the user has set, nil if it cannot be found. known are
// the names of which one must be there, which tells the list from others.
func readProperties(read memory, instance uint64, known []string) []property {
	buf := make([]byte, propertyBytes)
	in := instanceMemory{read: read, bytes: buf[:read(instance, buf)], anchor: -1}
	for i := range len(in.bytes)/wordBytes - 1 {
		list := in.properties(instance+uint64(i*wordBytes), in.word(i+1))
		if slices.ContainsFunc(list, func(p property) bool { return slices.Contains(known, strings.ToLower(p.key)) }) {
			return list
		}
	}
	return nil
}

// properties follows a list from its head, whose first node is given; nil
// unless it is one of properties in every respect.
func (in *instanceMemory) properties(head, node uint64) (list []property) {
	const keyAndValue = 2 * wordBytes
	for before := head; node != head; {
		if !pointerLike(node) || node%wordBytes != 0 || len(list) == maxProperties {
			return nil
		}
		buf := make([]byte, keyAndValue+2*wordBytes)
		if in.read(node-keyAndValue, buf) != len(buf) {
			return nil
		}
		kv := instanceMemory{read: in.read, bytes: buf}
		key := in.text(kv.word(0))
		if key == "" || kv.word(2) != before {
			return nil
		}
		list = append(list, property{key, in.text(kv.word(1))})
		before, node = node, kv.word(3)
	}
	return list
}

// listProperties may be set several times, or as a YAML list: their values are
// lists with commas anyway.
var listProperties = []string{"rules", "exceptions", "mapping", "new_terms_fields"}

// propertyValues answers for the properties of an instance.
type propertyValues struct {
	first func(key string) string // core's own look-up
	list  []property
}

// Get returns the value of a property; several values are joined by commas.
func (p propertyValues) Get(key string) string {
	if !slices.Contains(listProperties, key) {
		return p.first(key)
	}
	var values []string
	for _, x := range p.list {
		if strings.EqualFold(x.key, key) && x.value != "" {
			values = append(values, x.value)
		}
	}
	if len(values) < 2 {
		return p.first(key)
	}
	return strings.Join(values, ",")
}

// check returns an error about a property that has several values and takes
// one, and warnings about those that nobody reads.
func (p propertyValues) check(known []string) (warnings []string, err error) {
	times := make(map[string]int)
	for _, x := range p.list {
		key := strings.ToLower(x.key)
		times[key]++
		if times[key] > 1 && slices.Contains(known, key) && !slices.Contains(listProperties, key) {
			return nil, fmt.Errorf("property %s is set several times, or as a list, and takes one value: write one, with commas where it names several things", key)
		}
		if times[key] == 1 && !slices.Contains(known, key) && !slices.Contains(ownedByCore, key) {
			warning := fmt.Sprintf("unknown property %q is ignored", x.key)
			if near := nearest(key, known); near != "" {
				warning += fmt.Sprintf("; did you mean %q?", near)
			}
			warnings = append(warnings, warning)
		}
	}
	return warnings, nil
}

// nearest returns the name that is the fewest edits away, "" if all are far.
func nearest(name string, known []string) (near string) {
	least := 1 + len(name)/3
	for _, k := range known {
		if d := distance(name, k); d <= least {
			least, near = d-1, k
		}
	}
	return near
}

// distance returns how many characters must be put in, dropped or replaced to
// make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
