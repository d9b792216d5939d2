package detector

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRetryWhenNothingCanTakeMore: with a disk that takes nothing and the memory
// for what it is owed full, a chunk is refused, and taken once there is room.
func TestRetryWhenNothingCanTakeMore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	d, _ := openDetector(t, inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off",
		"alert_file", dir+".alerts", "state_path", dir))
	// A link in the place of the journal is neither followed nor replaced.
	path := filepath.Join(dir, "journal")
	if err := os.Rename(path, path+".kept"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/null", path); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 3000)
	code, n := OK, 0
	for ; code == OK && n < 100_000; n += 1000 {
		var names []string
		for i := range 1000 {
			names = append(names, fmt.Sprint(long, n+i))
		}
		code = d.Flush("app", chunkOf(time.Now(), names...))
	}
	if code != Retry {
		t.Fatalf("%d tuples are taken, and the last chunk is answered with %v", n, code)
	}
	if err := os.Rename(path+".kept", path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the disk is back", func() bool { return d.Flush("app", chunkOf(time.Now(), "late")) == OK })
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
