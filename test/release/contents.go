package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"fluent-bit-newterms/test/fluentbit"
)

// file is a file, or an empty folder, of a release.
type file struct {
	path   string // without a leading slash, and without a trailing one
	data   []byte
	mode   int64
	config bool // the administrator may change it, and an upgrade keeps the change
	dir    bool
}

// flat are the files of an archive: what was built, conf as it is in the
// project, and the documents.
func (r *release) flat(built string) ([]file, error) {
	files, err := binaries("", "", built)
	if err != nil {
		return nil, err
	}
	conf, err := folder("conf", "conf")
	if err != nil {
		return nil, err
	}
	documents, err := r.documents("")
	if err != nil {
		return nil, err
	}
	help, err := completions("completions/", "completions/", "completions/")
	if err != nil {
		return nil, err
	}
	return concat(files, conf, documents, help), nil
}

// tree are the files of a package or image. The plugin and the command are below
// prefix (/usr or /usr/local), the configuration is in /etc/newterms, and the
// state goes to /var/lib/newterms.
func (r *release) tree(prefix, built string) ([]file, error) {
	at := strings.TrimPrefix(prefix, "/")
	files, err := binaries(at+"/lib/newterms/", at+"/bin/", built)
	if err != nil {
		return nil, err
	}
	var conf []file
	for _, name := range []string{"fluent-bit.conf", "fluent-bit.yaml", "parsers.conf", "plugins.conf"} {
		text, err := os.ReadFile(filepath.Join(fluentbit.Root, "conf", name))
		if err != nil {
			return nil, err
		}
		text = bytes.ReplaceAll(text, []byte("/usr/local/lib/newterms/"), []byte(prefix+"/lib/newterms/"))
		conf = append(conf, file{path: "etc/newterms/" + name, data: text, mode: 0o644, config: true})
	}
	rules, err := folder("conf/rules", "etc/newterms/rules")
	if err != nil {
		return nil, err
	}
	for i := range rules {
		rules[i].config = true
	}
	documents, err := r.documents(at + "/share/doc/newterms/")
	if err != nil {
		return nil, err
	}
	help, err := completions(at+"/share/bash-completion/completions/", at+"/share/zsh/site-functions/", at+"/share/fish/vendor_completions.d/")
	if err != nil {
		return nil, err
	}
	state := []file{{path: "var/lib/newterms", mode: 0o755, dir: true}}
	return concat(files, conf, rules, documents, help, state), nil
}

func binaries(lib, bin, built string) ([]file, error) {
	plugin, err := os.ReadFile(filepath.Join(built, "out_newterms.so"))
	if err != nil {
		return nil, err
	}
	command, err := os.ReadFile(filepath.Join(built, "newterms"))
	if err != nil {
		return nil, err
	}
	return []file{{path: lib + "out_newterms.so", data: plugin, mode: 0o644}, {path: bin + "newterms", data: command, mode: 0o755}}, nil
}

// folder are the files below a folder of the project. The recipe of the image is
// left out: it needs the whole project.
func folder(from, to string) ([]file, error) {
	files, err := below(filepath.Join(fluentbit.Root, from), to)
	return slices.DeleteFunc(files, func(f file) bool { return strings.HasPrefix(f.path, "conf/image/") }), err
}

// below are the files below a folder, with paths below another.
func below(root, to string) (files []file, err error) {
	err = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		files = append(files, file{path: path.Join(to, filepath.ToSlash(strings.TrimPrefix(name, root+"/"))), data: data, mode: 0o644})
		return err
	})
	return files, err
}

func (r *release) documents(dir string) (files []file, err error) {
	for _, name := range []string{"README.md", "CHANGELOG.md", "LICENSE"} {
		data, err := os.ReadFile(filepath.Join(fluentbit.Root, name))
		if err != nil {
			return nil, err
		}
		files = append(files, file{path: dir + name, data: data, mode: 0o644})
	}
	return append(files, file{path: dir + "THIRD_PARTY_LICENSES", data: r.licenses, mode: 0o644}), nil
}

// completions are the shells' completions, which this machine's command prints.
func completions(bash, zsh, fish string) (files []file, err error) {
	for shell, name := range map[string]string{"bash": bash + "newterms", "zsh": zsh + "_newterms", "fish": fish + "newterms.fish"} {
		text, err := exec.Command(fluentbit.Command, "completion", shell).Output()
		if err != nil {
			return nil, err
		}
		files = append(files, file{path: name, data: text, mode: 0o644})
	}
	return files, nil
}

// concat joins lists of files, sorted by path.
func concat(lists ...[]file) []file {
	all := slices.Concat(lists...)
	slices.SortFunc(all, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return all
}

// parents are the folders that a path is in, the outermost first.
func parents(name string) (list []string) {
	for i, c := range name {
		if c == '/' {
			list = append(list, name[:i])
		}
	}
	return list
}

// compress is what write puts into an archive, by gzip.
func compress(write func(w *tar.Writer) error) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	if err := write(w); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
