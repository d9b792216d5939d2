package seen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	fileSizeEnv = "SEEN_FILESIZE_DIR"
	rlimitFsize = syscall.RLIMIT_FSIZE
)

func contextFor(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	time.AfterFunc(d, cancel)
	return ctx
}

// A limit on the size of files is an error like any other, and does not end the
// process.
func TestFileSizeLimit(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fileSizeEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "alive\n") {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	if _, r := mustOpen(t, dir, Options{OnCorrupt: Stop}); r.Tuples != 100 {
		t.Errorf("%+v", r)
	}
}

// fileSizeChild meets the limit and outlives it.
func fileSizeChild(dir string) {
	s, _, err := Open(dir, Options{minBackoff: time.Millisecond, maxBackoff: time.Millisecond})
	if err != nil {
		fmt.Println("Open:", err)
		os.Exit(1)
	}
	if err := syscall.Setrlimit(rlimitFsize, &syscall.Rlimit{Cur: 20_000, Max: 1 << 30}); err != nil {
		fmt.Println("setrlimit:", err)
		os.Exit(1)
	}
	st, _ := s.Rule("r", RuleOptions{Fingerprint: "f", Name: "r"})
	m := NewMemory(tenDays)
	s.Load(st, m)
	var b Batch
	for i := range 100 {
		m.Observe(terms(fmt.Sprint(i), strings.Repeat("x", 500)), at(start), &b)
	}
	err = s.Commit(contextFor(10*time.Second), &b)
	if !errors.Is(err, ErrOwed) || !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), "ulimit -f") {
		fmt.Println("Commit:", err)
		os.Exit(1)
	}
	syscall.Setrlimit(rlimitFsize, &syscall.Rlimit{Cur: 1 << 30, Max: 1 << 30})
	if err := s.Close(); err != nil {
		fmt.Println("Close:", err)
		os.Exit(1)
	}
	fmt.Println("alive")
}
