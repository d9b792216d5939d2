package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// event is a line of go test -json: see go doc test2json, and for the build-*
// actions go help buildjson.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	Test        string
	Output      string
	Elapsed     float64 // seconds
	FailedBuild string
}

// key is a test of a package; the name is empty for the package itself.
type key struct{ pkg, name string }

// skipped is a test that only -long runs, and the folder of its module.
type skipped struct{ dir, pkg, name string }

// report gathers what go test says of several modules.
type report struct {
	out     io.Writer
	dir     string                 // of the module under test
	began   time.Time              // the first module
	output  map[key]*tail          // of the tests that run, and of builds
	running map[string]*runningPkg // by package
	passed  int                    // tests
	failed  int                    // tests, packages and builds
	skips   map[string][]string    // names by reason
	long    []skipped
}

// runningPkg is a package whose tests run.
type runningPkg struct {
	since   time.Time
	tests   map[string]time.Time // top-level tests that run, and since when
	passed  int
	skipped int
}

// needsLong is in the reason of every test that go test -short skips.
const needsLong = "make test-long"

func newReport(out io.Writer) *report {
	return &report{out: out, began: time.Now(), output: make(map[key]*tail), running: make(map[string]*runningPkg), skips: make(map[string][]string)}
}

func (r *report) begin(dir string) { r.dir = dir }

// line takes one line of go test -json.
func (r *report) line(text []byte) {
	var e event
	if err := json.Unmarshal(text, &e); err != nil {
		fmt.Fprintf(r.out, "%s\n", text) // not ours to hide
		return
	}
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		r.keep(key{e.ImportPath, ""}, e.Output)
	case "start":
		r.running[e.Package] = &runningPkg{since: time.Now(), tests: make(map[string]time.Time)}
	case "run":
		r.of(k.pkg).tests[e.Test] = time.Now()
	case "output":
		r.keep(k, e.Output)
	case "pass", "skip", "fail":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(k, e)
		}
	}
}

func (r *report) of(pkg string) *runningPkg {
	p := r.running[pkg]
	if p == nil {
		p = &runningPkg{since: time.Now(), tests: make(map[string]time.Time)}
		r.running[pkg] = p
	}
	return p
}

func (r *report) endTest(k key, e event) {
	p := r.of(k.pkg)
	delete(p.tests, k.name)
	switch e.Action {
	case "pass":
		p.passed++
		r.passed++
	case "skip":
		p.skipped++
		why := reason(r.output[k].String())
		r.skips[why] = append(r.skips[why], short(k.pkg)+" "+k.name)
		if strings.Contains(why, needsLong) {
			r.long = append(r.long, skipped{r.dir, k.pkg, k.name})
		}
	case "fail":
		r.failed++
		fmt.Fprintf(r.out, "FAIL  %s %s\n%s", short(k.pkg), k.name, indent(r.output[k].String()))
	}
	delete(r.output, k)
}

func (r *report) endPackage(e event) {
	k := key{e.Package, ""}
	p := r.of(e.Package)
	delete(r.running, e.Package)
	if e.Action == "fail" {
		r.failed++
		said := r.output[k].String()
		if e.FailedBuild != "" {
			said = r.output[key{e.FailedBuild, ""}].String() + said
		}
		fmt.Fprintf(r.out, "FAIL  %s\n%s", short(e.Package), indent(said))
		for test := range p.tests { // a panic or a timeout ended them
			fmt.Fprintf(r.out, "FAIL  %s %s did not end\n%s", short(e.Package), test, indent(r.output[key{e.Package, test}].String()))
		}
	} else if p.passed+p.skipped > 0 {
		cached := ""
		if strings.Contains(r.output[k].String(), "(cached)") {
			cached = ", cached"
		}
		fmt.Fprintf(r.out, "ok    %-34s %6.1fs  %d tests%s\n", short(e.Package), e.Elapsed, p.passed, cached)
	}
	delete(r.output, k)
}

// progress says what runs, the longest first.
func (r *report) progress(now time.Time) {
	var parts []string
	for _, pkg := range slices.SortedFunc(maps.Keys(r.running), func(a, b string) int { return r.running[a].since.Compare(r.running[b].since) }) {
		p := r.running[pkg]
		what := ""
		if name, since := oldest(p.tests); name != "" {
			what = fmt.Sprintf(" (%s, %ds)", name, int(now.Sub(since).Seconds()))
		}
		parts = append(parts, short(pkg)+what)
	}
	if len(parts) == 0 {
		parts = []string{"compiling"}
	}
	fmt.Fprintf(r.out, "%5ds %s\n", int(now.Sub(r.began).Seconds()), strings.Join(parts, ", "))
}

func oldest(tests map[string]time.Time) (name string, since time.Time) {
	for n, t := range tests {
		if name == "" || t.Before(since) || t.Equal(since) && n > name {
			name, since = n, t
		}
	}
	return name, since
}

// summary says how it went, and what was skipped and why.
func (r *report) summary() {
	fmt.Fprintf(r.out, "\n%d tests passed, %d failed, in %s.\n", r.passed, r.failed, time.Since(r.began).Round(time.Second))
	for _, why := range slices.Sorted(maps.Keys(r.skips)) {
		names := r.skips[why]
		slices.Sort(names)
		fmt.Fprintf(r.out, "\nSkipped: %s\n", why)
		for _, name := range slices.Compact(names) {
			fmt.Fprintf(r.out, "  %s\n", name)
		}
	}
}

// keep adds to the output of a test.
func (r *report) keep(k key, text string) {
	if r.output[k] == nil {
		r.output[k] = &tail{}
	}
	r.output[k].add(text)
}

// tail is the end of what a test prints, at most 64 KiB of it.
type tail struct{ text []byte }

func (t *tail) add(s string) {
	const most = 64 << 10
	t.text = append(t.text, s...)
	if len(t.text) > 2*most {
		t.text = append([]byte("... (more before this)\n"), t.text[len(t.text)-most:]...)
	}
}

func (t *tail) String() string {
	if t == nil {
		return ""
	}
	return string(t.text)
}

// reason is what a test said when it skipped itself: "file_test.go:7: why".
func reason(output string) string {
	why := "without a reason"
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
			continue
		}
		if at, text, ok := strings.Cut(line, ": "); ok && strings.Contains(at, ".go:") {
			why = text
		}
	}
	return why
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    ")
		b.WriteString(line)
	}
	return b.String()
}

// short is a package's path inside of the project.
func short(pkg string) string {
	_, rest, ok := strings.Cut(pkg, "/")
	if !ok {
		return pkg
	}
	return rest
}
