package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fluent-bit-newterms/detector"
)

// properties puts an instance whose word at place is the head of a list.
func (s *space) properties(place int, list ...property) (instance uint64) {
	b := make([]byte, 800)
	instance = s.put(b)
	head := instance + uint64(place*wordBytes)
	node := func() uint64 { return s.put(make([]byte, 4*wordBytes)) + 2*wordBytes }
	set := func(at, v uint64) {
		for from, block := range s.blocks {
			if at >= from && at < from+uint64(len(block)) {
				copy(block[at-from:], word(v))
			}
		}
	}
	link := func(a, b uint64) { // a before b
		set(a+wordBytes, b)
		set(b, a)
	}
	before := head
	for _, p := range list {
		n := node()
		set(n-2*wordBytes, s.text(p.key))
		if p.value != "" {
			set(n-wordBytes, s.text(p.value))
		}
		link(before, n)
		before = n
	}
	link(before, head)
	return instance
}

func TestReadProperties(t *testing.T) {
	known := []string{"rules", "learn"}
	want := []property{{"Rules", "a"}, {"odd", ""}, {"rules", "b"}, {"learn", "off"}}
	s := newSpace()
	at := s.properties(60, want...)
	if got := readProperties(s.read, at, known); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	other := newSpace()
	if got := readProperties(other.read, other.properties(60, property{"net.keepalive", "on"}), known); got != nil {
		t.Errorf("a list of others: %v", got)
	}
	if got := readProperties(other.read, other.properties(60), known); got != nil {
		t.Errorf("an empty list: %v", got)
	}
	if got := readProperties(other.read, 17, known); got != nil {
		t.Errorf("no memory: %v", got)
	}
	// Whatever else is there: no panic, and an end.
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		for _, block := range s.blocks {
			if r.IntN(20) == 0 {
				block[r.IntN(len(block))] = byte(r.Uint32())
			}
		}
		readProperties(s.read, at, known)
	}
}

func TestPropertyValues(t *testing.T) {
	p := propertyValues{list: []property{{"rules", "a"}, {"Rules", "b,c"}, {"learn", "off"}, {"exception", "x"}, {"match", "*"}, {"zzzzzz", "1"}}}
	p.first = func(key string) string {
		for _, x := range p.list {
			if strings.EqualFold(x.key, key) {
				return x.value
			}
		}
		return ""
	}
	if p.Get("rules") != "a,b,c" || p.Get("learn") != "off" || p.Get("exceptions") != "" {
		t.Errorf("%q %q %q", p.Get("rules"), p.Get("learn"), p.Get("exceptions"))
	}
	warnings, err := p.check(detector.Properties())
	if err != nil || len(warnings) != 2 || !strings.Contains(warnings[0], `"exception" is ignored; did you mean "exceptions"?`) || !strings.HasSuffix(warnings[1], `"zzzzzz" is ignored`) {
		t.Errorf("%q, %v", warnings, err)
	}
	p.list = append(p.list, property{"Learn", "1h"})
	if _, err := p.check(detector.Properties()); err == nil || !strings.Contains(err.Error(), "property learn is set several times") {
		t.Errorf("%v", err)
	}
	none := propertyValues{first: func(string) string { return "x" }}
	if warnings, err := none.check(detector.Properties()); none.Get("rules") != "x" || len(warnings) != 0 || err != nil {
		t.Errorf("%q %v", warnings, err)
	}
}
