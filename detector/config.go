package detector

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/geoip"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/normalize"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
)

// DefaultStatePath is where state is kept if state_path does not say.
const DefaultStatePath = "/var/lib/newterms"

// Defaults of properties.
const (
	defaultLearn = 24 * time.Hour

	defaultIdleAfter = 15 * time.Minute
)

// property is one property of the output plugin: its name and how its text is
// read. One that is absent is not read, and keeps its default.
type property struct {
	name string
	read func(c *Config, text string) error
}

// properties are all that an output takes, in the order of the documentation.
var properties = slices.Concat([]property{
	{"rules", func(c *Config, s string) error {
		if c.Rules = rule.SplitList(s); len(c.Rules) == 0 {
			return fmt.Errorf("names nothing; name files, folders or globs, separated by commas")
		}
		return nil
	}},
	{"query", func(c *Config, s string) error { c.Inline.Query = s; return nil }},
	{"new_terms_fields", func(c *Config, s string) error { c.Inline.NewTermsFields = s; return nil }},
	{"history_window", func(c *Config, s string) error { c.Inline.HistoryWindow = s; return nil }},
	{"rule_name", func(c *Config, s string) error { c.Inline.RuleName = s; return nil }},
	{"severity", func(c *Config, s string) error { c.Inline.Severity = s; return nil }},
	{"risk_score", func(c *Config, s string) error { c.Inline.RiskScore = s; return nil }},
	{"mapping", func(c *Config, s string) error { return c.Mapping.Set(s) }},
	{"log_key", func(c *Config, s string) error { c.Mapping.LogKey = s; return nil }},
	{"pod_events", func(c *Config, s string) (err error) {
		c.Mapping.RefusePodEvents, err = mapping.ParsePodEvents(s)
		return err
	}},
	{"geoip_asn", func(c *Config, s string) error { c.GeoASN = s; return nil }},
	{"geoip_city", func(c *Config, s string) error { c.GeoCity = s; return nil }},
	{"state_path", func(c *Config, s string) error { c.StatePath = s; return nil }},
	{"on_corrupt", func(c *Config, s string) (err error) { c.OnCorrupt, err = parseOnCorrupt(s); return }},
	{"max_terms", func(c *Config, s string) (err error) { c.MaxTerms, err = parseCount(s, 1, 100_000_000); return }},
	{"learn", func(c *Config, s string) (err error) {
		c.Learn, err = rule.ParseLearn(s)
		return
	}},
	{"max_alerts", func(c *Config, s string) (err error) { c.MaxAlerts, err = parseCount(s, 1, 1_000_000); return }},
	{"interval", func(c *Config, s string) (err error) {
		if c.Interval, err = rule.ParseSpan(s); err == nil && c.Interval < time.Second {
			err = fmt.Errorf("%q is too short; at least 1s", s)
		}
		return
	}},
	{"normalize", func(c *Config, s string) (err error) {
		c.Normalize, err = normalize.Load(rule.SplitList(s), os.ReadFile)
		return err
	}},
	{"variants", func(c *Config, s string) error {
		v, err := rule.ParseVariants(s)
		c.AlertVariants = v == rule.AlertVariants
		return err
	}},
	{"exceptions", func(c *Config, s string) error {
		if c.Exceptions = rule.SplitList(s); len(c.Exceptions) == 0 {
			return fmt.Errorf("names nothing; name files, folders or globs of exceptions, separated by commas")
		}
		return nil
	}},
	{"idle_after", func(c *Config, s string) (err error) {
		if s == "0" {
			s = "off"
		}
		if c.IdleAfter, err = rule.ParseLearn(s); err == nil && c.IdleAfter != 0 && c.IdleAfter < time.Second {
			err = fmt.Errorf("%q is too short; at least 1s, or off", s)
		}
		return
	}},
	{"emit", func(c *Config, s string) error {
		switch strings.ToLower(s) {
		case "alerts":
			c.Matched = false
		case "matched":
			c.Matched = true
		default:
			return fmt.Errorf("%q is not allowed; alerts, or matched for every matching record with its verdict", s)
		}
		return nil
	}},
	{"alert_tag", func(c *Config, s string) error { c.AlertTag = s; return alert.CheckTag(s) }},
	{"alert_file", func(c *Config, s string) error { c.AlertFile = s; return nil }},
	{"alert_stdout", func(c *Config, s string) (err error) { c.AlertStdout, err = parseSwitch(s); return }},
}, storeProperties, forwardProperties)

