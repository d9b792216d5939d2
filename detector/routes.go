package detector

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"fluent-bit-newterms/detector/rule"
)

func (d *Detector) checkRoutes(rules []*rule.Rule, inputs []*Input) error {
	return d.config.CheckRoutes(d.where, rules, inputs)
}

func (d *Detector) checkTag(tag string) error { return d.where.checkTag(tag) }

// CheckRoutes sees to it that every alert of the rules has somewhere to go, and
// that none comes back into the output: where says which one it is.
func (c *Config) CheckRoutes(where Where, rules []*rule.Rule, inputs []*Input) error {
	if (c.alertTagIs || c.Forward.Address.Local()) && where.TakesTag(c.AlertTag) {
		return fmt.Errorf("property alert_tag: %q is a tag that this output's own Match %q takes, so that alerts would raise alerts; choose another tag or a narrower Match",
			c.AlertTag, where.Match)
	}
	for _, in := range inputs {
		if err := where.checkTag(in.Tag()); err != nil {
			return err
		}
	}
	if c.AlertFile != "" || c.AlertStdout || c.Forward.on() {
		return nil
	}
	if len(inputs) == 0 {
		return errors.New("alerts have nowhere to go: add an [INPUT] with Name newterms_alerts and a Tag (and list out_newterms.so twice under [PLUGINS]), or set alert_forward, alert_file or alert_stdout on this output")
	}
	for _, r := range rules {
		taken := slices.ContainsFunc(inputs, func(in *Input) bool { return in.TakesRule(r.ID, r.Name, leastRank(r)) })
		if !taken {
			return fmt.Errorf("alerts of rule %q (%s, severity %s) have nowhere to go: no newterms_alerts input takes them by its rules and min_severity; widen one, add another, or set alert_forward, alert_file or alert_stdout on this output",
				r.Name, r.ID, r.Severity)
		}
	}
	return nil
}

// leastRank returns the rank of the least severity that an alert of a rule can
// have.
func leastRank(r *rule.Rule) uint8 {
	least := rule.SeverityRank(r.Severity)
	for _, m := range r.SeverityMapping {
		least = min(least, rule.SeverityRank(m.Severity))
	}
	return least
}

// checkTag refuses an input's tag that the output's own Match takes.
func (w Where) checkTag(tag string) error {
	if tag == "" || !w.TakesTag(tag) {
		return nil
	}
	return fmt.Errorf("the Tag %q of a newterms_alerts input is one that the Match %q of output %s takes, so that alerts would raise alerts; choose another Tag or a narrower Match",
		tag, w.Match, w.name())
}

// TakesTag tells whether the Match is known and takes a tag, which may be a
// template, or hold a * for any text.
func (w Where) TakesTag(tag string) bool {
	switch {
	case w.Match == "":
		return false
	case !w.MatchRegex:
		return caughtBy(w.Match, tag)
	}
	re, err := regexp.Compile(w.Match)
	return err == nil && re.MatchString(tag)
}

// feeds tells whether an input takes alerts of some rule that runs.
func (d *Detector) feeds(in *Input) bool {
	return slices.ContainsFunc(d.engine.Rules(), func(r *rule.Rule) bool {
		return in.TakesRule(r.ID, r.Name, mostRank(r))
	})
}

// mostRank returns the rank of the highest severity that an alert of a rule can
// have.
func mostRank(r *rule.Rule) uint8 {
	most := rule.SeverityRank(r.Severity)
	for _, m := range r.SeverityMapping {
		most = max(most, rule.SeverityRank(m.Severity))
	}
	return most
}

// unfedAfter is how long an input may be without a rule before that is said:
// Fluent Bit starts its outputs one after the other.
const unfedAfter = 5 * time.Second

// logUnfed warns, once, of inputs that take the alerts of no rule.
func (d *Detector) logUnfed() {
	if time.Since(d.joined) < unfedAfter {
		return
	}
	for _, in := range d.registry.Unfed() {
		d.host.Log(LevelWarn, fmt.Sprintf("the newterms_alerts input with the Tag %q gets nothing: its rules and min_severity fit no rule that runs; write rules as ids or names of rules, with * for any text", in.Tag()))
	}
}
