// Package e2e runs the built plugin as users do: in a real Fluent Bit, and in
// test/host, which loads it the same way. Tests with a real Fluent Bit use
// the fluent-bit on the PATH, or those that NEWTERMS_FLUENT_BIT names
// (separated by colons), and are skipped, loudly, where there is none.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// built is what TestMain builds.
var built struct {
	plugin  string // out_newterms.so
	host    string // test/host
	command string // newterms
}

// root is the root of the project.
var root, _ = filepath.Abs("../..")

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "newterms-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 1
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, "cannot build what is to be tested:", err)
	} else {
		if len(fluentBits()) == 0 {
			fmt.Println("*** There is no fluent-bit on the PATH: tests with a real Fluent Bit are SKIPPED. ***")
		}
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func build(dir string) error {
	built.plugin = filepath.Join(dir, "out_newterms.so")
	built.host = filepath.Join(dir, "host")
	built.command = filepath.Join(dir, "newterms")
	sources, err := filepath.Glob(filepath.Join(root, "test/host/*.c"))
	if err != nil {
		return err
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	for _, args := range [][]string{
		{"go", "build", "-buildmode=c-shared", "-o", built.plugin, "./plugin"},
		{"go", "build", "-o", built.command, "./detector/cmd/newterms"},
		append([]string{cc, "-std=gnu11", "-O2", "-g", "-pthread", "-rdynamic", "-o", built.host}, append(sources, "-ldl")...),
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// fluentBits returns the Fluent Bit binaries to test with.
func fluentBits() []string {
	if list := os.Getenv("NEWTERMS_FLUENT_BIT"); list != "" {
		return filepath.SplitList(list)
	}
	if path, err := exec.LookPath("fluent-bit"); err == nil {
		return []string{path}
	}
	return nil
}

// eachFluentBit runs a test with every Fluent Bit there is.
func eachFluentBit(t *testing.T, test func(t *testing.T, binary string)) {
	t.Helper()
	binaries := fluentBits()
	if len(binaries) == 0 {
		t.Skip("SKIPPED: there is no fluent-bit on the PATH")
	}
	for _, binary := range binaries {
		t.Run(version(binary), func(t *testing.T) { test(t, binary) })
	}
}

func version(binary string) string {
	out, _ := exec.Command(binary, "--version").Output()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(strings.TrimPrefix(line, "Fluent Bit "))
}

// needsDatabase skips a test with a Fluent Bit whose tail input cannot
// remember how far it has read: one that was built without SQLite.
func needsDatabase(t *testing.T, binary string) {
	t.Helper()
	help, _ := exec.Command(binary, "-i", "tail", "-h").CombinedOutput()
	if !strings.Contains(strings.ToLower(string(help)), "\ndb ") {
		t.Skipf("SKIPPED: %s was built without SQLite, so its tail input has no DB", version(binary))
	}
}
