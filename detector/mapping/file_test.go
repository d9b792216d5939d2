package mapping

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/record"
)

// TestFileTests runs the tests inside the mappings that come with newterms.
func TestFileTests(t *testing.T) {
	for _, name := range Builtin() {
		m := builtins()[name]
		if len(m.tests) == 0 {
			t.Errorf("%s has no tests", name)
		}
		for _, fault := range m.Test() {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

// fixtures are raw events with the values that Elastic's pipelines give.
func fixtures(t *testing.T) map[string][]struct {
	Path   string
	Raw    json.RawMessage
	Expect map[string]any
} {
	files, _ := filepath.Glob("../../../shared/data/sources/fixtures/*.jsonl")
	if len(files) == 0 {
		t.Skip("no fixtures beside the repository")
	}
	all := make(map[string][]struct {
		Path   string
		Raw    json.RawMessage
		Expect map[string]any
	})
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		in := bufio.NewScanner(f)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			var x struct {
				Path   string
				Raw    json.RawMessage
				Expect map[string]any
			}
			if err := json.Unmarshal(in.Bytes(), &x); err != nil {
				t.Fatal(err)
			}
			all[filepath.Base(file)] = append(all[filepath.Base(file)], x)
		}
	}
	return all
}

// otherwise are the fields of fixtures that come out in another way, and why.
var otherwise = map[string]string{
	"source.as.number":            "from a database of addresses (geoip_asn)",
	"source.as.organization.name": "from a database of addresses (geoip_asn)",
	"source.geo.country_iso_code": "from a database of addresses (geoip_city)",
	"source.geo.country_name":     "from a database of addresses (geoip_city)",
	"source.geo.region_name":      "from a database of addresses (geoip_city)",
	"source.geo.city_name":        "from a database of addresses (geoip_city)",
	"event.category":              "depends on tables of actions that are longer than what rules ask for",
	"event.type":                  "depends on tables of actions that are longer than what rules ask for",
}

// all returns the mappings that come with newterms.
func all() []*Mapping {
	o := Options{}
	return o.mappings()
}

func TestFixtures(t *testing.T) {
	equal, total := 0, 0
	for name, list := range fixtures(t) {
		for i, x := range list {
			names := slices.Sorted(func(yield func(string) bool) {
				for k := range x.Expect {
					if !yield(k) {
						return
					}
				}
			})
			c := newCatcher(Options{Mappings: all()}, names...)
			if err := c.reader.Line(x.Raw, 0, 0, c); err != nil {
				t.Fatal(err)
			}
			// An entry of Google Kubernetes Engine is of two data sets.
			if len(c.events) == 0 || c.events[len(c.events)-1].ref.file == nil {
				t.Errorf("%s %d: no mapping fits %.200s", name, i, x.Raw)
				continue
			}
			got := c.events[len(c.events)-1]
			for _, path := range names {
				total++
				var want []string
				walkLeaves("", map[string]any{path: x.Expect[path]}, func(_ string, leaf any) { want = append(want, fmt.Sprint(leaf)) })
				have := []string{}
				for _, s := range got.values[path] {
					have = append(have, strings.Trim(s, `"`))
				}
				sort.Strings(want)
				sort.Strings(have)
				if slices.Equal(want, have) {
					equal++
				} else if otherwise[path] == "" {
					t.Errorf("%s %d: %s is %q, want %q", name, i, path, have, want)
				}
			}
		}
	}
	t.Logf("%d of %d fields are equal", equal, total)
}

// TestViewIsFileDocument holds what rules see of raw events, read in place, to
// their documents, made by interpreting the mapping plainly.
func TestViewIsFileDocument(t *testing.T) {
	for _, name := range Builtin() {
		m := builtins()[name]
		var asked []string
		for _, f := range m.fields {
			if f.target != "" {
				asked = append(asked, f.target)
			}
		}
		for _, test := range m.tests {
			o := Options{Mappings: []*Mapping{m}}
			for _, f := range formats {
				c := newCatcher(o, asked...)
				got := c.one(t, f.format, parse(t, test.raw))
				if got.ref.file != m {
					t.Errorf("%s: not detected: %s", name, test.raw)
					continue
				}
				checkFileView(t, name+" "+f.name, got)
			}
		}
	}
}

func checkFileView(t *testing.T, name string, got caught) {
	t.Helper()
	flat := flattened(got.document(t))
	for _, path := range got.asked {
		want := slices.DeleteFunc(slices.Clone(flat[path]), func(s string) bool { return s == "object" })
		if ecs.TypeOf(path) == record.Flattened {
			for p, vals := range flat {
				if strings.HasPrefix(p, path+".") {
					want = append(want, slices.DeleteFunc(slices.Clone(vals), func(s string) bool { return s == "object" })...)
				}
			}
		}
		have := slices.Clone(got.values[path])
		sort.Strings(want)
		sort.Strings(have)
		if !slices.Equal(want, have) {
			t.Errorf("%s: %s is %v, in the document %v", name, path, have, want)
		}
	}
}
