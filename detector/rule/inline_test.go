package rule

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestInline(t *testing.T) {
	r, err := Inline(InlineConfig{
		Query: "user.name: *", NewTermsFields: " user.name ,source.ip,", HistoryWindow: "1d12h",
		RuleName: "Mine", Severity: "HIGH", Interval: "1m", RuleID: "my-rule",
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.ID != "my-rule" || r.Name != "Mine" || r.Severity != "high" || r.RiskScore != 73 || len(r.Terms) != 2 ||
		r.Window != 36*time.Hour || r.HistoryWindowStart != "now-1d-12h" || r.Interval != time.Minute ||
		r.MaxSignals != 100 || r.Type != "new_terms" || r.Raw["rule_id"] != "my-rule" {
		t.Errorf("got %+v", r)
	}
	r = inlineRule(t, InlineConfig{HistoryWindow: "now-5d"})
	if r.Name != "New x, y" || r.Severity != "low" || r.RiskScore != 21 || r.HistoryWindowStart != "now-5d" ||
		r.Window != 5*day || r.Interval != 5*time.Minute || !strings.HasPrefix(r.ID, "inline-") {
		t.Errorf("got %+v", r)
	}
}

// TestInlineProblems checks that each property that is wrong is named, with
// what is allowed.
func TestInlineProblems(t *testing.T) {
	good := InlineConfig{Query: "a: b", NewTermsFields: "x", HistoryWindow: "10d"}
	for name, c := range map[string]struct {
		change func(*InlineConfig)
		want   string
	}{
		"no query":           {func(c *InlineConfig) { c.Query = " " }, "property query: a rule needs a query in KQL"},
		"bad query":          {func(c *InlineConfig) { c.Query = "a: (b" }, "property query: line 1, column"},
		"a list in brackets": {func(c *InlineConfig) { c.NewTermsFields = `["a"]` }, `property new_terms_fields: "[\"a\"]" is no field name`},
		"no fields":          {func(c *InlineConfig) { c.NewTermsFields = " , " }, "property new_terms_fields: names 0 fields; allowed are 1 to 16"},
		"a pattern":          {func(c *InlineConfig) { c.NewTermsFields = "user.*" }, `property new_terms_fields: "user.*" is no field name`},
		"spaces":             {func(c *InlineConfig) { c.NewTermsFields = "a b" }, `property new_terms_fields: "a b" is no field name`},
		"a field twice":      {func(c *InlineConfig) { c.NewTermsFields = "a,a" }, "property new_terms_fields: \"a\" is named twice"},
		"no window":          {func(c *InlineConfig) { c.HistoryWindow = "" }, "property history_window: a rule needs to know"},
		"bad window":         {func(c *InlineConfig) { c.HistoryWindow = "ten days" }, "property history_window:"},
		"short window":       {func(c *InlineConfig) { c.HistoryWindow = "5m" }, "property history_window: is 5m; it must be longer than the interval, 5m"},
		"window of now":      {func(c *InlineConfig) { c.HistoryWindow = "now" }, "it must be longer than the interval"},
		"severity":           {func(c *InlineConfig) { c.Severity = "hig" }, `property severity: is "hig"; allowed is low, medium, high or critical (did you mean "high"?)`},
		"risk score":         {func(c *InlineConfig) { c.RiskScore = "-1" }, `property risk_score: is "-1"; allowed is a whole number from 0 to 100`},
		"risk score, text":   {func(c *InlineConfig) { c.RiskScore = "2x" }, `property risk_score: is "2x"`},
		"interval":           {func(c *InlineConfig) { c.Interval = "5" }, `property interval: "5" is not a length of time`},
		"short interval":     {func(c *InlineConfig) { c.Interval = "10ms" }, "property interval: is 10ms; allowed is 1s or more"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			c.change(&config)
			r, err := Inline(config)
			var problems Problems
			if r != nil || !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("got %v, %v", r, err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
			if property := problems[0].Field; !strings.HasPrefix(c.want, "property "+property) && !strings.HasPrefix(c.want, "it must") {
				t.Errorf("the problem is told of %s", property)
			}
		})
	}
	if _, err := Inline(InlineConfig{Severity: "x", RiskScore: "x", Interval: "x"}); strings.Count(err.Error(), "\n") != 5 {
		t.Errorf("six properties are wrong, told are:\n%v", err)
	}
}

// TestInlineWarnings has an inline rule warned of as a rule in a file is.
func TestInlineWarnings(t *testing.T) {
	r, err := Inline(InlineConfig{Query: "a: b and", NewTermsFields: "a,b,c,d", HistoryWindow: "1d"})
	if err != nil {
		t.Fatal(err)
	}
	w := InlineWarnings(r)
	if len(w) != 2 || !strings.Contains(w[0].Error(), "ends with a keyword") || !strings.Contains(w[1].Error(), "names 4 fields") {
		t.Errorf("warnings: %v", w)
	}
}
