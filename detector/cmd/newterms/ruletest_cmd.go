package main

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/rule"
)

func newTest() *cobra.Command {
	var asJSON, asJUnit, update bool
	cmd := &cobra.Command{
		Use:   "test [--json | --junit] [--update] PATH...",
		Short: "Run the tests of rules",
		Long: `test runs rules on events that are written down beside them, and compares the
alerts with those that are wanted. Tests are in a file NAME.test.toml beside the
rule file NAME.toml or NAME.ndjson:

  [[test]]
  name = "a tool that is new to a user alerts once"
  events = '''
  {"@timestamp":"2026-01-01T10:00:00Z","user":{"name":"alice"},"process":{"name":"nc"}}
  '''
  learn_until = "2026-01-01T09:00:00Z"   # optional: events up to then only teach
  alerts = [["alice", "nc"]]             # the terms of each alert, in order; 0 for none

or in the rule file itself, as [[rule.newterms.test]]. events may also name a
file, from the folder of the test. A term that is missing is written "null".
alerts may be a number, where only that matters. Folders are searched for both.
Each test has a state of its own, and learning is off. Rules that are disabled
are tested too.

The output is TAP (Test Anything Protocol). Of a failure it shows each alert: "-"
is wanted and did not come, "+" came and is not wanted, with its event.
--json prints an object per test, --junit an XML report. --update writes the
alerts that came into the tests that fail.

Exit codes: 0 all tests passed, 1 some failed, 2 wrong use, a test or a rule that
cannot be read, or no tests.`,
		Example: `  newterms test conf/rules
  newterms test --junit conf/rules > report.xml
  newterms test --update rules/new_tool.toml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name the rule files, test files or folders to test")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			tests, untested, err := findTests(args)
			if err != nil {
				return err
			}
			if len(tests) == 0 {
				return fmt.Errorf("there are no tests in %s; newterms test --help shows what one looks like", strings.Join(args, ", "))
			}
			results, err := runTests(cmd, tests)
			if err != nil {
				return err
			}
			if update {
				if err := updateTests(cmd.ErrOrStderr(), results); err != nil {
					return err
				}
			}
			return printResults(cmd, results, untested, asJSON, asJUnit)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one object per test instead of text")
	cmd.Flags().BoolVar(&asJUnit, "junit", false, "a JUnit XML report instead of text")
	cmd.Flags().BoolVar(&update, "update", false, "write the alerts that came into tests that fail")
	cmd.MarkFlagsMutuallyExclusive("json", "junit")
	return cmd
}

// runTests runs tests, whose rules are loaded once per file.
func runTests(cmd *cobra.Command, tests []*ruleTest) (results []*testResult, err error) {
	var set *rule.Set
	file := ""
	for _, t := range tests {
		if t.rules != file {
			if set, err = rule.Load([]string{t.rules}, rule.Options{}); err != nil {
				return nil, fmt.Errorf("the rules cannot all run:\n%w", err)
			}
			file = t.rules
		}
		results = append(results, t.run(cmd, set))
		if err := cmd.Context().Err(); err != nil {
			return nil, answer(exitInterrupted)
		}
	}
	return results, nil
}

// printResults prints how tests went, in one of the forms.
func printResults(cmd *cobra.Command, results []*testResult, untested int, asJSON, asJUnit bool) error {
	out := bufio.NewWriter(cmd.OutOrStdout())
	failed := 0
	for _, r := range results {
		if !r.ok() {
			failed++
		}
	}
	switch {
	case asJSON:
		for _, r := range results {
			r.writeJSON(out)
		}
	case asJUnit:
		if err := writeJUnit(out, results, failed); err != nil {
			return err
		}
	default:
		fmt.Fprintf(out, "TAP version 13\n1..%d\n", len(results))
		for i, r := range results {
			r.writeTAP(out, i+1)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if !asJSON && !asJUnit {
		note := fmt.Sprintf("%s, %s failed", plural(len(results), "test"), thousands(failed))
		if untested > 0 {
			note += fmt.Sprintf("; %s without tests", plural(untested, "rule file"))
		}
		fmt.Fprintln(cmd.ErrOrStderr(), note)
	}
	if failed > 0 {
		return answer(exitNo)
	}
	return nil
}

// place is where a test is: file:line.
func (t *ruleTest) place() string { return fmt.Sprintf("%s:%d", t.file, t.line) }

// reason says what is wrong, a line for each thing.
func (r *testResult) reason() (lines []string) {
	if r.err != "" {
		lines = append(lines, strings.Split(r.err, "\n")...)
	} else {
		lines = append(lines, r.diff()...)
	}
	if r.says != "" {
		lines = append(lines, strings.Split(strings.TrimSpace(r.says), "\n")...)
	}
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return lines
}

func (r *testResult) writeTAP(w io.Writer, n int) {
	name := printable(r.test.rules + ": " + r.test.Name)
	name = strings.ReplaceAll(name, "#", `\#`) // which begins a directive
	if r.ok() {
		fmt.Fprintf(w, "ok %d - %s\n", n, name)
		return
	}
	fmt.Fprintf(w, "not ok %d - %s\n  # %s\n", n, name, printable(r.test.place()))
	for _, line := range r.reason() {
		fmt.Fprintf(w, "  # %s\n", line)
	}
}

// writeJSON writes a line for a program.
func (r *testResult) writeJSON(w io.Writer) {
	type alert struct {
		Terms jsonText `json:"terms"`
		Line  int      `json:"line"`
	}
	v := struct {
		File  string     `json:"file"`
		Line  int        `json:"line"`
		Rules string     `json:"rules"`
		Name  string     `json:"name"`
		OK    bool       `json:"ok"`
		Error string     `json:"error"`
		Want  []jsonText `json:"want"`
		Got   []alert    `json:"got"`
	}{r.test.file, r.test.line, r.test.rules, r.test.Name, r.ok(), "", []jsonText{}, []alert{}}
	if !v.OK {
		v.Error = strings.Join(r.reason(), "\n")
	}
	for _, terms := range r.want {
		v.Want = append(v.Want, jsonText(terms))
	}
	for _, g := range r.got {
		v.Got = append(v.Got, alert{jsonText(g.Terms), g.Line})
	}
	if line, err := jsonLine.Marshal(v); err == nil { // always
		fmt.Fprintf(w, "%s\n", line)
	}
}

// jsonText is JSON as it stands.
type jsonText string

// MarshalJSON implements json.Marshaler.
func (t jsonText) MarshalJSON() ([]byte, error) { return []byte(t), nil }

// JUnit's XML, as CI systems read it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes a suite for each file of rules.
func writeJUnit(w io.Writer, results []*testResult, failed int) error {
	top := junitSuites{Tests: len(results), Failures: failed}
	for _, r := range results {
		if n := len(top.Suites); n == 0 || top.Suites[n-1].Name != r.test.rules {
			top.Suites = append(top.Suites, junitSuite{Name: r.test.rules})
		}
		s := &top.Suites[len(top.Suites)-1]
		c := junitCase{Name: r.test.Name, Class: r.test.rules, File: r.test.file, Line: r.test.line}
		if s.Tests++; !r.ok() {
			s.Failures++
			reason := r.reason()
			c.Failure = &junitFailure{reason[0], strings.Join(reason, "\n")}
		}
		s.Cases = append(s.Cases, c)
	}
	io.WriteString(w, xml.Header)
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(top); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
