package mapping

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestGeneratedMappings holds the in-place reading of generated events through
// generated mappings to the plain interpretation of the same.
func TestGeneratedMappings(t *testing.T) {
	// No name is another in snake case.
	names := []string{"alpha", "betaGamma", "delta", "HTTPCode", "e"}
	leaves := []any{"x", "192.0.2.1", "TRUE", "true", "12", "Mixed Case", 7, true, "a=1;b=2"}
	rapid.Check(t, func(t *rapid.T) {
		var value func(depth int) any
		value = func(depth int) any {
			switch k := rapid.IntRange(0, 9).Draw(t, "kind"); {
			case k < 5 || depth == 0:
				return rapid.SampledFrom(leaves).Draw(t, "leaf")
			case k < 8:
				var o object
				for _, name := range names {
					if rapid.Bool().Draw(t, "has") {
						o = append(o, member{name, value(depth - 1)})
					}
				}
				if len(o) == 0 {
					o = object{{"e", "x"}}
				}
				return o
			default:
				list := []any{value(depth - 1)}
				for rapid.Bool().Draw(t, "more") && len(list) < 3 {
					list = append(list, value(depth-1))
				}
				return list
			}
		}
		path := func() string {
			p := rapid.SampledFrom(names).Draw(t, "name")
			for rapid.Bool().Draw(t, "deeper") && strings.Count(p, ".") < 2 {
				p += "." + rapid.SampledFrom(names).Draw(t, "name")
			}
			return p
		}
		when := func() string {
			switch rapid.IntRange(0, 3).Draw(t, "when") {
			case 0:
				return fmt.Sprintf("when = '%s: *', ", path())
			case 1:
				return fmt.Sprintf("when = 'not %s: (x or true)', ", path())
			}
			return ""
		}
		source := func() string {
			switch rapid.IntRange(0, 9).Draw(t, "source") {
			case 0:
				return fmt.Sprintf("{ %sis = 'constant' }", when())
			case 1:
				return fmt.Sprintf("{ %sfrom = '%s', as = '%s' }", when(), path(), rapid.SampledFrom([]string{"ip", "lower", "bool", "long", "keyword"}).Draw(t, "as"))
			case 2:
				return fmt.Sprintf("{ %sfrom = '%s', map = { x = 'y', 12 = 1 }, else = 'z' }", when(), path())
			case 3:
				return fmt.Sprintf("{ %sfrom = '%s', match = '([a-z]+)' }", when(), path())
			case 4:
				return fmt.Sprintf("{ %sall = ['%s', '%s'] }", when(), path(), path())
			case 5:
				return fmt.Sprintf("{ %sfrom = '%s' }", when(), path())
			}
			return fmt.Sprintf("'%s'", path())
		}
		var b strings.Builder
		b.WriteString("[mapping]\nname = 'g'\ndataset = 'g.h'\ndetect = 'mark: *'\n[fields]\n")
		var asked []string
		for i := range rapid.IntRange(1, 5).Draw(t, "fields") {
			target := fmt.Sprintf("g.f%d", i)
			list := []string{source()}
			for rapid.Bool().Draw(t, "another") && len(list) < 3 {
				list = append(list, source())
			}
			fmt.Fprintf(&b, "%s = [%s]\n", target, strings.Join(list, ", "))
			asked = append(asked, target)
		}
		m, err := Parse("g.toml", b.String())
		if err != nil {
			t.Fatalf("%s\n%v", b.String(), err)
		}
		event := object{{"mark", "1"}}
		for _, name := range names {
			if rapid.Bool().Draw(t, "there") {
				event = append(event, member{name, value(3)})
			}
		}
		for _, f := range formats {
			c := newCatcher(Options{Mappings: []*Mapping{m}}, asked...)
			for range 2 {
				c.events = nil
				if f.name == "JSON" {
					_ = c.reader.Line(appendJSON(nil, event), 0, 0, c)
				} else if err := c.reader.Chunk(chunkOf(event), c); err != nil {
					t.Fatal(err)
				}
				if len(c.events) != 1 || c.events[0].ref.file != m {
					t.Fatalf("%d events of %s", len(c.events), text(event))
				}
				doc, err := c.events[0].ref.Document()
				if err != nil {
					t.Fatal(err)
				}
				flat := flattened(doc)
				for _, name := range asked {
					if have, want := values(c.events[0].values[name]), values(flat[name]); have != want {
						t.Fatalf("%s\n%s\n%s, %s: %s in place, %s in the document", b.String(), text(event), f.name, name, have, want)
					}
				}
				// The second time, the event is read through a specialization.
				if focus, ok := c.reader.plan.Focus(Shape{fileShape}, c.byField); ok {
					c.reader.Focus(focus, nil)
				}
			}
		}
	})
}

// values returns values without maps, in order, as one text.
func values(all []string) string {
	all = slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == "object" })
	slices.Sort(all)
	return strings.Join(all, " ")
}
