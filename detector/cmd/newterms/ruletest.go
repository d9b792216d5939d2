package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/rule"
)

// ruleTest is a test of the rules in a file: [[test]] in NAME.test.toml, or
// [[rule.newterms.test]] in the file itself.
type ruleTest struct {
	Name       string
	Events     string    // JSON lines, or the path of a file of events
	LearnUntil timeValue `toml:"-"`
	Until      string    `toml:"learn_until"`
	Mapping    string
	Alerts     any // lists of terms, in order; or how many there are

	file  string // that the test is in
	line  int
	rules string // the file of the rules
	wrong string // what is wrong with the test itself
}

// testResult is how a test went.
type testResult struct {
	test *ruleTest
	err  string // it could not be run
	want []string
	got  []gotAlert
	says string // of lines that could not be read
}

// gotAlert is an alert that a test gave.
type gotAlert struct {
	Terms string // a JSON list
	Line  int    // of its event
	Event string
}

const testSuffix = ".test.toml"

// testHeader is the line that a test begins with.
var testHeader = regexp.MustCompile(`^\s*\[\[\s*(?:rule\s*\.\s*newterms\s*\.\s*)?test\s*\]\]`)

// findTests returns the tests in and beside the files, in order. untested is
// how many rule files have none.
func findTests(paths []string) (tests []*ruleTest, untested int, err error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", path, plainError(err))
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return fmt.Errorf("%s: %w", name, plainError(err))
			}
			if name != path && strings.HasPrefix(d.Name(), ".") {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if ext := filepath.Ext(name); !d.IsDir() && (ext == ".toml" || ext == ".ndjson") {
				files = append(files, name)
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	done := make(map[string]bool)
	for _, file := range files {
		base, isTest := strings.CutSuffix(file, testSuffix)
		if !isTest {
			base = strings.TrimSuffix(file, filepath.Ext(file))
		}
		if done[base] {
			continue
		}
		done[base] = true
		found, err := testsOf(base, file)
		if err != nil {
			return nil, 0, err
		}
		if len(found) == 0 {
			untested++
		}
		tests = append(tests, found...)
	}
	return tests, untested, nil
}

// testsOf returns the tests of one file of rules. base is its name without the
// extension, named is the file that was found.
func testsOf(base, named string) (tests []*ruleTest, err error) {
	rules := named
	if strings.HasSuffix(named, testSuffix) {
		if rules = base + ".toml"; readable(rules) != nil && readable(base+".ndjson") == nil {
			rules = base + ".ndjson"
		}
		if err := readable(rules); err != nil {
			return nil, fmt.Errorf("%s: the rules that it tests are in %s: %w", named, rules, err)
		}
	}
	if filepath.Ext(rules) == ".toml" {
		var top struct {
			Rule struct {
				Newterms struct{ Test []*ruleTest }
			}
		}
		inside, err := readTests(rules, &top, func() []*ruleTest { return top.Rule.Newterms.Test }, "rule.newterms.test.")
		if err != nil {
			return nil, err
		}
		tests = inside
	}
	if beside := base + testSuffix; readable(beside) == nil {
		var top struct{ Test []*ruleTest }
		more, err := readTests(beside, &top, func() []*ruleTest { return top.Test }, "")
		if err != nil {
			return nil, err
		}
		tests = append(tests, more...)
	}
	for _, t := range tests {
		t.rules = rules
	}
	return tests, nil
}

// readTests reads a file of tests into top. Unknown keys that begin with
// prefix are errors.
func readTests(file string, top any, list func() []*ruleTest, prefix string) ([]*ruleTest, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, plainError(err))
	}
	meta, err := toml.Decode(string(text), top)
	if err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			return nil, fmt.Errorf("%s:%d:%d: %s", file, pe.Position.Line, pe.Position.Col, pe.Message)
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, key := range meta.Undecoded() {
		if strings.HasPrefix(key.String(), prefix) {
			return nil, fmt.Errorf("%s: %s is unknown; a test has name, events, learn_until, mapping and alerts", file, key)
		}
	}
	tests := list()
	blocks := testBlocks(string(text))
	for i, t := range tests {
		if t.file = file; i < len(blocks) {
			t.line = blocks[i].line
		}
		t.check(i)
	}
	return tests, nil
}

// check looks for what is wrong with a test itself.
func (t *ruleTest) check(i int) {
	if t.Name == "" {
		t.Name = fmt.Sprintf("test %d", i+1)
	}
	if t.Until != "" {
		if err := t.LearnUntil.Set(t.Until); err != nil {
			t.wrong = "learn_until: " + err.Error()
		}
	}
	switch a := t.Alerts.(type) {
	case nil:
		t.wrong = "alerts is missing: list the terms of each alert, or write alerts = 0; newterms test --update fills it in"
	case []any:
	case int64:
		if a < 0 {
			t.wrong = "alerts is negative"
		}
	default:
		t.wrong = "alerts must be a list of lists of terms, or a number"
	}
	if strings.TrimSpace(t.Events) == "" {
		t.wrong = "events is missing: write JSON lines, or the name of a file"
	}
}

// open returns the events.
func (t *ruleTest) open() (io.Reader, error) {
	if text := strings.TrimSpace(t.Events); strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") || strings.Contains(text, "\n") {
		return strings.NewReader(t.Events), nil
	}
	path := t.Events
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(t.file), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("events: %s: %w", path, plainError(err))
	}
	return bytes.NewReader(text), nil
}

