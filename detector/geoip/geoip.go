// Package geoip looks up IP addresses in MaxMind databases of the user's: the
// autonomous system that an address belongs to, and the place that it is in.
//
// A database is read into memory whole and is not mapped, so a file that is cut
// while it is in use is an error at the next reload, and never a signal.
package geoip

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/oschwald/maxminddb-golang/v2"

	"fluent-bit-newterms/detector/limits"
)

// Record is what the databases say of an address. A field is empty if they say
// nothing.
type Record struct {
	ASNumber       uint32
	ASOrganization string

	Continent  string // English name
	CountryISO string // ISO 3166-1 alpha-2
	Country    string // English name
	RegionISO  string // ISO 3166-2, with the country: "GB-ENG"
	Region     string // English name of the first subdivision
	City       string // English name
	TimeZone   string // IANA name
	Located    bool   // Latitude and Longitude are known, in degrees
	Latitude   float64
	Longitude  float64
}

// DB is a set of databases in use. It is safe for concurrent use.
type DB struct {
	mu    sync.Mutex
	files []*file
	cache *lru.LRU[netip.Addr, Record]
}

// file is one database.
type file struct {
	property string
	path     string
	read     func(maxminddb.Result, *Record) error

	db    *maxminddb.Reader
	stamp stamp
}

// stamp tells one version of a file from another.
type stamp struct {
	size int64
	at   time.Time
	info os.FileInfo
}

// Open reads the databases at these paths; an empty path is none. asn is an ASN
// database (GeoLite2-ASN), city a city or country database. An error names the
// property whose file cannot be used. Open returns nil if both paths are empty.
func Open(asn, city string) (*DB, error) {
	d := &DB{}
	for _, f := range []*file{{property: "geoip_asn", path: asn, read: readASN}, {property: "geoip_city", path: city, read: readCity}} {
		if f.path == "" {
			continue
		}
		if _, err := f.load(); err != nil {
			return nil, err
		}
		d.files = append(d.files, f)
	}
	if len(d.files) == 0 {
		return nil, nil
	}
	d.cache, _ = lru.NewLRU[netip.Addr, Record](limits.GeoAddresses, nil) // no error: the size is positive
	return d, nil
}

// Reload reads the databases anew whose files have changed, and tells whether
// there was one. After an error the old database stays in use; what could be
// read counts.
func (d *DB) Reload() (changed bool, err error) {
	if d == nil {
		return false, nil
	}
	for _, f := range d.files {
		next := &file{property: f.property, path: f.path, stamp: f.stamp}
		read, lerr := next.load()
		d.mu.Lock()
		f.stamp = next.stamp // a file that cannot be used is tried again when it changes
		if read && lerr == nil {
			f.db, changed = next.db, true
			d.cache.Purge()
		}
		d.mu.Unlock()
		err = errors.Join(err, lerr)
	}
	return changed, err
}

// Lookup returns what the databases say of an address. The nil DB, and a
// database with damage where the address is, say nothing.
func (d *DB) Lookup(a netip.Addr) (r Record) {
	if d == nil || !a.IsValid() {
		return r
	}
	a = a.Unmap().WithZone("")
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, ok := d.cache.Get(a); ok {
		return r
	}
	for _, f := range d.files {
		f.lookup(a, &r)
	}
	d.cache.Add(a, r)
	return r
}

func (f *file) lookup(a netip.Addr, r *Record) {
	defer func() { _ = recover() }() // a damaged file must not end the host
	if result := f.db.Lookup(a); result.Found() {
		if err := f.read(result, r); err != nil {
			return
		}
	}
}

// load reads the file unless it is the version that the stamp says.
func (f *file) load() (read bool, err error) {
	h, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not hold the start up
	if err != nil {
		return false, fmt.Errorf("property %s: %w", f.property, err)
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil {
		return false, fmt.Errorf("property %s: %w", f.property, err)
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("property %s: %q is not a regular file; give the path of a MaxMind database (.mmdb)", f.property, f.path)
	}
	if f.stamp.info != nil && os.SameFile(f.stamp.info, info) && f.stamp.size == info.Size() && f.stamp.at.Equal(info.ModTime()) {
		return false, nil
	}
	f.stamp = stamp{info.Size(), info.ModTime(), info}
	if info.Size() > limits.GeoFileBytes {
		return false, fmt.Errorf("property %s: %q has %d bytes; at most %d are read", f.property, f.path, info.Size(), limits.GeoFileBytes)
	}
	data, err := io.ReadAll(io.LimitReader(h, limits.GeoFileBytes))
	if err != nil {
		return false, fmt.Errorf("property %s: %w", f.property, err)
	}
	db, err := open(data)
	if err != nil {
		return false, fmt.Errorf("property %s: %q is not a MaxMind database, or is damaged: %w", f.property, f.path, err)
	}
	f.db = db
	return true, nil
}

func open(data []byte) (db *maxminddb.Reader, err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("%v", why)
		}
	}()
	return maxminddb.OpenBytes(data)
}

// names are a place's names by language.
type names struct {
	English string `maxminddb:"en"`
}

func readASN(result maxminddb.Result, r *Record) error {
	var v struct {
		Number       uint32 `maxminddb:"autonomous_system_number"`
		Organization string `maxminddb:"autonomous_system_organization"`
	}
	if err := result.Decode(&v); err != nil {
		return err
	}
	r.ASNumber, r.ASOrganization = v.Number, v.Organization
	return nil
}

func readCity(result maxminddb.Result, r *Record) error {
	var v struct {
		Continent struct {
			Names names `maxminddb:"names"`
		} `maxminddb:"continent"`
		Country struct {
			ISO   string `maxminddb:"iso_code"`
			Names names  `maxminddb:"names"`
		} `maxminddb:"country"`
		Subdivisions []struct {
			ISO   string `maxminddb:"iso_code"`
			Names names  `maxminddb:"names"`
		} `maxminddb:"subdivisions"`
		City struct {
			Names names `maxminddb:"names"`
		} `maxminddb:"city"`
		Location struct {
			Latitude  *float64 `maxminddb:"latitude"`
			Longitude *float64 `maxminddb:"longitude"`
			TimeZone  string   `maxminddb:"time_zone"`
		} `maxminddb:"location"`
	}
	if err := result.Decode(&v); err != nil {
		return err
	}
	r.Continent, r.CountryISO, r.Country = v.Continent.Names.English, v.Country.ISO, v.Country.Names.English
	if len(v.Subdivisions) > 0 {
		r.Region = v.Subdivisions[0].Names.English
		if iso := v.Subdivisions[0].ISO; iso != "" && r.CountryISO != "" {
			r.RegionISO = r.CountryISO + "-" + iso
		}
	}
	r.City, r.TimeZone = v.City.Names.English, v.Location.TimeZone
	if v.Location.Latitude != nil && v.Location.Longitude != nil {
		r.Located, r.Latitude, r.Longitude = true, *v.Location.Latitude, *v.Location.Longitude
	}
	return nil
}
