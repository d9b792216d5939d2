package sink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lineIDs reads a file of alerts and returns their ids. What is no line of
// JSON comes back as it is.
func lineIDs(t *testing.T, path string) (ids []string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var alert struct{ ID int }
		if !strings.HasSuffix(line, "\n") || json.Unmarshal([]byte(line), &alert) != nil {
			ids = append(ids, strings.TrimSuffix(line, "\n"))
			continue
		}
		ids = append(ids, fmt.Sprint(alert.ID))
	}
	return ids
}

func wantLines(t *testing.T, path string, ids ...string) {
	t.Helper()
	if got := lineIDs(t, path); strings.Join(got, " ") != strings.Join(ids, " ") {
		t.Errorf("%s holds %q, want %q", filepath.Base(path), got, ids)
	}
}

func openFile(t *testing.T, path string) *File {
	t.Helper()
	s, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFile(t *testing.T) {
	for _, test := range []struct {
		name string
		// between does something to the file between two deliveries.
		between func(t *testing.T, path string)
		files   map[string][]string // what they hold in the end
	}{
		{"nothing", func(*testing.T, string) {}, map[string][]string{"a": {"1", "2", "1", "2"}}},
		{"renamed", func(t *testing.T, path string) { check(t, os.Rename(path, path+".1")) },
			map[string][]string{"a": {"1", "2"}, "a.1": {"1", "2"}}},
		{"renamed and made", func(t *testing.T, path string) {
			check(t, os.Rename(path, path+".1"))
			check(t, os.WriteFile(path, nil, 0o640))
		}, map[string][]string{"a": {"1", "2"}, "a.1": {"1", "2"}}},
		{"deleted", func(t *testing.T, path string) { check(t, os.Remove(path)) }, map[string][]string{"a": {"1", "2"}}},
		{"copied and cut", func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			check(t, err)
			check(t, os.WriteFile(path+".1", data, 0o600))
			check(t, os.Truncate(path, 0))
		}, map[string][]string{"a": {"1", "2"}, "a.1": {"1", "2"}}},
		{"folder gone and back", func(t *testing.T, path string) {
			check(t, os.RemoveAll(filepath.Dir(path)))
			check(t, os.Mkdir(filepath.Dir(path), 0o700))
		}, map[string][]string{"a": {"1", "2"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "logs")
			check(t, os.Mkdir(dir, 0o700))
			path := filepath.Join(dir, "a")
			s := openFile(t, path)
			deliver(t, s, alerts(2, "x"), 1)
			test.between(t, path)
			deliver(t, s, alerts(2, "x"), 1)
			for name, ids := range test.files {
				wantLines(t, filepath.Join(dir, name), ids...)
			}
		})
	}
}

func TestFileMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	openFile(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestFileHalfLine finds half a line at the end of the file, as a machine
// leaves it that lost its power.
func TestFileHalfLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	check(t, os.WriteFile(path, []byte("{\"id\":1}\n{\"id\":"), 0o600))
	deliver(t, openFile(t, path), alerts(2, "x"), 1)
	wantLines(t, path, "1", `{"id":`, "1", "2")
}

func TestFileSymlink(t *testing.T) {
	dir := t.TempDir()
	path, first, second := filepath.Join(dir, "a"), filepath.Join(dir, "1"), filepath.Join(dir, "2")
	check(t, os.Symlink(first, path))
	s := openFile(t, path)
	deliver(t, s, alerts(2, "x"), 1)
	check(t, os.Remove(path))
	check(t, os.Symlink(second, path))
	deliver(t, s, alerts(1, "x"), 1)
	wantLines(t, first, "1", "2")
	wantLines(t, second, "1")
}

// TestFileRefused are paths that cannot be written.
func TestFileRefused(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	check(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	for _, test := range []struct{ path, says string }{
		{filepath.Join(dir, "none", "a"), "make it first"},
		{dir, "it is a folder"},
		{filepath.Join(dir, "file", "a"), "not a directory"},
		{filepath.Join(dir, "loop"), "symbolic links"},
	} {
		if _, err := OpenFile(test.path); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", test.path, err, test.says)
		}
	}
}

// TestFilePermission takes this thread's rights to files away.
func TestFilePermission(t *testing.T) {
	dir := t.TempDir()
	locked := filepath.Join(dir, "locked")
	check(t, os.WriteFile(locked, nil, 0o400))
	writeOnly := filepath.Join(dir, "write-only")
	check(t, os.WriteFile(writeOnly, []byte("old\n"), 0o222))
	check(t, os.Chmod(writeOnly, 0o222))
	for dir := dir; dir != "/" && strings.Contains(dir, "Test"); dir = filepath.Dir(dir) {
		check(t, os.Chmod(dir, 0o755))
	}
	if os.Getuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		const nobody = 65534
		syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
		defer syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0)
	}
	if _, err := OpenFile(locked); err == nil || !strings.Contains(err.Error(), "no permission") {
		t.Errorf("a file that may not be written: %v", err)
	}
	s, err := OpenFile(writeOnly)
	if err != nil {
		t.Fatalf("a file that may be written but not read: %v", err)
	}
	defer s.Close()
	if n, err := s.Deliver(t.Context(), alerts(1, "x")); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestFileFull runs in a process of its own whose files may have 100 bytes: a
