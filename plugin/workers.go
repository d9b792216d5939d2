package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"fluent-bit-newterms/detector"
)

// Fluent Bit 4.2 and 5.1 crash when they reload an output that has Workers,
// whichever output it is. It tells a plugin about neither, so both are looked
// for in the process: the threads of workers by their names, and the reload on
// the command line and in the configuration file that it names.

// workersCheckedAfter is when the threads of workers are there: Fluent Bit
// starts them after the last output.
const workersCheckedAfter = 2 * time.Second

// warnOfWorkers warns, a moment after the start, where workers and hot reload
// are both on.
func warnOfWorkers(h *host) {
	time.AfterFunc(workersCheckedAfter, func() {
		_ = recovered(h, "a look at the host", func() error {
			if hasWorkers("/proc/self/task") && reloads("/proc/self/cmdline") {
				h.Log(detector.LevelWarn, "this output has Workers, and hot reload is on: Fluent Bit 4.2 and 5.1 crash when they reload such an output; remove Workers, or do not reload")
			}
			return nil
		})
	})
}

// workerThread is how the threads of a newterms output's workers are called:
// flb-out-newterms.0-w0, of which the kernel keeps 15 bytes.
const workerThread = "flb-out-newterm"

func hasWorkers(tasks string) bool {
	names, _ := filepath.Glob(filepath.Join(tasks, "*", "comm"))
	return slices.ContainsFunc(names, func(path string) bool {
		name, _ := os.ReadFile(path)
		return strings.HasPrefix(string(name), workerThread)
	})
}

var reloadOn = regexp.MustCompile(`(?im)^\s*hot_reload\s*[:\s]\s*['"]?(on|true|yes)\b`)

// reloads tells whether the command line, or a configuration file that it
// names, switches hot reload on.
func reloads(cmdline string) bool {
	text, _ := os.ReadFile(cmdline)
	args := strings.Split(string(bytes.TrimRight(text, "\x00")), "\x00")
	for i, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "-Y", "--enable-hot-reload":
			return true
		case "-c", "--config":
			if value == "" && i+1 < len(args) {
				value = args[i+1]
			}
			if config, err := readSmall(value); err == nil && reloadOn.Match(config) {
				return true
			}
		}
	}
	return false
}

// readSmall reads a regular file of a configuration's size.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
		return nil, os.ErrInvalid
	}
	return os.ReadFile(path)
}
