// Package fluentbit runs the built plugin in a real Fluent Bit for tests. The
// tests use the fluent-bit on the PATH, or the binaries that
// NEWTERMS_FLUENT_BIT names (separated by colons); without any they are
// skipped, and say so.
package fluentbit

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// What make builds, by absolute paths.
var (
	Root    = root()                                          // the root of the project
	Plugin  = filepath.Join(Root, "build", "out_newterms.so") // the plugin
	Command = filepath.Join(Root, "build", "newterms")        // the command
	Host    = filepath.Join(Root, "build", "host")            // test/host, which loads the plugin as Fluent Bit does
	Rules   = filepath.Join(Root, "conf", "rules")            // the rules that ship
)

// root is the first folder above the working directory that holds a Makefile:
// go test runs a test in its package's folder.
func root() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "Makefile")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			panic("fluentbit: no Makefile above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

// Main builds what is to be tested and runs a package's tests. A package that
// uses Plugin, Command or Host calls it from its TestMain.
func Main(m *testing.M) {
	if err := Build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// The tests wait for timers and for other processes, so more of them run at a
	// time than there are processors, unless -parallel says otherwise.
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("6")
	}
	os.Exit(m.Run())
}

// Build has make bring Plugin, Command and Host up to date. It does nothing
// where they are, and only one process at a time builds.
func Build() error {
	if err := os.MkdirAll(filepath.Join(Root, "build"), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(Root, "build", ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	cmd := exec.Command("make", "--no-print-directory", "-s", "build", "build/host")
	cmd.Dir = Root
	for _, variable := range os.Environ() {
		// A make that runs the tests has a job server that this one has no part in.
		if name, _, _ := strings.Cut(variable, "="); name != "MAKEFLAGS" && name != "MFLAGS" && name != "MAKELEVEL" {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s in %s (%s/%s): %w\n%s", strings.Join(cmd.Args, " "), Root, runtime.GOOS, runtime.GOARCH, err, out)
	}
	return nil
}

// Binaries returns the Fluent Bit binaries to test with.
func Binaries() []string {
	if list := os.Getenv("NEWTERMS_FLUENT_BIT"); list != "" {
		return filepath.SplitList(list)
	}
	if path, err := exec.LookPath("fluent-bit"); err == nil {
		return []string{path}
	}
	return nil
}

// Each runs a test once per Fluent Bit binary.
func Each(t *testing.T, test func(t *testing.T, binary string)) {
	t.Helper()
	binaries := Binaries()
	if len(binaries) == 0 {
		t.Skip("no fluent-bit on the PATH: install Fluent Bit, or name binaries in NEWTERMS_FLUENT_BIT")
	}
	for _, binary := range binaries {
		t.Run(Version(binary), func(t *testing.T) { test(t, binary) })
	}
}

// Version returns what a Fluent Bit binary says its version is, such as
// "v5.1.1".
func Version(binary string) string {
	out, _ := exec.Command(binary, "--version").Output()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(strings.TrimPrefix(line, "Fluent Bit "))
}

// NeedsDatabase skips a test with a Fluent Bit that was built without SQLite:
// its tail input has no DB and cannot remember how far it has read.
func NeedsDatabase(t *testing.T, binary string) {
	t.Helper()
	help, _ := exec.Command(binary, "-i", "tail", "-h").CombinedOutput()
	if !strings.Contains(strings.ToLower(string(help)), "\ndb ") {
		t.Skipf("Fluent Bit %s was built without SQLite, so its tail input has no DB: use one that has it", Version(binary))
	}
}