// Properties returns the names of the output plugin's properties.
func Properties() []string {
	names := make([]string, len(properties))
	for i, p := range properties {
		names[i] = p.name
	}
	return names
}

// Config is the configuration of one output instance.
type Config struct {
	Rules         []string // files, folders, globs
	Inline        rule.InlineConfig
	Mapping       mapping.Options
	GeoASN        string // databases of addresses: files, or ""
	GeoCity       string
	StatePath     string
	OnCorrupt     seen.OnCorrupt // what to do with a state that cannot be used as it is
	MaxTerms      int            // tuples that a rule keeps
	Learn         time.Duration  // how long a rule without a baseline learns, 0 not at all
	MaxAlerts     int            // alerts an interval and rule, 0: as the rule says
	Interval      time.Duration  // 0: as the rule says
	Exceptions    []string       // files, folders, globs
	IdleAfter     time.Duration  // without an event for so long is a warning, 0: never
	Normalize     *normalize.Set // what rules take out of terms, nil for nothing
	AlertVariants bool           // variants alert, and are not summed up
	Matched       bool           // emit: every matching record, not only alerts
	AlertTag      string
	alertTagIs    bool // it was given

	AlertFile   string
	AlertStdout bool
	Forward     forwardConfig

	Shared *remote.Config // nil: this node's memory is its own
}

// ParseConfig reads and checks the properties of an output. The error names
// the property and says what is allowed.
func ParseConfig(g Getter) (*Config, error) {
	c := &Config{
		StatePath: DefaultStatePath,
		MaxTerms:  engine.DefaultMaxTerms,
		Learn:     defaultLearn,
		AlertTag:  engine.DefaultAlertTag,
		IdleAfter: defaultIdleAfter,
	}
	var given []string
	for _, p := range properties {
		text := strings.TrimSpace(g.Get(p.name))
		if text == "" {
			continue
		}
		given = append(given, p.name)
		if err := p.read(c, text); err != nil {
			return nil, fmt.Errorf("property %s: %w", p.name, err)
		}
		c.alertTagIs = c.alertTagIs || p.name == "alert_tag"
	}
	if err := c.Forward.settle(given); err != nil {
		return nil, err
	}
	var err error
	if c.Mapping.Geo, err = geoip.Open(c.GeoASN, c.GeoCity); err != nil {
		return nil, err
	}
	inline := c.Inline != (rule.InlineConfig{})
	switch {
	case len(c.Rules) == 0 && !inline:
		return nil, fmt.Errorf("no rule: set rules to files or folders of rules, or write a rule as query, new_terms_fields and history_window")
	case inline && c.Inline.Query == "" && c.Inline.NewTermsFields == "":
		return nil, fmt.Errorf("property %s belongs to a rule written as query, new_terms_fields and history_window, which are not set", firstInline(&c.Inline))
	}
	return c, nil
}

// firstInline names a property of an inline rule that is set.
func firstInline(c *rule.InlineConfig) string {
	switch {
	case c.HistoryWindow != "":
		return "history_window"
	case c.RuleName != "":
		return "rule_name"
	case c.Severity != "":
		return "severity"
	}
	return "risk_score"
}

// geoFiles are the databases of addresses.
func (c *Config) geoFiles() []string {
	return slices.DeleteFunc([]string{c.GeoASN, c.GeoCity}, func(s string) bool { return s == "" })
}

// HasInline tells whether the properties hold a rule.
func (c *Config) HasInline() bool { return c.Inline.Query != "" || c.Inline.NewTermsFields != "" }

func parseCount(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is not allowed; a whole number from %d to %d", s, low, high)
	}
	return n, nil
}

func parseOnCorrupt(s string) (seen.OnCorrupt, error) {
	switch strings.ToLower(s) {
	case "recover":
		return seen.Recover, nil
	case "stop":
		return seen.Stop, nil
	}
	return 0, fmt.Errorf("%q is not allowed; recover or stop", s)
}

func parseSwitch(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "on", "true", "yes":
		return true, nil
	case "off", "false", "no":
		return false, nil
	}
	return false, fmt.Errorf("%q is not allowed; on or off", s)
}
