package input

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
)

// readAll returns what a Reader gives: each line with its file and number,
// and what was wrong.
func readAll(t testing.TB, r *Reader) (lines, wrong []string) {
	t.Helper()
	ctx := t.Context()
	for {
		c, err := r.Next(ctx)
		if err == io.EOF {
			return lines, wrong
		}
		if err != nil {
			t.Fatal(err)
		}
		if c.Err != nil {
			wrong = append(wrong, c.Err.Error())
		}
		for _, v := range c.Values {
			if v.TooLong {
				wrong = append(wrong, fmt.Sprintf("%s:%d too long", filepath.Base(c.File), v.Line))
				continue
			}
			lines = append(lines, fmt.Sprintf("%s:%d:%s", filepath.Base(c.File), v.Line, v.Text))
		}
		r.Free(c)
	}
}

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // a buffer takes all
	_ = z.Close()
	return b.String()
}

func zstded(t testing.TB, text string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(text), nil))
}

func TestReader(t *testing.T) {
	defer goleak.VerifyNone(t)
	long := strings.Repeat("x", 3<<20)
	for _, c := range []struct {
		name, text   string
		lines, wrong []string
	}{
		{"empty", "", nil, nil},
		{"one line", "a\n", []string{"f:1:a"}, nil},
		{"no newline at the end", "a\nb", []string{"f:1:a", "f:2:b"}, nil},
		{"blank lines count", "\n\na\n\n", []string{"f:3:a"}, nil},
		{"byte order mark", "\xef\xbb\xbfa\n", []string{"f:1:a"}, nil},
		{"gzip", gzipped("a\nb\n"), []string{"f:1:a", "f:2:b"}, nil},
		{"gzip, twice", gzipped("a\n") + gzipped("b\n"), []string{"f:1:a", "f:2:b"}, nil},
		{"zstd", zstded(t, "a\nb\n"), []string{"f:1:a", "f:2:b"}, nil},
		{"cut gzip", gzipped("a\nb\nc")[:20], []string{"f:1:a", "f:2:b"}, []string{"unexpected EOF"}},
		{"a hole of zeros, as copytruncate leaves", strings.Repeat("\x00", 6<<20) + "a\n\x00\x00b\n", []string{"f:1:a", "f:2:b"}, nil},
		{"UTF-16", "\xff\xfe{\x00}\x00", nil, []string{"UTF-16"}},
		{"a line of several chunks", "a\n" + long + "\nb\n", []string{"f:1:a", "f:2:" + long, "f:3:b"}, nil},
		{"a line too long", "a\n" + long + long + "\nb\n", []string{"f:1:a", "f:3:b"}, []string{"f:2 too long"}},
		{"too long, and the end", "a\n" + long + long, []string{"f:1:a"}, []string{"f:2 too long"}},
		{"only too long", long + long + "\n", nil, []string{"f:1 too long"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			r := newReader(t.Context(), []string{path}, nil, 4<<20)
			defer r.Close()
			lines, wrong := readAll(t, r)
			if !slices.Equal(lines, c.lines) {
				t.Errorf("%d lines, want %d: %.200q", len(lines), len(c.lines), lines)
			}
			if len(wrong) != len(c.wrong) || len(wrong) == 1 && !strings.Contains(wrong[0], c.wrong[0]) {
				t.Errorf("wrong: %q, want %q", wrong, c.wrong)
			}
			if r.Taken() != int64(len(c.text)) {
				t.Errorf("%d bytes taken of %d", r.Taken(), len(c.text))
			}
		})
	}
}

// TestReaderChunks reads more lines than fit a chunk, and wants every one.
func TestReaderChunks(t *testing.T) {
	defer goleak.VerifyNone(t)
	var text strings.Builder
	var want []string
	for i := range 60_000 {
		line := fmt.Sprintf("%d %s", i, strings.Repeat("y", i%100))
		text.WriteString(line + "\n")
		want = append(want, fmt.Sprintf("-:%d:%s", i+1, line))
	}
	r := NewReader(t.Context(), []string{Stdin}, strings.NewReader(text.String()))
	lines, wrong := readAll(t, r)
	if len(wrong) > 0 || !slices.Equal(lines, want) {
		t.Errorf("%d lines, want %d; wrong: %v", len(lines), len(want), wrong)
	}
}

// TestReaderOfPipe wants lines of a pipe as they come, not when a chunk is
// full, and an end when the reader is told to.
func TestReaderOfPipe(t *testing.T) {
	defer goleak.VerifyNone(t)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := NewReader(ctx, []string{Stdin}, in)
	for i := range 3 {
		fmt.Fprintf(out, "line %d\nhalf", i)
		soon, done := context.WithTimeout(ctx, 10*time.Second)
		c, err := r.Next(soon)
		done()
		if err != nil || len(c.Values) != 1 || c.Values[0].Line != i+1 || !strings.HasSuffix(string(c.Values[0].Text), fmt.Sprintf("line %d", i)) {
			t.Fatalf("%+v, %v", c, err)
		}
		r.Free(c)
	}
	cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	out.Close()
	in.Close()
}

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.log", "a/z.log", "a/.hidden", ".git/config"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "a", "dangling")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		paths []string
		want  []string
		size  int64
		notes int
		err   string
	}{
		{"nothing is the standard input", nil, []string{"-"}, -1, 0, ""},
		{"a folder, with a link that leads nowhere", []string{dir + "/a"}, []string{dir + "/a/z.log"}, 5, 1, ""},
		{"a folder, with what cannot be opened", []string{dir}, []string{dir + "/a/z.log", dir + "/b.log", dir + "/loop"}, -1, 1, ""},
		{"files in their order", []string{dir + "/b.log", "-", dir + "/a/z.log"}, []string{dir + "/b.log", "-", dir + "/a/z.log"}, -1, 0, ""},
		{"a hidden file that is named", []string{dir + "/a/.hidden"}, []string{dir + "/a/.hidden"}, 5, 0, ""},
		{"an empty folder", []string{empty}, nil, 0, 0, "holds no files"},
		{"a file that is not there", []string{dir + "/no"}, nil, 0, 0, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, err := Expand(c.paths)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || !slices.Equal(files.Paths, c.want) || files.Size != c.size || len(files.Notes) != c.notes {
				t.Errorf("%+v, %v; want %v, %d, %d notes", files, err, c.want, c.size, c.notes)
			}
		})
	}
}
