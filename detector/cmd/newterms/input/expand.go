package input

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Stdin is the path that stands for the standard input.
const Stdin = "-"

// Expand replaces folders by the files in and below them, by name, hidden
// ones left out, and makes sure that all files are there. No paths at all
// mean the standard input. size is the length of the files together, -1 if
// one of them has none.
func Expand(paths []string) (files []string, size int64, err error) {
	if len(paths) == 0 {
		return []string{Stdin}, -1, nil
	}
	add := func(path string, info fs.FileInfo) {
		files = append(files, path)
		if !info.Mode().IsRegular() {
			size = -1
		} else if size >= 0 {
			size += info.Size()
		}
	}
	for _, path := range paths {
		if path == Stdin {
			files, size = append(files, path), -1
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", path, unnamed(err))
		}
		if !info.IsDir() {
			add(path, info)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case name != path && strings.HasPrefix(d.Name(), "."):
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			case d.IsDir():
				return nil
			}
			info, err := os.Stat(name) // through a symbolic link
			if err != nil {
				return err
			}
			if info.Mode().IsRegular() {
				add(name, info)
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		if len(files) == before {
			return nil, 0, fmt.Errorf("%s: the folder holds no files", path)
		}
	}
	return files, size, nil
}