// run runs a test on a state of its own.
func (t *ruleTest) run(cmd *cobra.Command, set *rule.Set) *testResult {
	res := &testResult{test: t, err: t.wrong}
	if t.wrong != "" && t.Alerts != nil {
		return res
	}
	if err := t.replay(cmd, set, res); err != nil {
		res.err = err.Error()
	}
	res.want = wantedAlerts(t.Alerts)
	return res
}

func (t *ruleTest) replay(cmd *cobra.Command, set *rule.Set, res *testResult) error {
	var shape shapeFlags
	if t.Mapping != "" {
		if err := shape.mode.Set(t.Mapping); err != nil {
			return fmt.Errorf("mapping: %w", err)
		}
	}
	events, err := t.open()
	if err != nil {
		return err
	}
	o := runOptions{sets: []*rule.Set{set}, stdin: events}
	o.engine = engine.Options{Mapping: shape.options()}
	if !t.LearnUntil.IsZero() {
		o.engine.LearnUntil = t.LearnUntil.UnixMilli()
	}
	r, err := newRunner(cmd, o)
	if err != nil {
		return err
	}
	var says bytes.Buffer
	r.trouble.w, r.trouble.command = &says, "events"
	r.keep = make(map[int]string)
	r.receive = func(alerts [][]*engine.Alert) error {
		for _, a := range alerts[0] {
			if f := read(a); f.Own.Summary == "" {
				res.got = append(res.got, gotAlert{termsText(f.Terms), f.Own.Line, r.keep[f.Own.Line]})
			}
		}
		return nil
	}
	interrupted, err := r.run(cmd.Context())
	if interrupted {
		err = errors.New("interrupted")
	}
	res.says = says.String()
	return err
}

// termsText writes terms as a JSON list. null is the text "null": TOML has no
// word for it.
func termsText(terms []any) string {
	list := slices.Clone(terms)
	for i, term := range list {
		if term == nil {
			list[i] = "null"
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(list) // what came out of JSON or TOML has a JSON form
	return strings.TrimSpace(b.String())
}

// wantedAlerts returns the alerts that a test lists.
func wantedAlerts(alerts any) (want []string) {
	list, _ := alerts.([]any)
	for _, terms := range list {
		one, ok := terms.([]any)
		if !ok {
			one = []any{terms} // of a rule with one field
		}
		want = append(want, termsText(one))
	}
	return want
}

// ok tells whether the test passed.
func (r *testResult) ok() bool {
	if r.err != "" {
		return false
	}
	if n, counted := r.test.Alerts.(int64); counted {
		return int64(len(r.got)) == n
	}
	return slices.EqualFunc(r.got, r.want, func(g gotAlert, w string) bool { return g.Terms == w })
}

// diff returns the lines of a comparison: "  " before what is in both, "- "
// before what is missing, "+ " before what was not expected.
func (r *testResult) diff() (lines []string) {
	if n, counted := r.test.Alerts.(int64); counted {
		lines = append(lines, fmt.Sprintf("expected %s, got %s", plural(n, "alert"), thousands(len(r.got))))
		for _, g := range r.got {
			lines = append(lines, "+ "+g.String())
		}
		return lines
	}
	lines = append(lines, fmt.Sprintf("expected %s, got %s", plural(len(r.want), "alert"), thousands(len(r.got))))
	i, j := 0, 0
	for _, k := range append(matching(r.want, r.got), [2]int{len(r.want), len(r.got)}) {
		for ; i < k[0]; i++ {
			lines = append(lines, "- "+r.want[i])
		}
		for ; j < k[1]; j++ {
			lines = append(lines, "+ "+r.got[j].String())
		}
		if i < len(r.want) && j < len(r.got) {
			lines = append(lines, "  "+r.want[i])
		}
		i, j = i+1, j+1
	}
	return lines
}

// shownEvent is how much of an event a failure shows, in bytes.
const shownEvent = 300

func (g gotAlert) String() string {
	event := g.Event
	if len(event) > shownEvent {
		event = strings.ToValidUTF8(event[:shownEvent], "") + "…"
	}
	return fmt.Sprintf("%s  event on line %d: %s", g.Terms, g.Line, event)
}

// matching returns pairs of indices of equal alerts, in order, as many as there
// can be.
func matching(want []string, got []gotAlert) (pairs [][2]int) {
	n, m := len(want), len(got)
	if n*m > 4<<20 {
		return nil // then all of both is listed
	}
	most := make([][]int, n+1)
	for i := n; i >= 0; i-- {
		most[i] = make([]int, m+1)
		for j := m - 1; i < n && j >= 0; j-- {
			if most[i][j] = max(most[i+1][j], most[i][j+1]); want[i] == got[j].Terms {
				most[i][j] = most[i+1][j+1] + 1
			}
		}
	}
	for i, j := 0, 0; i < n && j < m; {
		switch {
		case want[i] == got[j].Terms:
			pairs = append(pairs, [2]int{i, j})
			i, j = i+1, j+1
		case most[i+1][j] >= most[i][j+1]:
			i++
		default:
			j++
		}
	}
	return pairs
}
