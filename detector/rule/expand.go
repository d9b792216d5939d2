package rule

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// found is a file to read. named tells a file that somebody named from one
// that a folder or a glob held.
type found struct {
	path  string
	named bool
}

// SplitList splits a comma-separated list of paths. A path that holds a comma
// and exists is one path.
func SplitList(list string) []string {
	if _, err := os.Stat(list); err == nil {
		return []string{list}
	}
	var paths []string
	for path := range strings.SplitSeq(list, ",") {
		if path = strings.TrimSpace(path); path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

// expand finds the files that spec names, each once.
func expand(spec []string) ([]found, []Problem) {
	var files []found
	var problems []Problem
	seen := map[string]bool{}
	add := func(f found) {
		key := filepath.Clean(f.path)
		if abs, err := filepath.Abs(key); err == nil {
			key = abs
		}
		if !seen[key] {
			seen[key] = true
			files = append(files, f)
		}
	}
	for _, list := range spec {
		for _, path := range SplitList(list) {
			matches, err := expandOne(path)
			if err != nil {
				problems = append(problems, *err)
			}
			for _, f := range matches {
				add(f)
			}
		}
	}
	return files, problems
}

func expandOne(path string) ([]found, *Problem) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(path, "*?["):
		return expandGlob(path)
	case err != nil:
		p := unreadable(path, err)
		return nil, &p
	case info.IsDir():
		return folder(path)
	case !info.Mode().IsRegular():
		return nil, &Problem{Position: Position{File: path}, Msg: "is neither a file nor a folder"}
	}
	return []found{{path, true}}, nil
}

func expandGlob(pattern string) ([]found, *Problem) {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return nil, &Problem{
			Position: Position{File: pattern}, Msg: "is no valid pattern",
			Hint: `a "[" must be closed by a "]"`,
		}
	}
	var files []found
	for _, path := range matches {
		info, err := os.Stat(path)
		switch {
		case passedOver(path) && !passedOver(pattern):
		case err != nil:
			p := unreadable(path, err)
			return files, &p
		case info.IsDir():
			inside, problem := folder(path)
			if files = append(files, inside...); problem != nil {
				return files, problem
			}
		case isRuleFile(path):
			files = append(files, found{path, false})
		}
	}
	if len(files) == 0 {
		return nil, &Problem{
			Position: Position{File: pattern}, Msg: "no .toml or .ndjson file fits this pattern",
		}
	}
	return files, nil
}

// folder finds the rule files in root and below it. It leaves out names that
// begin with a dot: a mounted ConfigMap keeps its versions under such names. It
// leaves out names that begin with an underscore: Elastic's repository keeps
// rules that are out of use in _deprecated, and conf/rules/_pack holds rules
// that a user chooses from.
func folder(root string) ([]found, *Problem) {
	var files []found
	// The slash makes WalkDir follow root itself where it is a link.
	err := filepath.WalkDir(root+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := passedOver(path) && filepath.Clean(path) != filepath.Clean(root)
		switch {
		case entry.IsDir() && hidden:
			return filepath.SkipDir
		case entry.IsDir() || hidden || !isRuleFile(path):
			return nil
		}
		info, err := os.Stat(path) // a link in a ConfigMap is a file all the same
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			files = append(files, found{filepath.Clean(path), false})
		}
		return nil
	})
	if err != nil {
		p := unreadable(root, err)
		return files, &p
	}
	if len(files) == 0 {
		return nil, &Problem{
			Position: Position{File: root}, Msg: "the folder holds no .toml or .ndjson file",
		}
	}
	return files, nil
}

// passedOver tells by the last name of a path whether a folder or a glob
// leaves it out.
func passedOver(path string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

// isRuleFile tells by its name whether a folder's file holds rules.
// NAME.test.toml holds the tests of NAME.toml.
func isRuleFile(path string) bool {
	path = strings.ToLower(path)
	return !strings.HasSuffix(path, ".test.toml") && slices.Contains([]string{".toml", ".ndjson"}, filepath.Ext(path))
}

// unreadable says why a file cannot be read, without the system call's name.
func unreadable(path string, err error) Problem {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		path, err = pathErr.Path, pathErr.Err
	}
	p := Problem{Position: Position{File: path}, Msg: fmt.Sprintf("cannot be read: %v", err)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Msg = "there is no such file or folder"
		p.Hint = "relative paths start at the folder that the program was started in"
	case errors.Is(err, errNoFile):
		p.Msg = "is not a regular file"
		p.Hint = "pipes and devices are not read"
	case errors.Is(err, fs.ErrPermission):
		p.Hint = "give the user that the program runs as the right to read it"
	}
	return p
}
