package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the runs start this program anew as their helpers.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && helpers[os.Args[1]] != nil {
		helpers[os.Args[1]](os.Args[2:])
		return
	}
	os.Exit(m.Run())
}

// TestChaos is the short form of all runs in the host. Those with a real
// Fluent Bit are left to make chaos.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("chaos takes two minutes: make test-long runs it")
	}
	var names []string
	for _, r := range runs {
		if !strings.HasSuffix(r.name, "fluent-bit") {
			names = append(names, r.name)
		}
	}
	var out bytes.Buffer
	if code := chaos(context.Background(), false, names, &out); code != 0 {
		t.Errorf("chaos found something:\n%s", out.String())
	}
	t.Log(out.String())
}

func TestUnknownRun(t *testing.T) {
	var out bytes.Buffer
	if code := chaos(context.Background(), false, []string{"sunshine"}, &out); code != 2 || !strings.Contains(out.String(), "crash-fluent-bit") {
		t.Errorf("code %d, %s", code, out.String())
	}
}

// TestLedger: a check that cannot fail is worth nothing.
func TestLedger(t *testing.T) {
	a, b := tuple{"ann", "agent/1"}, tuple{"bob", "agent/2"}
	alertOn := func(t tuple, uuid string) *alert { return &alert{Terms: []string{t.user, t.agent}, UUID: uuid} }
	for _, test := range []struct {
		name string
		do   func(l *ledger)
		want string
	}{
		{"all is well", func(l *ledger) { l.left(byFile, alertOn(a, "1")); l.left(byFile, alertOn(b, "2")) }, ""},
		{"again", func(l *ledger) {
			l.left(byFile, alertOn(a, "1"))
			l.left(byFile, alertOn(a, "1"))
			l.left(byFile, alertOn(b, "2"))
		}, ""},
		{"lost", func(l *ledger) { l.left(byFile, alertOn(a, "1")) }, "bob agent/2 was acknowledged, but has no alert"},
		{"two uuids", func(l *ledger) {
			l.left(byFile, alertOn(a, "1"))
			l.left(byFile, alertOn(b, "2"))
			l.left(byFile, alertOn(a, "3"))
		}, "two uuids"},
		{"from nowhere", func(l *ledger) {
			l.left(byFile, alertOn(a, "1"))
			l.left(byFile, alertOn(b, "2"))
			l.left(byFile, alertOn(tuple{"eve", "agent/3"}, "3"))
		}, "never fed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(byFile)
			c := chunk{tuples: []tuple{a, b}}
			l.feed([]chunk{c})
			l.acknowledged(&c)
			test.do(l)
			l.complete()
			err := l.err()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// TestFaultyDisk has the injector fail the calls of a program that says so.
func TestFaultyDisk(t *testing.T) {
	dd, err := exec.LookPath("dd")
	if err != nil {
		t.Skip("there is no dd")
	}
	dir := t.TempDir()
	for _, test := range []struct {
		name string
		v    verdict
		want string
	}{
		{"nothing", verdict{}, ""},
		{"full", verdict{err: syscall.ENOSPC}, "No space left"},
		{"slow", verdict{delay: 300 * time.Millisecond}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			d := &faultyDisk{folder: dir, decide: func(int, op) verdict { return test.v }}
			p, err := d.launch(dd, "if=/dev/zero", "of="+dir+"/x", "bs=100", "count=2")
			if err != nil {
				t.Skip(err) // not every container lets a process filter its calls
			}
			err = p.wait(20 * time.Second)
			ops, hit := d.count()
			if (err == nil) != (test.want == "") || !strings.Contains(p.log.String(), test.want) || ops == 0 || (hit > 0) != (test.v != verdict{}) {
				t.Errorf("%v, %d calls, %d attacked: %s", err, ops, hit, p.log)
			}
			if took := time.Since(began); took < 2*test.v.delay {
				t.Errorf("it took %s", took)
			}
		})
	}
}