// disk that fills up in the middle of a line.
func TestFileFull(t *testing.T) {
	path := os.Getenv("SINK_TEST_FULL")
	if path == "" {
		path = filepath.Join(t.TempDir(), "a")
		cmd := exec.Command(os.Args[0], "-test.run=^TestFileFull$", "-test.v")
		cmd.Env = append(os.Environ(), "SINK_TEST_FULL="+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		wantLines(t, path, "1", "2", "3")
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	body := func(id int) Record {
		return Record{Body: fmt.Appendf(nil, `{"id":%d,"pad":%q}`, id, strings.Repeat("x", 40))}
	}
	s := openFile(t, path)
	deliver(t, s, []Record{body(1)}, 1)
	setLimit := func(n uint64) {
		var limit syscall.Rlimit
		check(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
		limit.Cur = n
		check(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	}
	setLimit(100)
	for range 3 {
		if n, err := s.Deliver(t.Context(), []Record{body(2), body(3)}); n != 0 || err == nil {
			t.Fatalf("%d arrived on a full disk, %v", n, err)
		}
		wantLines(t, path, "1")
	}
	setLimit(1 << 20)
	deliver(t, s, []Record{body(2), body(3)}, 1)
}

// TestFileDisk is the error of a disk that is full.
func TestFileDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	n, err := openFile(t, "/dev/full").Deliver(t.Context(), alerts(1, "x"))
	if n != 0 || err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("%d, %v", n, err)
	}
}

func TestFilePipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	check(t, syscall.Mkfifo(path, 0o600))
	s := openFile(t, path) // does not wait for a reader
	if n, err := s.Deliver(t.Context(), alerts(1, "x")); n != 0 || err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Errorf("%d, %v", n, err)
	}
	read := func() *os.File {
		t.Helper()
		r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		check(t, err)
		t.Cleanup(func() { r.Close() })
		return r
	}
	r := read()
	deliver(t, s, alerts(2, "x"), 1)
	lines := bufio.NewReader(r)
	for i := range 2 {
		if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, fmt.Sprintf(`{"id":%d,`, i+1)) {
			t.Errorf("%q, %v", line, err)
		}
	}
	// The reader goes, and another comes.
	r.Close()
	if n, err := s.Deliver(t.Context(), alerts(1, "x")); n != 0 || err == nil {
		t.Errorf("%d went to a pipe without a reader, %v", n, err)
	}
	r = read()
	deliver(t, s, alerts(1, "x"), 1)
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil || !strings.HasPrefix(line, `{"id":1,`) {
		t.Errorf("%q, %v", line, err)
	}
}

// TestFilePipeStuck has a reader that takes nothing: what did not fit is not
// in the way of what comes later.
func TestFilePipeStuck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	check(t, syscall.Mkfifo(path, 0o600))
	r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	check(t, err)
	defer r.Close()
	s := openFile(t, path)
	s.patience = 100 * time.Millisecond
	records := alerts(1000, "x") // more than a pipe holds
	n, err := s.Deliver(t.Context(), records)
	if n == 0 || n == len(records) || err == nil || !strings.Contains(err.Error(), "has taken nothing") {
		t.Fatalf("%d, %v", n, err)
	}
	text := make(chan string)
	go func() {
		data, _ := io.ReadAll(r)
		text <- string(data)
	}()
	for n < len(records) {
		k, err := s.Deliver(t.Context(), records[n:])
		check(t, err)
		n += k
	}
	check(t, s.Close())
	next, broken := 1, 0
	for line := range strings.Lines(<-text) {
		var alert struct{ ID int }
		if json.Unmarshal([]byte(line), &alert) != nil {
			broken++
			continue
		}
		if alert.ID != next {
			t.Fatalf("alert %d, want %d", alert.ID, next)
		}
		next++
	}
	if next != len(records)+1 || broken > 1 {
		t.Errorf("%d alerts and %d halves of lines, want %d and at most one", next-1, broken, len(records))
	}
}

// TestWriter has a stream that takes half, then nothing, then all.
func TestWriter(t *testing.T) {
	var out strings.Builder
	left := 200
	s := NewWriter("the stream", writerFunc(func(p []byte) (int, error) {
		n := min(left, len(p))
		left -= n
		out.Write(p[:n])
		if n < len(p) {
			return n, io.ErrShortWrite
		}
		return n, nil
	}))
	records := alerts(3, "x")
	one := len(records[0].Body) + 1
	n, err := s.Deliver(t.Context(), records)
	if n != 200/one || err == nil || !strings.Contains(err.Error(), "the stream") {
		t.Fatalf("%d, %v", n, err)
	}
	if k, err := s.Deliver(t.Context(), records[n:]); k != 0 || err == nil {
		t.Fatalf("%d, %v", k, err)
	}
	left = 1 << 20
	deliver(t, s, records[n:], 1)
	path := filepath.Join(t.TempDir(), "out")
	check(t, os.WriteFile(path, []byte(out.String()), 0o600))
	ids := lineIDs(t, path)
	if len(ids) != 4 || ids[0] != "1" || ids[2] != "2" || ids[3] != "3" {
		t.Errorf("lines %q", ids)
	}
}

// TestWriterStuck has a stream whose reader has stopped.
func TestWriterStuck(t *testing.T) {
	r, w := io.Pipe()
	s := NewWriter("the stream", w)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if n, err := s.Deliver(ctx, alerts(1, "x")); n != 0 || err == nil {
		t.Fatalf("%d, %v", n, err)
	}
	text := make(chan string)
	go func() {
		data, _ := io.ReadAll(r)
		text <- string(data)
	}()
	deliver(t, s, alerts(2, "x"), 1)
	w.Close()
	if n := strings.Count(<-text, "\n"); n != 3 {
		t.Errorf("%d lines, want the one that was given up on and two", n)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestPipeStops: a full pipe whose reader has stopped does not keep a delivery
// from ending when it has to.
func TestPipeStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	s, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.patience = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	records := []Record{{ID: 1, Body: bytes.Repeat([]byte("x"), 1<<20)}}
	if n, err := s.Deliver(ctx, records); n != 0 || err == nil {
		t.Errorf("%d arrived, %v", n, err)
	}
}
