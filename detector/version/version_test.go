package version

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestGet(t *testing.T) {
	recorded := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}}}
	recorded.Main.Version = "v0.0.0-2026"
	devel := &debug.BuildInfo{}
	devel.Main.Version = "(devel)"
	for _, c := range []struct {
		name, version, commit string
		build                 *debug.BuildInfo
		want                  string
	}{
		{"stamped", "v1.2.3", "def", recorded, "v1.2.3 (commit def, go"},
		{"recorded by the Go tool", "", "", recorded, "v0.0.0-2026 (commit abc, go"},
		{"neither", "", "", devel, "unknown (commit unknown, go"},
		{"nothing at all", "", "", &debug.BuildInfo{}, "unknown (commit unknown, go"},
	} {
		if got := get(c.version, c.commit, c.build).String(); !strings.HasPrefix(got, c.want) || !strings.HasSuffix(got, ")") {
			t.Errorf("%s: %s, want %s…", c.name, got, c.want)
		}
	}
}
