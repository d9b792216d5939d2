package rule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fluent-bit-newterms/detector/limits"
)

// TestFilesThatNeverEnd: pipes, devices and files that are too long are errors,
// wherever a file is read.
func TestFilesThatNeverEnd(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.txt"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "zero.txt")); err != nil {
		t.Fatal(err)
	}
	long, err := os.Create(filepath.Join(dir, "long.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := long.Truncate(limits.ConfigFileBytes + 1); err != nil {
		t.Fatal(err)
	}
	long.Close()
	for list, want := range map[string]string{"pipe": "pipe.txt: is not a regular file", "zero": "zero.txt: is not a regular file", "long": "long.txt: cannot be read: it has more than 64 MiB"} {
		text := fmt.Sprintf("[[exception]]\nentries = [{field = \"a\", type = \"list\", operator = \"included\", list = {id = %q, type = \"keyword\"}}]\n", list)
		_, err := Parse(filepath.Join(dir, "e.toml"), []byte(text), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("list %s: %v, want %q", list, err, want)
		}
	}
	for _, name := range []string{"pipe", "zero", "long"} {
		file := filepath.Join(dir, name+".toml")
		if err := os.Rename(filepath.Join(dir, name+".txt"), file); err != nil {
			t.Fatal(err)
		}
		if _, err := Load([]string{file}, Options{}); err == nil {
			t.Errorf("rules %s: no error", name)
		}
		if _, _, err := LoadExceptions(file); err == nil {
			t.Errorf("exceptions %s: no error", name)
		}
	}
}

// TestLongKeys: a key of very many parts is refused before it is decoded, which
// would take memory that is exponential in them.
func TestLongKeys(t *testing.T) {
	for _, parts := range []int{101, 10_000, 50_000} {
		key := strings.Repeat("a.", parts-1) + "a"
		for _, text := range []string{key + " = 1", "[" + key + "]", "[[" + key + "]]", "a = {" + key + " = 1}", strings.ReplaceAll(key, "a", `"a b"`) + " = 1", strings.ReplaceAll(key, ".", " . ") + " = 1"} {
			_, err := Parse("r.toml", []byte(text), Options{})
			if err == nil || !strings.Contains(err.Error(), "a key has more than 100 parts") {
				t.Errorf("%d parts, %.10s: %.200v", parts, text, err)
			}
		}
	}
	if _, found := longKey(strings.Repeat("a. ", 3) + strings.Repeat("Words end. And go on ", 300)); found {
		t.Error("sentences are taken for a key")
	}
	if _, found := longKey(strings.Repeat("a.", 99) + "a = 1"); found {
		t.Error("a key of 100 parts is refused")
	}
}
