package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector"
	"fluent-bit-newterms/detector/cmd/newterms/fbconfig"
	"fluent-bit-newterms/detector/rule"
)

// finding is what is wrong with a configuration of Fluent Bit.
type finding struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // 0: the file as a whole
	Level   string `json:"level"`
	Message string `json:"message"`
}

// Levels of findings. A configuration with an error does not start, or alerts
// are lost; one with a warning works less well than it could.
const (
	levelError   = "error"
	levelWarning = "warning"
	levelNote    = "note" // does not make the check fail
)

// configCheck checks a configuration of Fluent Bit as far as newterms is
// concerned. What the plugin checks when it starts, the plugin's own code
// checks here.
type configCheck struct {
	c        *fbconfig.Config
	path     string
	findings []finding

	registry *detector.Registry
	inputs   []*detector.Input // newterms_alerts
	sections []*fbconfig.Section
	states   map[string]fbconfig.Place // state_path of the outputs
}

func (k *configCheck) say(level string, at fbconfig.Place, format string, args ...any) {
	k.findings = append(k.findings, finding{at.File, at.Line, level, fmt.Sprintf(format, args...)})
}

// checkConfig checks a file and prints what it finds.
func checkConfig(cmd *cobra.Command, path string, asJSON bool) error {
	k := &configCheck{
		c: fbconfig.Load(path), path: path, registry: &detector.Registry{}, states: make(map[string]fbconfig.Place),
	}
	k.run()
	out := bufio.NewWriter(cmd.OutOrStdout())
	wrong := 0
	for _, f := range k.findings {
		if f.Level != levelNote {
			wrong++
		}
		f.write(out, asJSON)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if !asJSON {
		result := "no problems"
		if wrong > 0 {
			result = plural(wrong, "problem")
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s, %s; %s\n", printable(path),
			plural(len(k.named("output", "newterms")), "newterms output"), plural(len(k.inputs), "newterms_alerts input"), result)
	}
	if wrong > 0 {
		return answer(exitNo)
	}
	return nil
}

func (f *finding) write(w io.Writer, asJSON bool) {
	if asJSON {
		if line, err := jsonLine.Marshal(f); err == nil { // always: texts and a number
			fmt.Fprintf(w, "%s\n", line)
		}
		return
	}
	for i, line := range strings.Split(f.Message, "\n") {
		if i == 0 {
			line = fmt.Sprintf("%s: %s: %s", fbconfig.Place{File: f.File, Line: f.Line}, f.Level, line)
		}
		fmt.Fprintln(w, printable(line))
	}
}

// named returns the sections of a kind that use a plugin.
func (k *configCheck) named(kind, plugin string) []*fbconfig.Section {
	return slices.DeleteFunc(k.c.Of(kind), func(s *fbconfig.Section) bool { return !strings.EqualFold(s.Get("name"), plugin) })
}

func (k *configCheck) run() {
	for _, p := range k.c.Problems {
		k.say(levelError, p.Place, "%s", p.Msg)
	}
	for _, p := range k.c.Unset {
		k.say(levelNote, p.Place, "%s; Fluent Bit takes it for an empty text", p.Msg)
	}
	outputs := k.named("output", "newterms")
	if len(outputs) == 0 {
		k.say(levelError, fbconfig.Place{File: k.path}, "there is no output with the name newterms")
	}
	for i, s := range k.named("input", "newterms_alerts") {
		k.alertsInput(i, s)
	}
	for i, s := range outputs {
		k.output(i, s)
	}
	k.plugins(len(outputs))
	k.tails(outputs)
	slices.SortStableFunc(k.findings, func(a, b finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

// Properties that Fluent Bit itself knows on every input and every output.
var (
	commonProperties = []string{"name", "alias", "log_level", "log_suppress_interval", "workers", "host", "port", "ipv6", "tls", "active_check"}
	inputCommon      = append([]string{"tag", "mem_buf_limit", "threaded", "routable", "processors"}, commonProperties...)
	outputCommon     = append([]string{"match", "match_regex", "retry_limit", "no_multiplex", "processors"}, commonProperties...)
	commonPrefixes   = []string{"net.", "tls.", "storage.", "thread."}
)

// properties checks the names of a section's properties.
func (k *configCheck) properties(s *fbconfig.Section, own, common, others []string, otherPlugin string) {
	seen := make(map[string]bool)
	for _, p := range s.Properties {
		known := slices.Contains(own, p.Key) || slices.Contains(common, p.Key) ||
			slices.ContainsFunc(commonPrefixes, func(prefix string) bool { return strings.HasPrefix(p.Key, prefix) })
		switch {
		case !known && slices.Contains(others, p.Key):
			k.say(levelError, p.Place, "%s is a property of %s, not of %s", p.Key, otherPlugin, s.Get("name"))
		case !known:
			k.say(levelError, p.Place, "there is no property %s%s", p.Key, meant(p.Key, slices.Concat(own, common)))
		case seen[p.Key]:
			k.say(levelError, p.Place, "%s is given twice, and Fluent Bit uses the first one only; separate several values by commas", p.Key)
		case p.List && slices.Contains(own, p.Key):
			k.say(levelError, p.Place, "%s is a list, and Fluent Bit gives a plugin its first element only; write one text, with commas", p.Key)
		}
		seen[p.Key] = true
	}
}

// meant says what a misspelled name may mean.
func meant(word string, allowed []string) string {
	if s := rule.Suggest(word, allowed); s != "" {
		return fmt.Sprintf("; is %s meant?", s)
	}
	return ""
}

// ourError is how the plugin's messages name a property.
var ourError = regexp.MustCompile(`^property ([a-z_]+): `)

// place says where an error of the plugin belongs, and takes the name of the
// property off it.
func place(s *fbconfig.Section, err error) (fbconfig.Place, string) {
	msg := err.Error()
	if m := ourError.FindStringSubmatch(msg); m != nil && s.Find(m[1]) != nil {
		return s.At(m[1]), m[1] + ": " + msg[len(m[0]):]
	}
	return s.Place, msg
}

// alertsInput checks an input newterms_alerts.
func (k *configCheck) alertsInput(i int, s *fbconfig.Section) {
	k.properties(s, detector.InputProperties(), inputCommon, detector.Properties(), "the newterms output")
	tag := s.Get("tag")
	if tag == "" {
		tag = fmt.Sprintf("newterms_alerts.%d", i) // as Fluent Bit does
	}
	in, err := detector.OpenInput(k.registry, s, nil, detector.InputWhere{Instance: fmt.Sprintf("newterms_alerts.%d", i), Tag: tag})
	if err != nil {
		at, msg := place(s, err)
		k.say(levelError, at, "%s", msg)
		return
	}
	k.inputs, k.sections = append(k.inputs, in), append(k.sections, s)
	if to := k.takers(tag); len(to) == 0 {
		k.say(levelError, s.At("tag"), "no output takes the alerts: none has a Match for the tag %q", tag)
	}
}

// takers returns the outputs, other than newterms itself, whose Match takes a
// tag.
func (k *configCheck) takers(tag string) []*fbconfig.Section {
	return slices.DeleteFunc(k.c.Of("output"), func(s *fbconfig.Section) bool {
		return strings.EqualFold(s.Get("name"), "newterms") || !whereOf(s, 0).TakesTag(tag)
	})
}

func whereOf(s *fbconfig.Section, i int) detector.Where {
	w := detector.Where{Instance: fmt.Sprintf("newterms.%d", i), Alias: s.Get("alias"), Match: s.Get("match")}
	if re := s.Get("match_regex"); re != "" {
		w.Match, w.MatchRegex = re, true
	}
	return w
}

// output checks an output newterms.
func (k *configCheck) output(i int, s *fbconfig.Section) {
	k.properties(s, detector.Properties(), outputCommon, detector.InputProperties(), "the newterms_alerts input")
	where := whereOf(s, i)
	switch {
	case where.Match == "":
		k.say(levelError, s.Place, "the output has no Match, so it takes no records")
	case where.MatchRegex:
		if _, err := regexp.Compile(where.Match); err != nil {
			k.say(levelNote, s.At("match_regex"), "this regular expression cannot be checked here: %v", err)
		}
	}
	if on := k.service("hot_reload"); s.Find("workers") != nil && s.Get("workers") != "0" && isOn(on) {
		k.say(levelError, s.At("workers"), "workers and hot_reload (%s) together end Fluent Bit at the second reload; keep one of them", on.Place)
	}
	c := k.parse(s)
	if c == nil {
		return
	}
	k.paths(s, c)
	set, notes, err := c.LoadRules()
	if err != nil {
		k.rulesError(s, err)
		set = &rule.Set{}
	}
	for _, note := range notes {
		k.say(levelNote, s.At("rules"), "%s", note)
	}
	for i := range set.Warnings {
		k.problem(levelWarning, s, &set.Warnings[i])
	}
	for _, r := range set.Rules {
		if err := compiles(r); err != nil {
			k.say(levelError, s.At("rules"), "%s: %v", r.Source, err)
		}
	}
	if err := c.CheckRoutes(where, set.Rules, k.inputs); err != nil {
		at, msg := place(s, err)
		k.say(levelError, at, "%s", msg)
	}
}

// parse reads the properties of an output. Those that are wrong are told and
// left out, so that the others are checked too; nil if that does not help.
func (k *configCheck) parse(s *fbconfig.Section) *detector.Config {
	left := *s
	left.Properties = slices.Clone(s.Properties)
	for {
		c, err := detector.ParseConfig(&left)
		if err == nil {
			return c
		}
		at, msg := place(s, err)
		k.say(levelError, at, "%s", msg)
		m, n := ourError.FindStringSubmatch(err.Error()), len(left.Properties)
		if m != nil {
			left.Properties = slices.DeleteFunc(left.Properties, func(p fbconfig.Property) bool { return p.Key == m[1] })
		}
		if len(left.Properties) == n {
			return nil
		}
	}
}

// rulesError tells what is wrong with rules and exceptions, each thing at its
// own place.
func (k *configCheck) rulesError(s *fbconfig.Section, err error) {
	problems := problemsIn(err)
	if len(problems) == 0 {
		at, msg := place(s, err)
		k.say(levelError, at, "%s", msg)
	}
	for i := range problems {
		k.problem(levelError, s, &problems[i])
	}
}

// problemsIn returns the problems that an error is made of.
func problemsIn(err error) (list []rule.Problem) {
	switch e := err.(type) {
	case rule.Problem:
		return []rule.Problem{e}
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			list = append(list, problemsIn(err)...)
		}
	default:
		if inner := errors.Unwrap(err); inner != nil {
			return problemsIn(inner)
		}
	}
	return list
}

// problem says what is wrong with a rule or an exception: at the property that
// names its file if nothing is known of the file but its name.
func (k *configCheck) problem(level string, s *fbconfig.Section, p *rule.Problem) {
	if p.Line > 0 {
		at := fbconfig.Place{File: p.File, Line: p.Line}
		bare := *p
		bare.Position = rule.Position{}
		k.say(level, at, "%s", bare.Error())
		return
	}
	key := "rules"
	if p.InExceptions {
		key = "exceptions"
	}
	k.say(level, s.At(key), "%s: %s", key, p.Error())
}

// service returns a property of the service section, nil if it is not there.
func (k *configCheck) service(key string) *fbconfig.Property {
	for _, s := range k.c.Of("service") {
		if p := s.Find(key); p != nil {
			return p
		}
	}
	return nil
}

func isOn(p *fbconfig.Property) bool {
	return p != nil && slices.Contains([]string{"on", "true", "yes"}, strings.ToLower(p.Value))
}

// plugins checks that the shared object is listed, once for each of the two
// plugins in it.
func (k *configCheck) plugins(outputs int) {
	var listed []fbconfig.Property
	for _, p := range k.c.Plugins {
		if !strings.Contains(filepath.Base(p.Value), "newterms") {
			continue
		}
		listed = append(listed, p)
		if err := readable(p.Value); err != nil {
			k.say(levelError, p.Place, "%s: %v", p.Value, err)
		}
	}
	inputs := k.named("input", "newterms_alerts")
	switch {
	case len(listed) == 0 && outputs > 0:
		k.say(levelNote, fbconfig.Place{File: k.path}, "no plugin file lists out_newterms.so; Fluent Bit needs it there, or as -e FILE")
	case len(listed) == 1 && len(inputs) > 0:
		k.say(levelError, listed[0].Place, "%s is listed once; newterms_alerts needs it listed twice: it holds two plugins, and each line loads one", listed[0].Value)
	}
}

// tails looks at the inputs tail whose records a newterms output takes.
func (k *configCheck) tails(outputs []*fbconfig.Section) {
	for i, s := range k.named("input", "tail") {
		tag := s.Get("tag")
		if tag == "" {
			tag = fmt.Sprintf("tail.%d", i)
		}
		if !slices.ContainsFunc(outputs, func(o *fbconfig.Section) bool { return whereOf(o, 0).TakesTag(tag) }) {
			continue
		}
		if s.Find("db") == nil {
			k.say(levelWarning, s.Place, "tail has no DB: after a restart it reads from the end of the file, or all of it again; set DB to a file that stays")
		}
		if s.Find("refresh_interval") == nil {
			k.say(levelWarning, s.Place, "tail has no refresh_interval: a log that is rotated may go unseen for 60 seconds; set refresh_interval 1")
		}
	}
}
