package detector

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/rule"
)

// LoadRules loads the rules that the configuration names. notes say what else a
// user should know. An error is a list of everything that is wrong with them.
func (c *Config) LoadRules() (set *rule.Set, notes []string, err error) {
	o := rule.Options{Exceptions: c.Exceptions}
	var warnings []rule.Problem
	if c.HasInline() {
		r, err := rule.Inline(c.Inline)
		if err != nil {
			return nil, nil, err
		}
		o.Inline = []*rule.Rule{r}
		warnings = rule.InlineWarnings(r)
	}
	if set, err = rule.Load(c.Rules, o); err != nil {
		return nil, nil, byProperty(err)
	}
	set.Warnings = append(set.Warnings, warnings...)
	var disabled []string
	set.Rules = slices.DeleteFunc(set.Rules, func(r *rule.Rule) bool {
		if !r.Enabled {
			disabled = append(disabled, r.Name)
		}
		return !r.Enabled
	})
	if len(disabled) > 0 {
		notes = append(notes, fmt.Sprintf("%s disabled (enabled is false) and not run: %s", count(len(disabled), "rule"), listed(disabled)))
	}
	if len(set.Rules) == 0 {
		return nil, nil, fmt.Errorf("property rules: %s holds no rule of type new_terms or query that is enabled", strings.Join(c.Rules, ", "))
	}
	return set, notes, nil
}

// byProperty says which property the files are named in that have problems.
func byProperty(err error) error {
	var all, inRules, inExceptions rule.Problems
	if !errors.As(err, &all) {
		return err
	}
	for _, p := range all {
		if p.InExceptions {
			inExceptions = append(inExceptions, p)
		} else {
			inRules = append(inRules, p)
		}
	}
	var errs []error
	if len(inRules) > 0 {
		errs = append(errs, fmt.Errorf("property rules: %w", inRules))
	}
	if len(inExceptions) > 0 {
		errs = append(errs, fmt.Errorf("property exceptions: %w", inExceptions))
	}
	return errors.Join(errs...)
}

// listed names the first of many.
func listed(names []string) string {
	const most = 20
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// logLoaded logs what is to be said of rules that were loaded.
func (d *Detector) logLoaded(set *rule.Set, notes []string) {
	for _, w := range set.Warnings {
		d.host.Log(LevelWarn, w.Error())
	}
	for _, note := range notes {
		d.host.Log(LevelWarn, note)
	}
	d.logDead(set.Rules)
	if s := set.SkippedSummary(); s != "" {
		d.host.Log(LevelInfo, s)
	}
}

// logDead warns of rules that cannot fire on what the mappings give: those that
// have one reason in one line.
func (d *Detector) logDead(rules []*rule.Rule) {
	names := make(map[string][]string)
	var faults []string
	for _, r := range rules {
		if fault := engine.DeadRule(r, d.config.Mapping); fault != "" {
			if names[fault] == nil {
				faults = append(faults, fault)
			}
			names[fault] = append(names[fault], r.Name)
		}
	}
	for _, fault := range faults {
		d.host.Log(LevelWarn, fmt.Sprintf("%s cannot fire: %s. Concerned: %s", count(len(names[fault]), "rule"), fault, listed(names[fault])))
	}
}

// logInsecure warns of properties that switch protection off.
func (d *Detector) logInsecure() {
	c := d.config
	if c.Forward.on() && c.Forward.NoVerify {
		d.host.Log(LevelWarn, "alert_forward_tls_verify is off: whoever answers at "+c.Forward.Address.String()+" gets the alerts; set alert_forward_tls_ca_file to the authority of its certificate instead")
	}
	if c.Shared != nil && c.Shared.SkipsVerify() {
		d.host.Log(LevelWarn, "skip_verify is on in state_store: whoever answers at "+c.Shared.String()+" decides which alerts are sent; set the parameter ca to the authority of its certificate instead")
	}
}
