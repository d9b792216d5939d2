package mapping

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"fluent-bit-newterms/detector/geoip"
	"fluent-bit-newterms/detector/record"
	"fluent-bit-newterms/test/mmdb"
)

func geoDatabases(t *testing.T) *geoip.DB {
	t.Helper()
	dir := t.TempDir()
	db, err := geoip.Open(
		mmdb.ASN(t, filepath.Join(dir, "asn.mmdb"), map[string]uint32{"192.0.2.0/24": 64500, "2001:db8::/32": 64501}),
		mmdb.City(t, filepath.Join(dir, "city.mmdb"), map[string]string{"192.0.2.0/24": "Puddle"}))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestGeo: what databases of addresses say of source.ip is in the View and in the
// document alike, in events of every shape, and never goes before what the event
// holds.
func TestGeo(t *testing.T) {
	var fields []string
	for i := range geoFields {
		fields = append(fields, geoFields[i].name)
	}
	fields = append(fields, "source.as", "source.as.organization", "source.geo", "source.geo.location", "source.ip")
	all := map[string]string{
		"source.as.number": "64500", "source.as.organization.name": `"Network 192.0.2.0/24"`,
		"source.geo.continent_name": `"Here"`, "source.geo.country_iso_code": `"EB"`, "source.geo.country_name": `"Elbonia"`,
		"source.geo.region_iso_code": `"EB-MD"`, "source.geo.region_name": `"Mud"`, "source.geo.city_name": `"Puddle"`,
		"source.geo.timezone": `"Etc/UTC"`, "source.geo.location.lat": "1.5", "source.geo.location.lon": "-2.5",
	}
	aws := builtins()["aws_cloudtrail"]
	for name, test := range map[string]struct {
		event object
		want  map[string]string
	}{
		"audit event":           {object{{"auditID", "1"}, {"stage", "ResponseComplete"}, {"kind", "Event"}, {"sourceIPs", []any{"192.0.2.7"}}}, all},
		"later address":         {object{{"auditID", "1"}, {"stage", "ResponseComplete"}, {"kind", "Event"}, {"sourceIPs", []any{"10.0.0.1", "no address", "192.0.2.7", "2001:db8::1"}}}, all},
		"under an agent's name": {object{{"kubernetes", object{{"audit", object{{"auditID", "1"}, {"stage", "x"}, {"kind", "Event"}, {"sourceIPs", []any{"192.0.2.7"}}}}}}}, all},
		"CloudTrail": {object{{"eventSource", "s3.amazonaws.com"}, {"eventName", "x"}, {"eventVersion", "1.08"}, {"eventID", "e"}, {"userIdentity", object{{"type", "y"}}},
			{"sourceIPAddress", "192.0.2.7"}}, all},
		"CloudTrail, a service": {object{{"eventSource", "s3.amazonaws.com"}, {"eventName", "x"}, {"eventVersion", "1.08"}, {"eventID", "e"}, {"userIdentity", object{{"type", "y"}}},
			{"sourceIPAddress", "s3.amazonaws.com"}}, nil},
		"document":         {object{{"event.kind", "event"}, {"source", object{{"ip", "192.0.2.7"}}}}, all},
		"dotted document":  {object{{"event.kind", "event"}, {"source.ip", "192.0.2.7"}}, all},
		"IPv6, no city":    {object{{"event.kind", "event"}, {"source.ip", "2001:db8::1"}}, map[string]string{"source.as.number": "64501", "source.as.organization.name": `"Network 2001:db8::/32"`}},
		"in no database":   {object{{"event.kind", "event"}, {"source.ip", "203.0.113.1"}}, nil},
		"no source.ip":     {object{{"event.kind", "event"}, {"client.ip", "192.0.2.7"}}, nil},
		"source is a text": {object{{"event.kind", "event"}, {"source", "x"}, {"source.ip", "192.0.2.7"}}, all},
	} {
		for _, format := range formats {
			t.Run(name+" "+format.name, func(t *testing.T) {
				c := newCatcher(Options{Geo: geoDatabases(t), Mappings: []*Mapping{aws}}, fields...)
				got := c.one(t, format.format, test.event)
				doc := flattened(got.document(t))
				for _, field := range fields[:len(geoFields)] {
					var want []string
					if text, ok := test.want[field]; ok {
						want = []string{text}
					}
					if !slices.Equal(got.values[field], want) {
						t.Errorf("%s is %v in the View, want %v", field, got.values[field], want)
					}
					if !slices.Equal(doc[field], want) {
						t.Errorf("%s is %v in the document, want %v", field, doc[field], want)
					}
				}
				for _, field := range fields[len(geoFields):] {
					if got.exists[field] != (len(doc[field]) > 0) {
						t.Errorf("%s exists: %v in the View, %v in the document", field, got.exists[field], doc[field])
					}
				}
			})
		}
	}
}

// TestGeoOwn: what the event holds itself stays.
func TestGeoOwn(t *testing.T) {
	event := object{{"event.kind", "event"}, {"source", object{{"ip", "192.0.2.7"}, {"as", object{{"number", 7}}}}}, {"source.geo.city_name", "Home"}}
	c := newCatcher(Options{Geo: geoDatabases(t)}, "source.as.number", "source.as.organization.name", "source.geo.city_name", "source.geo.country_name")
	for _, format := range formats {
		got := c.one(t, format.format, event)
		doc := flattened(got.document(t))
		for field, want := range map[string]string{"source.as.number": "7", "source.as.organization.name": `"Network 192.0.2.0/24"`,
			"source.geo.city_name": `"Home"`, "source.geo.country_name": `"Elbonia"`} {
			if fmt.Sprint(got.values[field]) != "["+want+"]" || fmt.Sprint(doc[field]) != "["+want+"]" {
				t.Errorf("%s: %s is %v in the View and %v in the document, want %s", format.name, field, got.values[field], doc[field], want)
			}
		}
	}
}

// TestGeoOnlyWhereAsked: no event is looked up for a plan that asks for none of
// the fields, nor for one that is read through a Focus and not asked.
func TestGeoOnlyWhereAsked(t *testing.T) {
	db := geoDatabases(t)
	p := NewPlan(Options{Geo: db})
	for _, name := range []string{"source.ip", "source.address", "client.geo.city_name", "event.action", "source"} {
		p.Field(name)
	}
	for s := range p.shapes {
		for _, d := range p.derives[s] {
			if d.geo != nil {
				t.Errorf("shape %d looks addresses up for %s", s, d.geo.name)
			}
		}
	}

	p = NewPlan(Options{Geo: db, Mappings: []*Mapping{}})
	asn, _ := p.Field("source.as.number")
	action, _ := p.Field("event.action")
	h := &focusing{plan: p, fields: []record.Field{asn, action}, asked: action}
	h.reader = p.NewReader()
	line := []byte(`{"auditID":"1","stage":"ResponseComplete","kind":"Event","verb":"get","sourceIPs":["192.0.2.7"]}`)
	for range 2*watchEvents + 2 {
		if err := h.reader.Line(line, NoTime, 0, h); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(h.focus.steps.derives); h.focus.late == nil || n != 0 {
		t.Errorf("a focused event that is not asked for the field has %d derivations, late layout %v", n, h.focus.late)
	}
	h.asked = asn
	if err := h.reader.Line(line, NoTime, 0, h); err != nil {
		t.Fatal(err)
	}
	if h.got != "64500" {
		t.Errorf("source.as.number of a focused event is %q", h.got)
	}
}

// focusing reads events through a Focus, and asks each for one field.
type focusing struct {
	plan   *Plan
	reader *Reader
	focus  *Focus
	fields []record.Field
	asked  record.Field
	got    string
}

func (h *focusing) Event(ev *Event) {
	h.got = ""
	if i := ev.View.Head(h.asked); i != 0 {
		h.got = fmt.Sprint(ev.View.At(i).Any())
	}
	if h.focus == nil {
		h.focus, _ = h.plan.Focus(ev.Shape(), h.fields)
		h.reader.Focus(h.focus, nil)
	}
}
