package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// said is go test -json of a package with a test that passes, one that fails,
// two that skip and one that a panic ends, and of a package that does not build.
const said = `
{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"nobody needs this\n"}
{"Action":"pass","Package":"m/a","Test":"TestGood","Elapsed":0.1}
{"Action":"run","Package":"m/a","Test":"TestBad"}
{"Action":"output","Package":"m/a","Test":"TestBad","Output":"    a_test.go:9: two is not three\n"}
{"Action":"fail","Package":"m/a","Test":"TestBad","Elapsed":0.1}
{"Action":"run","Package":"m/a","Test":"TestAway"}
{"Action":"output","Package":"m/a","Test":"TestAway","Output":"=== RUN   TestAway\n"}
{"Action":"output","Package":"m/a","Test":"TestAway","Output":"    a_test.go:12: no moon: wait for the night\n"}
{"Action":"output","Package":"m/a","Test":"TestAway","Output":"--- SKIP: TestAway (0.00s)\n"}
{"Action":"skip","Package":"m/a","Test":"TestAway","Elapsed":0}
{"Action":"run","Package":"m/a","Test":"TestSlow"}
{"Action":"output","Package":"m/a","Test":"TestSlow","Output":"    a_test.go:15: takes an hour: make test-long runs it\n"}
{"Action":"skip","Package":"m/a","Test":"TestSlow","Elapsed":0}
{"Action":"run","Package":"m/a","Test":"TestPanics"}
{"Action":"output","Package":"m/a","Test":"TestPanics","Output":"panic: at the disco\n"}
{"Action":"fail","Package":"m/a","Elapsed":1.5}
{"Action":"build-output","ImportPath":"m/b","Output":"b.go:1: no such thing\n"}
{"Action":"start","Package":"m/b"}
{"Action":"fail","Package":"m/b","Elapsed":0,"FailedBuild":"m/b"}
`

func TestReport(t *testing.T) {
	var out bytes.Buffer
	r := newReport(&out)
	r.begin("module")
	for line := range strings.Lines(strings.TrimSpace(said)) {
		r.line([]byte(line))
		if strings.Contains(line, "panic:") {
			r.progress(time.Now())
		}
	}
	r.summary()
	for _, want := range []string{
		"FAIL  a TestBad\n        a_test.go:9: two is not three\n",
		" a (TestPanics, 0s)\n",
		"FAIL  a TestPanics did not end\n    panic: at the disco\n",
		"FAIL  b\n    b.go:1: no such thing\n",
		"\n1 tests passed, 3 failed, in 0s.\n",
		"\nSkipped: no moon: wait for the night\n  a TestAway\n",
		"\nSkipped: takes an hour: make test-long runs it\n  a TestSlow\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(out.String(), "nobody needs this") {
		t.Error("it says what a test printed that passed")
	}
	if want := (skipped{"module", "m/a", "TestSlow"}); len(r.long) != 1 || r.long[0] != want {
		t.Errorf("tests that need -long: %v, want %v", r.long, want)
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func TestTail(t *testing.T) {
	var whole tail
	for range 100_000 {
		whole.add("a line of thirty-two characters\n")
	}
	whole.add("the end")
	if n := len(whole.String()); n < 64<<10 || n > 128<<10+100 || !strings.HasSuffix(whole.String(), "the end") {
		t.Errorf("%d bytes are kept", n)
	}
}
