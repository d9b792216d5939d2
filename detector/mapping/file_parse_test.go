package mapping

import (
	"strings"
	"testing"
)

const mappingHead = "[mapping]\nname = 'n'\ndataset = 'a.b'\ndetect = 'x: *'\n[fields]\n"

// TestParseFaults: each fault has its place and says what is allowed.
func TestParseFaults(t *testing.T) {
	for in, want := range map[string]string{
		mappingHead + "a = 'b'\nc.d = { from = 'e', as = 'ipp' }":                      `f.toml:7:26: "ipp" is no conversion: use ip,`,
		mappingHead + "c = { frm = 'e', is = 1 }":                                      `f.toml:6:13: "frm" is no key here: use from,`,
		mappingHead + "c = { from = 'e', match = 'a(' }":                               `f.toml:6:27: error parsing regexp`,
		mappingHead + "c = { from = 'e', match = 'a' }":                                `f.toml:6:27: the expression needs one group`,
		mappingHead + "c = { from = 'e', when = 'a: (b or' }":                          `f.toml:6:`,
		mappingHead + "c = { from = 'e', all = ['f'] }":                                `exclude one another`,
		mappingHead + "c = { from = 'e', pairs = ['f'] }":                              `two names are needed`,
		mappingHead + "c = { from = 'e', names = 'camel' }":                            `use snake`,
		mappingHead + "c = []":                                                         `c has no source`,
		mappingHead + "c = 5":                                                          `f.toml:6:5: a path in quotes`,
		mappingHead + "c = 'a..b'":                                                     `has a name of no letters`,
		mappingHead + "c = 'a[x]'":                                                     `one element may be named`,
		mappingHead + "c = 'a.\"b'":                                                    `has a quote that does not end`,
		mappingHead + "a.b = 'x'\n\"a.b\" = 'y'":                                       `a.b is given twice`,
		mappingHead + "a = 'x'\na = 'y'":                                               `f.toml:7:`,
		mappingHead + "a = 'x'\n[[test]]\nraw = '{}'":                                  `a test has raw`,
		"[mapping]\nname = 'n'\ndetect = 'x: *'\n[fields]\na = 'b'":                    `dataset is missing`,
		"[mapping]\nname = 'n'\ndataset = 'd'\ndetect = 'not x: *'\n[fields]\na = 'b'": `f.toml:4:10: no field has to be there`,
		"[mapping]\nname = 'n'\ndataset = 'd'\n[fields]\na = 'b'":                      `detect is missing`,
		"[mappin]":                             `"mappin" is no key here`,
		strings.Repeat("a.", 10_000) + "a = 1": `a key of 10001 names`,
		"a = ":                                 `f.toml:1:`,
	} {
		_, err := Parse("f.toml", in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200q: %v, want %s", in, err, want)
		}
	}
	if _, err := Parse("f.toml", mappingHead+"a = 'b'"); err != nil {
		t.Error(err)
	}
}

// TestSetMappings reads the property.
func TestSetMappings(t *testing.T) {
	for in, want := range map[string]int{"": -1, "auto": -1, "aws_cloudtrail": 1, "ecs, kubernetes_audit, okta_system": 1, "builtin/falco.toml,tetragon": 2} {
		var o Options
		if err := o.Set(in); err != nil || want >= 0 && len(o.Mappings) != want || want < 0 && o.Mappings != nil {
			t.Errorf("%q: %d mappings, %v", in, len(o.Mappings), err)
		}
	}
	for _, in := range []string{"nosuch", "aws_cloudtrail,nosuch", "/nosuch.toml"} {
		if err := new(Options).Set(in); err == nil {
			t.Errorf("%q is taken", in)
		}
	}
}
