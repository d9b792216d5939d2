package mapping

import (
	"slices"
	"strings"
	"testing"
)

// TestAttributes: names of OpenTelemetry's attributes are fields.
func TestAttributes(t *testing.T) {
	event := parse(t, `{"log":"login of alice","user":{"id":"1"}}`)
	meta := object{{"otlp", object{{"attributes", object{{"user.name", "alice"}, {"event.category", "authentication"}}}}}}
	group := object{{"resource", object{{"attributes", object{{"host.name", "h"}, {"user.id", "2"}}}}}, {"scope", object{{"attributes", object{{"event.dataset", "sshd"}}}}}}
	plain := chunkOf(event)
	// [[time, meta], body], in a group and after it
	head := plain[:12]
	var data []byte
	marker := append([]byte{}, head...)
	copy(marker[4:8], "\xff\xff\xff\xff")
	data = append(append(append(data, marker...), 0x80), appendMsgpack(nil, group)...)
	data = append(append(append(data, head...), appendMsgpack(nil, meta)...), appendMsgpack(nil, event)...)
	copy(marker[4:8], "\xff\xff\xff\xfe")
	data = append(append(data, marker...), 0x80, 0x80)
	data = append(data, plain...)

	c := newCatcher(Options{}, "user.name", "host.name", "user.id", "event.dataset", "log")
	if err := c.reader.Chunk(data, c); err != nil || len(c.events) != 2 {
		t.Fatalf("%d events, %v", len(c.events), err)
	}
	for path, want := range map[string]string{"user.name": `"alice"`, "host.name": `"h"`, "user.id": `"1" "2"`, "event.dataset": `"sshd"`, "log": `"login of alice"`} {
		if got := strings.Join(c.events[0].values[path], " "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		doc := flattened(c.events[0].document(t))
		if slices.Sort(doc[path]); strings.Join(doc[path], " ") != want {
			t.Errorf("%s in the document: %v, want %s", path, doc[path], want)
		}
	}
	if got := c.events[1].values; len(got["user.name"])+len(got["host.name"]) > 0 {
		t.Errorf("the record after the group has %v", got)
	}
}

// TestOwnTime: a document's @timestamp goes before the record's time.
func TestOwnTime(t *testing.T) {
	for in, want := range map[string]int64{
		`{"@timestamp":"1970-01-01T00:00:00Z","event":{"kind":"event"}}`: 0,
		`{"@timestamp":1000,"a":1}`:                                      1e9,
		`{"@timestamp":"soon","a":1}`:                                    chunkTime,
		`{"a":1}`:                                                        chunkTime,
		rawEvent:                                                         chunkTime,
	} {
		for _, f := range formats {
			for _, focused := range []bool{false, true} {
				c := newCatcher(Options{})
				if focused {
					c.reader.Focus(focusOf(t, c, ecsShape), nil)
				}
				if got := c.one(t, f.format, parse(t, in)); got.time != want {
					t.Errorf("%s: %s has the time %d, want %d", f.name, in, got.time, want)
				}
			}
		}
	}
}
