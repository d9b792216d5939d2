package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"fluent-bit-newterms/detector/geoip"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/normalize"
	"fluent-bit-newterms/detector/rule"
)

// Values of flags. Each refuses what it cannot read with a sentence that says
// what is allowed; pflag puts the name of the flag before it.

// pathsValue is files, folders and globs: given several times, or with commas.
type pathsValue []string

func (p *pathsValue) String() string     { return strings.Join(*p, ",") }
func (p *pathsValue) Type() string       { return "PATH" }
func (p *pathsValue) Set(s string) error { *p = append(*p, rule.SplitList(s)...); return nil }

// modeValue is a mapping.
type modeValue struct {
	options mapping.Options
	text    string
}

func (m *modeValue) String() string { return m.text }
func (m *modeValue) Type() string   { return "M" }
func (m *modeValue) Set(s string) (err error) {
	m.text = s
	return m.options.Set(s)
}

// learnValue is how long a rule learns.
type learnValue struct {
	span time.Duration
	text string
}

func (l *learnValue) String() string { return l.text }
func (l *learnValue) Type() string   { return "SPAN" }
func (l *learnValue) Set(s string) (err error) {
	l.text = s
	l.span, err = rule.ParseLearn(s)
	return err
}

// spanValue is a length of time.
type spanValue time.Duration

func (v *spanValue) Type() string { return "SPAN" }
func (v *spanValue) String() string {
	if *v == 0 {
		return ""
	}
	return rule.FormatSpan(time.Duration(*v))
}
func (v *spanValue) Set(s string) error {
	span, err := rule.ParseSpan(s)
	if err == nil && span < time.Second {
		err = fmt.Errorf("%q is too short; at least 1s", s)
	}
	*v = spanValue(span)
	return err
}

// timeValue is a moment. A date alone is the last moment of that day.
type timeValue struct {
	time.Time
	text string
}

func (t *timeValue) String() string { return t.text }
func (t *timeValue) Type() string   { return "TIME" }
func (t *timeValue) Set(s string) (err error) {
	t.text = s
	if t.Time, err = time.Parse(time.DateOnly, s); err == nil {
		t.Time = t.Add(24*time.Hour - time.Millisecond)
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04"} {
		if t.Time, err = time.Parse(layout, s); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%q is no time: write 2026-01-31T18:00:00Z, or a date for all of that day (UTC)", s)
}

// countValue is a whole number, with underscores if one likes.
type countValue struct {
	n, least, most int
	set            bool
}

func (c *countValue) Type() string { return "N" }
func (c *countValue) String() string {
	if !c.set {
		return ""
	}
	return strconv.Itoa(c.n)
}
func (c *countValue) Set(s string) error {
	n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
	if err != nil || n < c.least || n > c.most {
		return fmt.Errorf("%q is not allowed; a whole number from %d to %d", s, c.least, c.most)
	}
	c.n, c.set = n, true
	return nil
}

// geoFiles are the databases of addresses.
type geoFiles struct {
	asn, city string
	db        *geoip.DB
}

// geoValue is the file of one of them.
type geoValue struct {
	path  *string
	files *geoFiles
}

func (g *geoValue) String() string {
	if g.path == nil {
		return ""
	}
	return *g.path
}
func (g *geoValue) Type() string { return "FILE" }
func (g *geoValue) Set(s string) (err error) {
	*g.path = s
	g.files.db, err = geoip.Open(g.files.asn, g.files.city)
	return err
}

// normalizeValue is what rules take out of terms.
type normalizeValue struct {
	set  *normalize.Set
	text string
}

func (n *normalizeValue) String() string { return n.text }
func (n *normalizeValue) Type() string   { return "SET" }
func (n *normalizeValue) Set(s string) (err error) {
	n.text = s
	n.set, err = normalize.Load(rule.SplitList(s), os.ReadFile)
	return err
}

// variantsValue is what comes of variants.
type variantsValue struct{ rule.Variants }

func (v *variantsValue) Type() string { return "W" }
func (v *variantsValue) String() string {
	if v.Variants == rule.AlertVariants {
		return "alert"
	}
	return "summary"
}
func (v *variantsValue) Set(s string) (err error) {
	v.Variants, err = rule.ParseVariants(s)
	return err
}

// shapeFlags say how events are read.
type shapeFlags struct {
	mode   modeValue
	logKey string
	geo    geoFiles
}

func (f *shapeFlags) add(fs *pflag.FlagSet) {
	fs.Var(&f.mode, "mapping", "how events are read: auto, or names of mappings and their files, with commas between (default auto)")
	fs.Var(&geoValue{&f.geo.asn, &f.geo}, "geoip-asn", "a MaxMind database that gives source.as of source.ip")
	fs.Var(&geoValue{&f.geo.city, &f.geo}, "geoip-city", "a MaxMind database that gives source.geo of source.ip")
	fs.StringVar(&f.logKey, "log-key", "", "the `KEY` that holds the event, as a map or as JSON in a string")
}

func (f *shapeFlags) options() mapping.Options {
	o := f.mode.options
	o.LogKey, o.Geo = f.logKey, f.geo.db
	return o
}

// ruleFlags say which rules run.
type ruleFlags struct {
	rules, exceptions pathsValue
	newTermsOnly      bool // those of type query are left out
}

func (f *ruleFlags) add(fs *pflag.FlagSet) {
	fs.Var(&f.rules, "rules", "files, folders or globs of rules (.toml, .ndjson); comma-separated or repeated")
	fs.Var(&f.exceptions, "exceptions", "files, folders or globs of exceptions to the rules")
}
