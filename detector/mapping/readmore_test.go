package mapping

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fluent-bit-newterms/detector/record"
)

// TestReadMore reads odd events through a Focus that knows some fields as seldom
// asked for, and has the rest of each scanned before anybody asks: every field
// has the values that it has of an event read in full, and each of them once.
func TestReadMore(t *testing.T) {
	fields := differentialFields(t)
	whole := newCatcher(Options{}, fields...)
	usual := object{{"auditID", "id"}, {"stage", "Panic"}, {"verb", "get"}}
	rapid.Check(t, func(rt *rapid.T) {
		c := newCatcher(Options{}, fields...)
		c.one(t, formats[0].format, usual)
		f, ok := c.reader.plan.Focus(Shape{rawShape}, c.byField)
		if !ok {
			t.Fatal("no Focus")
		}
		more, read := false, 0
		c.reader.Focus(f, func(ev *Event) bool {
			if read++; more || read%2 == 0 {
				c.reader.ReadMore(ev)
			}
			return false
		})
		var often []record.Field
		for k, field := range c.byField {
			if rapid.Bool().Draw(rt, fields[k]) {
				often = append(often, field)
			}
		}
		chunk := chunkOf(usual)
		for watch := (asker{often}); f.late == nil; {
			if err := c.reader.Chunk(chunk, watch); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			event := append(object{{"auditID", "id"}, {"stage", "ResponseComplete"}}, drawEvent(rt)...)
			if rapid.Bool().Draw(rt, "beside") {
				event = append(event, drawBeside(rt)...)
			}
			record := event
			list := rapid.IntRange(0, 3).Draw(rt, "list") == 0
			if list { // of which only some have more read
				record = listOfEvents(event, append(slices.Clone(usual), drawEvent(rt)...), event)
			}
			format := rapid.SampledFrom(formats).Draw(rt, "format")
			got, want := c.read(t, format.format, record), whole.read(t, format.format, record)
			if len(got) != len(want) {
				rt.Fatalf("%d events, want %d: %s", len(got), len(want), text(record))
			}
			for i := range got {
				if !maps.EqualFunc(got[i].values, want[i].values, slices.Equal) || !maps.Equal(got[i].exists, want[i].exists) {
					for path, vals := range want[i].values {
						if !slices.Equal(vals, got[i].values[path]) {
							rt.Errorf("%s: %v, want %v", path, got[i].values[path], vals)
						}
					}
					rt.Fatalf("%s, event %d: %v, want %v: %s", format.name, i, got[i].values, want[i].values, text(record))
				}
			}
			more = rapid.Bool().Draw(rt, "more")
		}
	})
}

// asker asks for some fields of every event.
type asker struct{ fields []record.Field }

func (a asker) Event(ev *Event) {
	for _, f := range a.fields {
		ev.View.Head(f)
	}
}
