package geoip

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// database writes a small database: each network has one record.
func database(t *testing.T, kind string, records map[string]mmdbtype.Map) []byte {
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
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asnDatabase(t *testing.T, number int, name string) []byte {
	return database(t, "GeoLite2-ASN", map[string]mmdbtype.Map{"192.0.2.0/24": {
		"autonomous_system_number": mmdbtype.Uint32(number), "autonomous_system_organization": mmdbtype.String(name),
	}})
}

func english(name string) mmdbtype.Map {
	return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(name)}}
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	country := english("Elbonia")
	country["iso_code"] = mmdbtype.String("EB")
	region := english("Mud")
	region["iso_code"] = mmdbtype.String("MD")
	asn := write(t, filepath.Join(dir, "asn.mmdb"), asnDatabase(t, 64500, "Example Net"))
	city := write(t, filepath.Join(dir, "city.mmdb"), database(t, "GeoLite2-City", map[string]mmdbtype.Map{
		"2001:db8::/32": {"country": country, "subdivisions": mmdbtype.Slice{region}, "city": english("Puddle"), "continent": english("Here"),
			"location": mmdbtype.Map{"latitude": mmdbtype.Float64(0), "longitude": mmdbtype.Float64(-1.5), "time_zone": mmdbtype.String("Etc/UTC")}},
		"192.0.2.0/24": {"country": country},
	}))
	d, err := Open(asn, city)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from the cache
		for address, want := range map[string]Record{
			"192.0.2.7":        {ASNumber: 64500, ASOrganization: "Example Net", CountryISO: "EB", Country: "Elbonia"},
			"::ffff:192.0.2.7": {ASNumber: 64500, ASOrganization: "Example Net", CountryISO: "EB", Country: "Elbonia"},
			"2001:db8::1": {CountryISO: "EB", Country: "Elbonia", Region: "Mud", RegionISO: "EB-MD", City: "Puddle", Continent: "Here",
				TimeZone: "Etc/UTC", Located: true, Longitude: -1.5},
			"203.0.113.1": {},
		} {
			if got := d.Lookup(netip.MustParseAddr(address)); got != want {
				t.Errorf("%s: %+v, want %+v", address, got, want)
			}
		}
	}
	if got := d.Lookup(netip.Addr{}); got != (Record{}) {
		t.Errorf("no address: %+v", got)
	}
}

// TestReload: a new file counts once it is read; a broken one leaves the old one
// in use, and is complained of once.
func TestReload(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "asn.mmdb"), asnDatabase(t, 64500, "Old"))
	d, err := Open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	name := func() string { return d.Lookup(netip.MustParseAddr("192.0.2.1")).ASOrganization }
	replace := func(data []byte, age time.Duration) {
		write(t, path+".new", data)
		if err := os.Chtimes(path+".new", time.Now(), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	if changed, err := d.Reload(); changed || err != nil {
		t.Errorf("nothing changed: %v, %v", changed, err)
	}
	replace(asnDatabase(t, 64500, "New"), time.Hour)
	if changed, err := d.Reload(); !changed || err != nil || name() != "New" {
		t.Errorf("a new file: %v, %v, %q", changed, err, name())
	}
	replace([]byte("no database"), time.Minute)
	if changed, err := d.Reload(); changed || err == nil || name() != "New" {
		t.Errorf("a broken file: %v, %v, %q", changed, err, name())
	}
	if _, err := d.Reload(); err != nil {
		t.Errorf("a broken file is complained of again: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Reload(); err == nil || name() != "New" {
		t.Errorf("no file: %v, %q", err, name())
	}
}

// TestBadFiles: what is no database is an error that names the property.
func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"FIFO": fifo, "missing": filepath.Join(dir, "none.mmdb"), "folder": dir, "device": "/dev/zero",
		"empty": write(t, filepath.Join(dir, "empty"), nil), "text": write(t, filepath.Join(dir, "text"), []byte(strings.Repeat("x", 1000))),
	} {
		if _, err := Open("", path); err == nil || !strings.Contains(err.Error(), "property geoip_city") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d, err := Open("", ""); d != nil || err != nil {
		t.Errorf("no databases: %v, %v", d, err)
	}
}

// TestDamage: whatever bytes are changed or cut, a lookup returns.
func TestDamage(t *testing.T) {
	data := asnDatabase(t, 64500, "Example Net")
	for i := 0; i < len(data); i += 3 {
		for _, damaged := range [][]byte{data[:i], append(append(bytes.Clone(data[:i]), data[i]^0xff), data[i+1:]...)} {
			path := write(t, filepath.Join(t.TempDir(), "asn.mmdb"), damaged)
			if d, err := Open(path, ""); err == nil {
				d.Lookup(netip.MustParseAddr("192.0.2.1"))
				d.Lookup(netip.MustParseAddr("203.0.113.9"))
			}
		}
	}
}
