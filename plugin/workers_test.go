package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReloads(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	yes := write("yes.conf", "[SERVICE]\n    Hot_Reload   On\n")
	yaml := write("yes.yaml", "service:\n  hot_reload: \"true\"\n")
	no := write("no.conf", "[SERVICE]\n    Hot_Reload off\n# hot_reload on\n")
	for _, c := range []struct {
		args string
		want bool
	}{
		{"fluent-bit -c " + yes, true},
		{"fluent-bit --config=" + yaml, true},
		{"fluent-bit -c " + no, false},
		{"fluent-bit -Y -c " + no, true},
		{"fluent-bit --enable-hot-reload", true},
		{"fluent-bit -c", false},
		{"fluent-bit -c " + dir, false},
		{"", false},
	} {
		cmdline := write("cmdline", strings.ReplaceAll(c.args, " ", "\x00")+"\x00")
		if got := reloads(cmdline); got != c.want {
			t.Errorf("%s: %v", c.args, got)
		}
	}
	if reloads(filepath.Join(dir, "gone")) {
		t.Error("no command line")
	}
}

func TestHasWorkers(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"fluent-bit\n", "flb-out-stdout.\n"} {
		task := filepath.Join(dir, string(rune('1'+i)))
		if err := os.Mkdir(task, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(task, "comm"), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if hasWorkers(dir) {
		t.Error("another output's worker counts")
	}
	if err := os.WriteFile(filepath.Join(dir, "1", "comm"), []byte("flb-out-newterm\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !hasWorkers(dir) {
		t.Error("no worker is found")
	}
}
