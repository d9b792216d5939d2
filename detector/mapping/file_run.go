package mapping

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"

	"fluent-bit-newterms/detector/record"
)

// Test runs the tests in the mapping's file and returns what is wrong, a text
// for each fault.
func (m *Mapping) Test() (faults []string) {
	for i := range m.tests {
		faults = append(faults, m.run(&m.tests[i])...)
	}
	return faults
}

// Tests returns how many tests the file has.
func (m *Mapping) Tests() int { return len(m.tests) }

func (m *Mapping) run(test *fileTest) (faults []string) {
	var names []string
	for name := range test.expect {
		names = append(names, name)
	}
	slices.Sort(names)
	p := NewPlan(Options{Mappings: []*Mapping{m}})
	c := &collector{got: make(map[string][]string)}
	for _, name := range names {
		f, _ := p.Field(name)
		c.names, c.fields = append(c.names, name), append(c.fields, f)
	}
	if err := p.NewReader().Line([]byte(test.raw), NoTime, 0, c); err != nil {
		return []string{fmt.Sprintf("line %d: %v", test.line, err)}
	}
	if c.file != m {
		return []string{fmt.Sprintf("line %d: the event is none of %s", test.line, m.Name)}
	}
	for _, name := range names {
		want := texts(test.expect[name])
		have := c.got[name]
		sort.Strings(want)
		sort.Strings(have)
		if !slices.Equal(want, have) {
			faults = append(faults, fmt.Sprintf("line %d: %s is %q, want %q", test.line, name, have, want))
		}
	}
	return faults
}

// texts returns the values that a test expects, as JSON has them.
func texts(val any) (all []string) {
	for _, leaf := range scalars([]any{val}) {
		b, _ := json.Marshal(leaf)
		all = append(all, string(b))
	}
	return all
}

// collector keeps the values of the last event.
type collector struct {
	names  []string
	fields []record.Field
	got    map[string][]string
	file   *Mapping
}

func (c *collector) Event(ev *Event) {
	c.file = ev.file
	clear(c.got)
	for i, f := range c.fields {
		for k := ev.View.Head(f); k != 0; k = ev.View.Next(k) {
			if val := ev.View.At(k); val.Kind != record.Object {
				b, _ := json.Marshal(val.Any())
				c.got[c.names[i]] = append(c.got[c.names[i]], string(b))
			}
		}
	}
}
