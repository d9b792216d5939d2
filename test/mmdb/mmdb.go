// Package mmdb writes small MaxMind databases for tests.
package mmdb

import (
	"net"
	"os"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Write writes a database of a kind, such as GeoLite2-ASN, to a path, and returns
// the path. Each network, in CIDR notation, has one record. It replaces the file
// by a rename, as an update of the database does.
func Write(t testing.TB, path, kind string, records map[string]mmdbtype.Map) string {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, r := range records {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Insert(n, r); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// ASN writes a database of autonomous systems: each network has a number and is
// of the organization "Network" with the network's text.
func ASN(t testing.TB, path string, numbers map[string]uint32) string {
	t.Helper()
	records := make(map[string]mmdbtype.Map)
	for network, n := range numbers {
		records[network] = mmdbtype.Map{
			"autonomous_system_number":       mmdbtype.Uint32(n),
			"autonomous_system_organization": mmdbtype.String("Network " + network),
		}
	}
	return Write(t, path, "GeoLite2-ASN", records)
}

// City writes a database of cities: each network is in the city of that name.
func City(t testing.TB, path string, cities map[string]string) string {
	t.Helper()
	english := func(name string) mmdbtype.Map {
		return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(name)}}
	}
	with := func(m mmdbtype.Map, iso string) mmdbtype.Map { m["iso_code"] = mmdbtype.String(iso); return m }
	records := make(map[string]mmdbtype.Map)
	for network, name := range cities {
		records[network] = mmdbtype.Map{
			"continent":    english("Here"),
			"country":      with(english("Elbonia"), "EB"),
			"subdivisions": mmdbtype.Slice{with(english("Mud"), "MD")},
			"city":         english(name),
			"location": mmdbtype.Map{"latitude": mmdbtype.Float64(1.5), "longitude": mmdbtype.Float64(-2.5),
				"time_zone": mmdbtype.String("Etc/UTC")},
		}
	}
	return Write(t, path, "GeoLite2-City", records)
}
