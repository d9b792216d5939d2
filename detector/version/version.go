// Package version says what was built: which version, from which commit, by
// which Go, for which platform.
package version

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// Version and Commit are set by the linker (-ldflags -X), see the Makefile:
// what git describe says, and the commit's hash. A build without them, such as
// go install's, takes what the Go tool recorded.
var Version, Commit string

// Info describes a build. No part is empty: what is not known is "unknown".
type Info struct {
	Version  string // such as v1.2.3, or v1.2.3-4-gabcdef0-dirty between releases
	Commit   string // the hash
	Go       string // such as go1.26.0
	Platform string // such as linux/amd64
}

// Get describes this build.
func Get() Info {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = &debug.BuildInfo{}
	}
	return get(Version, Commit, build)
}

func get(version, commit string, build *debug.BuildInfo) Info {
	i := Info{Version: version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if i.Version == "" && build.Main.Version != "(devel)" {
		i.Version = build.Main.Version
	}
	for _, s := range build.Settings {
		if s.Key == "vcs.revision" && i.Commit == "" {
			i.Commit = s.Value
		}
	}
	if i.Version == "" {
		i.Version = "unknown"
	}
	if i.Commit == "" {
		i.Commit = "unknown"
	}
	return i
}

// String is all of it in a line, as --version and the start-up log line have
// it: "v1.2.3 (commit abcdef0, go1.26.0, linux/amd64)".
func (i Info) String() string {
	return i.Version + " (" + strings.Join([]string{"commit " + i.Commit, i.Go, i.Platform}, ", ") + ")"
}
