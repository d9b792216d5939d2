package mapping

import (
	"net/netip"
	"strings"

	"fluent-bit-newterms/detector/geoip"
	"fluent-bit-newterms/detector/record"
)

// geoFields are the fields that databases of addresses give of source.ip, where
// the event does not hold them itself. nil is no value.
//
// Source: Elastic's geoip processor with target fields source.geo and source.as.
var geoFields = []struct {
	name string
	of   func(r *geoip.Record) any
}{
	{"source.as.number", func(r *geoip.Record) any {
		if r.ASNumber == 0 {
			return nil
		}
		return int64(r.ASNumber)
	}},
	{"source.as.organization.name", func(r *geoip.Record) any { return given(r.ASOrganization) }},
	{"source.geo.continent_name", func(r *geoip.Record) any { return given(r.Continent) }},
	{"source.geo.country_iso_code", func(r *geoip.Record) any { return given(r.CountryISO) }},
	{"source.geo.country_name", func(r *geoip.Record) any { return given(r.Country) }},
	{"source.geo.region_iso_code", func(r *geoip.Record) any { return given(r.RegionISO) }},
	{"source.geo.region_name", func(r *geoip.Record) any { return given(r.Region) }},
	{"source.geo.city_name", func(r *geoip.Record) any { return given(r.City) }},
	{"source.geo.timezone", func(r *geoip.Record) any { return given(r.TimeZone) }},
	{"source.geo.location.lat", func(r *geoip.Record) any { return degrees(r, r.Latitude) }},
	{"source.geo.location.lon", func(r *geoip.Record) any { return degrees(r, r.Longitude) }},
}

func given(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func degrees(r *geoip.Record, val float64) any {
	if !r.Located {
		return nil
	}
	return val
}

// isGeo tells whether databases of addresses can give a field, or something
// below it.
func isGeo(name string) bool {
	for i := range geoFields {
		if at := geoFields[i].name; at == name || name != "source" && strings.HasPrefix(at, name+".") {
			return true
		}
	}
	return false
}

// geo is the derivation of a field from the address in a slot.
type geo struct {
	name    string
	address int32
	db      *geoip.DB
}

// geoSlot returns the slot of a field that databases of addresses give where
// the slot given, which the event fills, is empty.
func (p *Plan) geoSlot(s shape, name string, given, address int32) int32 {
	dst := p.make("geo " + name)
	p.derives[s] = append(p.derives[s], derivation{
		dst:     dst,
		sources: []derivedSource{{fieldSource: &fieldSource{direct: true}, slots: []int32{given}}},
		geo:     &geo{name, address, p.opts.Geo},
	})
	return dst
}

// push fills the slot dst.
func (g *geo) push(v *record.View, dst int32) {
	for i := v.Slot(g.address); i != 0; i = v.Next(i) {
		val := v.At(i)
		if val.Kind != record.String {
			continue
		}
		r, ok := lookup(g.db, val.Str)
		if !ok {
			continue
		}
		for k := range geoFields {
			f := &geoFields[k]
			if f.name != g.name && !strings.HasPrefix(f.name, g.name+".") {
				continue
			}
			found := f.of(&r)
			if found == nil {
				continue
			}
			out, _ := valueOf(found)
			if f.name != g.name {
				out = record.Value{Kind: record.Object}
			}
			v.PushSlot(dst, out)
			return
		}
		return // as Elastic does, the first address that is in a database says all
	}
}

// lookup returns what the databases say of the address in a text. ok is false
// if that is nothing.
func lookup(db *geoip.DB, text string) (r geoip.Record, ok bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return r, false
	}
	r = db.Lookup(a)
	return r, r != geoip.Record{}
}

// addGeo adds to a document what the databases say of its source.ip.
func addGeo(doc map[string]any, db *geoip.DB) {
	for _, val := range scalars(at(doc, []string{"source", "ip"})) {
		text, _ := val.(string)
		r, ok := lookup(db, text)
		if !ok {
			continue
		}
		before := make(map[string]bool) // decided before any is set: the event's own
		for i := range geoFields {
			before[geoFields[i].name] = at(doc, strings.Split(geoFields[i].name, ".")) != nil
		}
		for i := range geoFields {
			f := &geoFields[i]
			val := f.of(&r)
			switch path := strings.Split(f.name, "."); {
			case before[f.name] || val == nil:
			case fits(doc, path):
				put(doc, path, val)
			default:
				doc[f.name] = val
			}
		}
		return
	}
}
