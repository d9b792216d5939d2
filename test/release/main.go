// Command release makes what a release consists of from what make build-amd64
// and make build-arm64 have built: archives, .deb and .rpm packages, an SBOM,
// the licences of what is linked in, an image, and checksums. The same commit
// gives the same bytes, whenever and wherever it is built by the same Go.
//
//	go -C test/release run . -version v1.2.3 -commit HASH -time UNIX [-base LAYOUT]
//
// It is a module of its own, so that its modules, and those of the tools that
// make lint runs, stay out of the main go.mod.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fluent-bit-newterms/test/fluentbit"
)

// release is one release.
type release struct {
	version string    // as git describe has it: v1.2.3, or v1.2.3-4-g0123abc
	commit  string    // the whole hash
	time    time.Time // of the commit; every file has it
	base    string    // folder of the OCI layout that the image is built on, "" for no image
	out     string    // the folder that is written

	glibc    string // the C library's version that every plugin needs
	licenses []byte // the text for THIRD_PARTY_LICENSES
}

func main() {
	r := &release{}
	flag.StringVar(&r.version, "version", "", "what git describe says")
	flag.StringVar(&r.commit, "commit", "", "the commit's hash")
	seconds := flag.Int64("time", 0, "the commit's time in seconds since 1970")
	flag.StringVar(&r.base, "base", "", "the folder of an OCI layout of Fluent Bit's image; without it no image is made")
	flag.StringVar(&r.out, "out", filepath.Join(fluentbit.Root, "build", "release"), "the folder to write")
	flag.Parse()
	r.time = time.Unix(*seconds, 0).UTC()
	if err := r.make(map[string]string{
		"amd64": filepath.Join(fluentbit.Root, "build", "amd64"),
		"arm64": filepath.Join(fluentbit.Root, "build", "arm64"),
	}); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// make writes everything. built has the folder of each architecture's
// out_newterms.so and newterms.
func (r *release) make(built map[string]string) error {
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	if err := r.describe(built); err != nil {
		return err
	}
	trees := map[string][]file{}
	for _, arch := range sorted(built) {
		if err := r.archive(arch, built[arch]); err != nil {
			return err
		}
		for _, format := range []string{"deb", "rpm"} {
			tree, err := r.tree("/usr", built[arch])
			if err != nil {
				return err
			}
			if err := r.pack(format, arch, tree); err != nil {
				return err
			}
		}
		tree, err := r.tree("/usr/local", built[arch])
		if err != nil {
			return err
		}
		trees[arch] = tree
	}
	if r.base != "" {
		if err := r.image(trees); err != nil {
			return err
		}
	} else {
		fmt.Println("no image: make release BASE=FOLDER builds one on the OCI layout in FOLDER")
	}
	return r.checksums()
}

// describe writes the SBOM and the licences, and checks the C library's version.
func (r *release) describe(built map[string]string) error {
	var binaries []string
	for _, arch := range sorted(built) {
		plugin := filepath.Join(built[arch], "out_newterms.so")
		needs, err := glibcNeeded(plugin)
		if err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
		if later(needs, oldestGlibc) {
			return fmt.Errorf("%s needs glibc %s, newer than %s, which the oldest image of Fluent Bit has: build it with an older C library", plugin, needs, oldestGlibc)
		}
		if r.glibc == "" || later(needs, r.glibc) {
			r.glibc = needs
		}
		binaries = append(binaries, plugin, filepath.Join(built[arch], "newterms"))
	}
	modules, goVersion, err := linked(binaries)
	if err != nil {
		return err
	}
	texts, err := licensesOf(modules)
	if err != nil {
		return err
	}
	r.licenses = licenseText(texts)
	sbom, err := r.sbom(texts, goVersion)
	if err != nil {
		return err
	}
	return r.write("newterms-"+r.version+".cdx.json", sbom)
}

// archive writes an architecture's .tar.gz.
func (r *release) archive(arch, built string) error {
	name := "newterms-" + r.version + "-linux-" + arch
	files, err := r.flat(built)
	if err != nil {
		return err
	}
	for i := range files {
		files[i].path = name + "/" + files[i].path
	}
	data, err := r.tarball(files)
	if err != nil {
		return err
	}
	return r.write(name+".tar.gz", data)
}

// checksums writes SHA256SUMS, as sha256sum -c reads it.
func (r *release) checksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var sums bytes.Buffer
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return r.write("SHA256SUMS", sums.Bytes())
}

// write writes a file of the release and says so.
func (r *release) write(name string, data []byte) error {
	fmt.Printf("%9d %s\n", len(data), name)
	return os.WriteFile(filepath.Join(r.out, name), data, 0o644)
}

// packageVersion is a version as dpkg and rpm order it: what comes after a tag
// is newer than the tag (1.2.3+4.g0123abc), a release candidate is older
// (1.2.3~rc.1).
func packageVersion(version string) string {
	version, tagged := strings.CutPrefix(version, "v")
	version = strings.TrimSuffix(version, "-dirty")
	if !tagged {
		return "0.0.0+g" + version
	}
	parts := strings.Split(version, "-")
	after := ""
	if n := len(parts); n >= 3 && strings.HasPrefix(parts[n-1], "g") {
		after, parts = "+"+parts[n-2]+"."+parts[n-1], parts[:n-2]
	}
	return strings.Join(parts, "~") + after
}

// tarball is a compressed archive of files, with nothing in it that depends on
// who made it.
func (r *release) tarball(files []file) ([]byte, error) {
	return compress(func(w *tar.Writer) error {
		made := map[string]bool{}
		for _, f := range files {
			for _, dir := range parents(f.path) {
				if !made[dir] {
					made[dir] = true
					if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: r.time, Format: tar.FormatPAX}); err != nil {
						return err
					}
				}
			}
			if f.dir {
				continue
			}
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.data)), ModTime: r.time, Format: tar.FormatPAX}); err != nil {
				return err
			}
			if _, err := w.Write(f.data); err != nil {
				return err
			}
		}
		return nil
	})
}
