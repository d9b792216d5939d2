package rule

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/kql"
)

// valueListTypes are the types of value lists that Kibana knows and that a
// text file can hold. Those of the first row are compared as addresses, the
// others as exact values.
var (
	addressListTypes = []string{"ip", "ip_range"}
	keywordListTypes = []string{
		"keyword", "text", "boolean", "byte", "short", "integer", "long", "double", "float", "half_float",
	}
)

// valueLists finds the value lists that exceptions name: ID.txt, or ID where
// the id is a file name already (Kibana's default for uploads), one value a
// line. Each list is read once, however many exceptions name it.
type valueLists struct {
	dirs   []string
	loaded map[string]*kql.List // by type and path
}

// valueLists returns the finder for the lists that file names.
func (l *loader) valueLists(file string) valueLists {
	if l.loadedLists == nil {
		l.loadedLists = map[string]*kql.List{}
	}
	dir := filepath.Dir(file)
	return valueLists{
		dirs:   slices.Concat([]string{dir, filepath.Join(dir, "lists")}, l.opts.Lists),
		loaded: l.loadedLists,
	}
}

// entry returns the list of an entry of type list, nil after it said what is
// wrong with it.
func (ls valueLists) entry(t table) *kql.List {
	ref, ok := t.sub("list")
	if !ok {
		if !t.has("list") {
			t.missing("list", `list = { id = "ips", type = "ip" }`)
		}
		return nil
	}
	id := ref.str("id")
	kind := ref.oneOf("type", slices.Concat(keywordListTypes, addressListTypes)...)
	ref.unknown()
	switch {
	case id == "":
		ref.missing("id", "")
		return nil
	case id != filepath.Base(id) || strings.HasPrefix(id, ".") || strings.ContainsAny(id, `/\`):
		ref.fail(ref.at("id"), "", "%q is no name of a value list; it must not hold slashes nor begin with a dot", shorten(id))
		return nil
	}
	for _, dir := range ls.dirs {
		for _, name := range []string{id + ".txt", id} {
			path := filepath.Join(dir, name)
			key := kind + "\n" + path
			if list, ok := ls.loaded[key]; ok {
				return list
			}
			data, err := readFile(path)
			switch {
			case err == nil:
				list := readValueList(ref, id, kind, path, string(data))
				ls.loaded[key] = list
				return list
			case !errors.Is(err, fs.ErrNotExist):
				ref.errs = append(ref.errs, unreadable(path, err))
				return nil
			}
		}
	}
	ref.warn(ref.at("id"), "put its values, one a line, into "+filepath.Join(ls.dirs[0], id+".txt"),
		"the value list %q is missing, so this exception is not in force", id)
	return nil
}

// readValueList reads a list of one value a line. Empty lines are passed
// over; so are, in lists of addresses, comments after a #.
func readValueList(ref table, id, kind, path, text string) *kql.List {
	addresses := slices.Contains(addressListTypes, kind)
	var values []string
	var lines []int
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\uFEFF")) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if addresses {
			line, _, _ = strings.Cut(line, "#")
		}
		if line = strings.TrimSpace(line); line != "" {
			values = append(values, line)
			lines = append(lines, number)
		}
	}
	if !addresses {
		return kql.NewKeywordList(id, values)
	}
	list, err := kql.NewIPList(id, values)
	if err == nil {
		return list
	}
	for i, v := range values {
		if _, err := kql.NewIPList(id, []string{v}); err != nil {
			ref.failAt(Position{File: path, Line: lines[i], Column: 1}, "",
				"write an address, a block such as 10.0.0.0/8, or a range such as 10.0.0.1-10.0.0.9",
				"%q is no IP address, block or range", shorten(v))
		}
	}
	return nil
}
