package rule

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/place"
)

func TestActiveExceptions(t *testing.T) {
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	r := &Rule{Exceptions: []Exception{
		{Node: kql.Exists("always")},
		{Node: kql.Exists("till-noon"), Expires: at.Add(12 * time.Hour)},
		{Node: kql.Exists("till-one"), Expires: at.Add(time.Hour)},
	}}
	for _, c := range []struct {
		after time.Duration
		want  string
		next  time.Duration // 0: none
	}{
		{0, "always: * or till-noon: * or till-one: *", time.Hour},
		{time.Hour - 1, "always: * or till-noon: * or till-one: *", time.Hour},
		{time.Hour, "always: * or till-noon: *", 12 * time.Hour},
		{12 * time.Hour, "always: *", 0},
	} {
		now := at.Add(c.after)
		if got := r.ActiveExceptions(now).String(); got != c.want {
			t.Errorf("after %v: %s, want %s", c.after, got, c.want)
		}
		want := time.Time{}
		if c.next != 0 {
			want = at.Add(c.next)
		}
		if got := r.NextExpiry(now); !got.Equal(want) {
			t.Errorf("after %v: the next expiry is %v, want %v", c.after, got, want)
		}
	}
	if got := (&Rule{}).ActiveExceptions(at); got != nil {
		t.Errorf("no exceptions are %v, want nil", got)
	}
}

func TestGlobMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "abc", true}, {"a*c", "abc", true}, {"a*c", "ac", true},
		{"a*c", "acd", false}, {"*b*", "abc", true}, {"**", "x", true}, {"abc", "abc", true}, {"abc", "ABC", false},
		{"a*b*c", "aXbYbZc", true}, {"a*b*c", "aXc", false}, {"", "a", false}, {"a?c", "abc", false},
	} {
		if got := kql.MatchStars(c.pattern, c.text); got != c.want {
			t.Errorf("MatchStars(%q, %q) = %v", c.pattern, c.text, got)
		}
	}
}

func TestExpiry(t *testing.T) {
	zone := time.Local
	time.Local = time.FixedZone("elsewhere", 5*3600)
	defer func() { time.Local = zone }()
	for text, want := range map[string]string{
		"2027-01-31":                      "2027-01-31T00:00:00Z",
		"2027-01-31T12:30:00":             "2027-01-31T12:30:00Z",
		"2027-01-31T12:30:00Z":            "2027-01-31T12:30:00Z",
		"2027-01-31T12:30:00+02:00":       "2027-01-31T10:30:00Z",
		`"2027-01-31"`:                    "2027-01-31T00:00:00Z",
		`"2027-01-31T12:30:00.5Z"`:        "2027-01-31T12:30:00.5Z",
		`"2027-01-31T12:30:00"`:           "2027-01-31T12:30:00Z",
		`"2027-01-31T12:30:00.000+01:00"`: "2027-01-31T11:30:00Z",
	} {
		file := "[[exception]]\nquery = \"a: b\"\nexpires = " + text
		path := filepath.Join(t.TempDir(), "e.toml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		found, warnings, err := LoadExceptions(path)
		if err != nil || len(warnings) > 0 || len(found) != 1 {
			t.Errorf("%s: %v, %v, %v", text, found, warnings, err)
			continue
		}
		if got := found[0].Expires.UTC().Format(time.RFC3339Nano); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestExcept(t *testing.T) {
	const rules = `{"rule_id":"a","name":"First","type":"new_terms","query":"q:1","exceptions_list":[{"list_id":"l","type":"detection"}],"new_terms_fields":["x"],"history_window_start":"now-1d"}
{"rule_id":"b","name":"Second","type":"new_terms","query":"q:2","new_terms_fields":["x"],"history_window_start":"now-1d"}
`
	item := func(list string) Exception { return Exception{ListID: list, Node: kql.Exists(list)} }
	own := func(rules ...string) Exception {
		return Exception{Rules: rules, Node: kql.Exists("own-" + strings.Join(rules, "-"))}
	}
	set, _ := Parse("r.ndjson", []byte(rules), Options{})
	warnings := set.Except([]Exception{item("l"), item("other"), own(), own("b"), own("F*"), own("nobody", "B")})
	var got []string
	for _, r := range set.Rules {
		got = append(got, r.ID+" "+r.ActiveExceptions(time.Now()).String())
	}
	want := []string{`a l: * or own-: * or own-F\*: *`, "b own-: * or own-b: *"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(warnings) != 2 || !strings.Contains(warnings[0].Msg, `"other"`) || !strings.Contains(warnings[1].Msg, `"nobody, B"`) {
		t.Errorf("warnings: %v", warnings)
	}
}

func TestValueLists(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("beside.txt", "\uFEFFone\r\n\r\n  two words \r\nhash # kept")
	write("lists/below.txt", "10.0.0.1 # a comment\n# nothing\n10.1.0.0/16\n10.2.0.1-10.2.0.9\n::1\n")
	write("named.csv", "x\n")
	write("else/where/far.txt", "7\n")
	write("lists/empty.txt", "\n")
	mustIP := func(name string, values ...string) *kql.List {
		list, err := kql.NewIPList(name, values)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for name, c := range map[string]struct {
		id, kind string
		want     *kql.List
		problem  string
	}{
		"beside the file":  {"beside", "keyword", kql.NewKeywordList("beside", []string{"one", "two words", "hash # kept"}), ""},
		"in lists":         {"below", "ip_range", mustIP("below", "10.0.0.1", "10.1.0.0/16", "10.2.0.1-10.2.0.9", "::1"), ""},
		"a whole name":     {"named.csv", "keyword", kql.NewKeywordList("named.csv", []string{"x"}), ""},
		"in another place": {"far", "long", kql.NewKeywordList("far", []string{"7"}), ""},
		"empty":            {"empty", "ip", mustIP("empty"), ""},
		"missing":          {"gone", "keyword", nil, `the value list "gone" is missing`},
		"not of addresses": {"beside", "ip", nil, `"one" is no IP address`},
		"a path":           {"lists/below", "ip", nil, "no name of a value list"},
		"a hidden file":    {".profile", "keyword", nil, "no name of a value list"},
		"no id":            {"", "keyword", nil, "id is missing"},
		"an unknown type":  {"beside", "geo_point", nil, `type is "geo_point"; allowed is`},
	} {
		t.Run(name, func(t *testing.T) {
			l := &loader{opts: Options{Lists: []string{filepath.Join(dir, "else/where")}}}
			r := &reader{doc: &place.Document{Text: "{}", JSON: true}}
			m := map[string]any{"list": map[string]any{"type": c.kind}}
			if c.id != "" {
				m["list"].(map[string]any)["id"] = c.id
			}
			lists := l.valueLists(filepath.Join(dir, "export.ndjson"))
			got := lists.entry(r.table("", m))
			said := Problems(append(r.errs, r.warnings...)).Error()
			if c.problem != "" {
				if !strings.Contains(said, c.problem) {
					t.Errorf("%q, want %q in it", said, c.problem)
				}
				return
			}
			if said != "" {
				t.Error(said)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if again := lists.entry(r.table("", m)); again != got {
				t.Error("the list was read twice")
			}
		})
	}
}
