package detector

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// watch notices that files of rules or exceptions, or databases of addresses, have
// changed. It looks at
// them, rather than waiting to be told: that works on every file system, and
// with a Kubernetes ConfigMap, whose files are links to a folder that is
// swapped behind them.
//
// A file has changed when its size, time or identity has. Value lists lie
// beside the rules that name them, or in a folder "lists" there, so these are
// looked at too.
type watch struct {
	specs  []string
	taken  uint64 // what was there when the rules were read
	before uint64 // at the last look
}

// maxWatched bounds the files that are looked at: somebody may name a folder
// with much else in it.
const maxWatched = 10_000

func newWatch(specs ...[]string) *watch {
	w := &watch{specs: slices.Concat(specs...)}
	w.taken = w.digest()
	w.before = w.taken
	return w
}

// changed looks at the files, and tells whether they are others than those
// that were read, and the same as at the look before. They then count as read.
func (w *watch) changed() bool {
	now := w.digest()
	settled := now == w.before
	w.before = now
	if now == w.taken || !settled {
		return false
	}
	w.taken = now
	return true
}

// digest sums up what the files are.
func (w *watch) digest() uint64 {
	seen := make(map[string]string)
	for _, spec := range w.specs {
		paths, _ := filepath.Glob(spec) // a bad pattern is no file: loading says so
		if len(paths) == 0 {
			paths = []string{spec}
		}
		for _, path := range paths {
			w.path(path, seen)
		}
	}
	h := fnv.New64a()
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(h, "%d:%s%s", len(name), name, seen[name])
	}
	return h.Sum64()
}

func (w *watch) path(path string, seen map[string]string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		seen[path] = "gone"
	case info.IsDir():
		w.tree(path, seen)
	default:
		seen[path] = identity(info)
		w.folder(filepath.Dir(path), seen)
		w.folder(filepath.Join(filepath.Dir(path), "lists"), seen)
	}
}

// folder looks at the files of one folder: value lists among them.
func (w *watch) folder(dir string, seen map[string]string) {
	if _, done := seen[dir]; done {
		return
	}
	seen[dir] = "folder"
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		w.file(filepath.Join(dir, e.Name()), seen)
	}
}

// tree looks at all files below a folder. It follows links to files, and of
// links to folders only the root's own, as loading does.
func (w *watch) tree(root string, seen map[string]string) {
	if real, err := filepath.EvalSymlinks(root); err == nil {
		seen[root] = real
		root = real
	}
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case len(seen) > maxWatched:
			return filepath.SkipAll
		case err != nil:
			seen[path] = "unreadable"
			return nil
		case e.IsDir():
			return nil
		}
		w.file(path, seen)
		return nil
	})
}

// watched are the extensions of what is looked at, besides all that is in a
// folder "lists". Something else in a folder, such as a log, may never be still.
var watched = []string{".toml", ".ndjson", ".txt", ".csv"}

func (w *watch) file(path string, seen map[string]string) {
	if len(seen) > maxWatched ||
		filepath.Base(filepath.Dir(path)) != "lists" && !slices.Contains(watched, strings.ToLower(filepath.Ext(path))) {
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		seen[path] = "gone"
		return
	}
	if info.Mode().IsRegular() {
		seen[path] = identity(info)
	}
}

// identity tells a file from what it was before.
func identity(info fs.FileInfo) string {
	inode := uint64(0)
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = sys.Ino
	}
	return fmt.Sprintf("%d %d %d", inode, info.Size(), info.ModTime().UnixNano())
}
