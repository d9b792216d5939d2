package rule

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"fluent-bit-newterms/detector/place"
)

// odd is TOML in all the ways in which its decoder takes it.
const odd = "# a comment = [x]\r\n" + `top = 1 # and more
"quoted key" . 'other.Key' = "v"
dotted.Key.x = 'its'` + "\n" + `
[ spaced . "tab\tle" ]
a = [ 1, [ "x", 'y' ], # within
  { k = "}", l = [ ] },
]
empty = ""
inline = { a.b = 1, "c d" = { e = "\u00e9\"" } }
long = """
one \
   two ""three"" \U0001F600 \" end"""
literal = '''
it''s # no comment'''
one_line = '''x'''
quotes = """"x""""
date = 2027-01-31T00:00:00Z
[[list]]
n = 1
[[list.inner]]
s = "ü = é"
[[list.inner]]
s = "b"
[list.inner.deep]
z = true
[[list]]
n = 2
[[list.inner]]
s = "c"
`

// TestPlaces checks the scanners against the decoders: every value decoded
// has a place, and the end of every text is where inString says it is.
func TestPlaces(t *testing.T) {
	texts := map[string]string{"odd": odd}
	paths, _ := filepath.Glob(filepath.Join(sharedRules, "*.toml"))
	ours, _ := filepath.Glob("../../conf/rules/*.toml")
	for _, path := range append(paths, ours...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(data)
	}
	if len(texts) < 2 {
		t.Fatal("the rules that are shipped are not there")
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			var m map[string]any
			if _, err := toml.Decode(text, &m); err != nil {
				t.Fatal(err)
			}
			plainValue(m)
			checkPlaces(t, &place.Document{Text: text, FirstLine: 1}, "", m)
			for _, indent := range []string{"", "  "} {
				data, err := numbers.MarshalIndent(m, "", indent)
				if err != nil {
					t.Fatal(err)
				}
				checkPlaces(t, &place.Document{Text: string(data), FirstLine: 1, JSON: true}, "", m)
			}
		})
	}
}

func checkPlaces(t *testing.T, d *place.Document, path string, v any) {
	t.Helper()
	p, ok := d.Find(path)
	if !ok {
		t.Fatalf("json %v: %s has no place", d.JSON, path)
	}
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			child := place.Child(path, key)
			if place.Parent(child) != path {
				t.Errorf("the parent of %s is %s, want %s", child, place.Parent(child), path)
			}
			checkPlaces(t, d, child, e)
		}
	case []any:
		for i, e := range v {
			checkPlaces(t, d, place.Element(path, i), e)
		}
	case string:
		quote := d.Text[p.Value : p.Value+1]
		if quote != `"` && quote != "'" {
			t.Fatalf("json %v: the text at %s starts with %s", d.JSON, path, quote)
		}
		if strings.HasPrefix(d.Text[p.Value:], strings.Repeat(quote, 3)) {
			quote = strings.Repeat(quote, 3)
		}
		end := d.InString(path, len(v))
		lines := strings.SplitAfter(d.Text, "\n")
		rest := string([]rune(lines[end.Line-1])[end.Column-1:])
		if !strings.HasPrefix(rest, quote) {
			t.Errorf("json %v: the text at %s ends at %v, before %q", d.JSON, path, end, shorten(rest))
		}
	case bool:
		if !strings.HasPrefix(d.Text[p.Value:], strconv.FormatBool(v)) {
			t.Errorf("json %v: at %s stands %q, want %v", d.JSON, path, shorten(d.Text[p.Value:]), v)
		}
	case int64:
		if !strings.HasPrefix(d.Text[p.Value:], strconv.FormatInt(v, 10)) {
			t.Errorf("json %v: at %s stands %q, want %v", d.JSON, path, shorten(d.Text[p.Value:]), v)
		}
	}
}

func TestParentPath(t *testing.T) {
	for path, want := range map[string]string{
		"":                  "",
		"a":                 "",
		"a.b":               "a",
		"a.b[2]":            "a.b",
		"a[0][1]":           "a[0]",
		`a."b.c"`:           "a",
		`"b.c"`:             "",
		`a."b.c".d`:         `a."b.c"`,
		`a."say \"x\" now"`: "a",
		`a[1]."x[0]"`:       "a[1]",
	} {
		if got := place.Parent(path); got != want {
			t.Errorf("place.Parent(%s) = %s, want %s", path, got, want)
		}
	}
}

// TestPlaceOfAbsent checks that what is not there is told at what is around it.
func TestPlaceOfAbsent(t *testing.T) {
	d := &place.Document{File: "f", Text: "[rule]\n\n[rule.new_terms]\nvalue = 1\n", FirstLine: 1}
	if got := d.At(d.Place("rule.new_terms.x[3].y").Key).String(); got != "f:3:1" {
		t.Errorf("got %s, want f:3:1", got)
	}
}
