package input

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Stdin is the path that stands for the standard input.
const Stdin = "-"

// Files are the files to read.
type Files struct {
	Paths []string
	Size  int64    // of the files together, -1 if one of them has none
	Notes []string // what a user should know
}

func (f *Files) add(path string, info fs.FileInfo) {
	f.Paths = append(f.Paths, path)
	if info == nil || !info.Mode().IsRegular() {
		f.Size = -1
	} else if f.Size >= 0 {
		f.Size += info.Size()
	}
}

// Expand replaces folders by the files in and below them, by name, hidden
// ones left out, and makes sure that all paths are there. No paths at all mean
// the standard input. What cannot be opened in a folder is in the list all the
// same: its reading will fail, and that of the others will not.
func Expand(paths []string) (*Files, error) {
	f := &Files{}
	if len(paths) == 0 {
		paths = []string{Stdin}
	}
	for _, path := range paths {
		if path == Stdin {
			f.add(path, nil)
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, unnamed(err))
		}
		if !info.IsDir() {
			f.add(path, info)
			continue
		}
		before := len(f.Paths)
		f.folder(path)
		if len(f.Paths) == before {
			return nil, fmt.Errorf("%s: the folder holds no files", path)
		}
	}
	return f, nil
}

func (f *Files) folder(path string) {
	// The function returns no error, so WalkDir returns none.
	_ = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			f.add(name, nil)
			return nil
		case name != path && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		info, err := os.Stat(name) // through a symbolic link
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.Notes = append(f.Notes, name+": passed over: the link leads nowhere")
		case err != nil:
			f.add(name, nil)
		case info.Mode().IsRegular():
			f.add(name, info)
		}
		return nil
	})
}
