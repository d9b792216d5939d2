package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"fluent-bit-newterms/test/fluentbit"
)

func TestMain(m *testing.M) { fluentbit.Main(m) }

// released is a release of what make built for this machine, as if it were for
// both architectures.
func released(t *testing.T, base string) *release {
	t.Helper()
	r := &release{version: "v1.2.3", commit: "0123abc", time: time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC), base: base, out: filepath.Join(t.TempDir(), "release")}
	built := filepath.Dir(fluentbit.Plugin)
	if err := r.make(map[string]string{"amd64": built, "arm64": built}); err != nil {
		t.Fatal(err)
	}
	return r
}

// base makes an OCI layout of two small images.
func base(t *testing.T) string {
	t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, arch := range []string{"amd64", "arm64"} {
		data, err := (&release{}).tarball([]file{{path: "fluent-bit/bin/fluent-bit", data: []byte(arch), mode: 0o755}})
		if err != nil {
			t.Fatal(err)
		}
		image, err := mutate.AppendLayers(empty.Image, static.NewLayer(data, types.OCILayer))
		if err != nil {
			t.Fatal(err)
		}
		image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(t, image)},
			Config: v1.Config{Entrypoint: []string{"/fluent-bit/bin/fluent-bit"}, Cmd: []string{"-c", "theirs"}}})
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image})
	}
	dir := t.TempDir()
	if _, err := layout.Write(dir, index); err != nil {
		t.Fatal(err)
	}
	return dir
}

func diffIDs(t *testing.T, image v1.Image) []v1.Hash {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return config.RootFS.DiffIDs
}

// TestRelease makes a release twice: the bytes are equal, and nothing is
// missing.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("packs everything twice: make test-long runs it")
	}
	b := base(t)
	first, second := released(t, b), released(t, b)
	entries, err := os.ReadDir(first.out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		a, err1 := os.ReadFile(filepath.Join(first.out, e.Name()))
		b, err2 := os.ReadFile(filepath.Join(second.out, e.Name()))
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: the second run wrote other bytes than the first (%v, %v)", e.Name(), err1, err2)
		}
	}
	if want := []string{"SHA256SUMS", "newterms-1.2.3-1.aarch64.rpm", "newterms-1.2.3-1.x86_64.rpm", "newterms-v1.2.3-linux-amd64.tar.gz",
		"newterms-v1.2.3-linux-arm64.tar.gz", "newterms-v1.2.3-oci.tar.gz", "newterms-v1.2.3.cdx.json", "newterms_1.2.3-1_amd64.deb", "newterms_1.2.3-1_arm64.deb"}; !slices.Equal(names, want) {
		t.Errorf("a release consists of %q, want %q", names, want)
	}
	checkSBOM(t, filepath.Join(first.out, "newterms-v1.2.3.cdx.json"))
	checkImage(t, filepath.Join(first.out, "newterms-v1.2.3-oci.tar.gz"))
	archive := map[string]string{}
	for name, data := range untar(t, filepath.Join(first.out, "newterms-v1.2.3-linux-amd64.tar.gz")) {
		archive[strings.TrimPrefix(name, "newterms-v1.2.3-linux-amd64/")] = string(data)
	}
	for _, name := range []string{"out_newterms.so", "newterms", "README.md", "CHANGELOG.md", "LICENSE", "THIRD_PARTY_LICENSES", "conf/plugins.conf", "conf/README.md", "completions/newterms"} {
		if archive[name] == "" {
			t.Errorf("the archive has no %s", name)
		}
	}
}

// checkSBOM wants the modules that the plugin itself says are linked in.
func checkSBOM(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(f, cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	licenses := map[string]string{}
	for _, c := range *bom.Components {
		licenses[c.Name] = (*c.Licenses)[0].License.ID
	}
	for name, want := range map[string]string{"std": "BSD-3-Clause", "github.com/BurntSushi/toml": "MIT", "github.com/fluent/fluent-bit-go": "Apache-2.0", "github.com/redis/go-redis/v9": "BSD-2-Clause"} {
		if licenses[name] != want {
			t.Errorf("the SBOM has %s under %q, want %s", name, licenses[name], want)
		}
	}
	if licenses["pgregory.net/rapid"] != "" {
		t.Error("the SBOM has a module that only tests use")
	}
}

// checkImage wants in each image what the recipe copies into it.
func checkImage(t *testing.T, path string) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range untar(t, path) {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := l.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	found, err := images(index)
	if err != nil || len(found) != 2 {
		t.Fatalf("%d images: %v", len(found), err)
	}
	recipe, err := os.ReadFile(filepath.Join(fluentbit.Root, "conf/image/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(recipe), "\nFROM fluent/")
	copies := regexp.MustCompile(`(?m)^COPY (.*) (/\S+)$`).FindAllStringSubmatch(last, -1)
	cmd := regexp.MustCompile(`(?m)^CMD (.*)$`).FindStringSubmatch(last)
	if len(copies) < 4 || cmd == nil {
		t.Fatalf("the recipe copies %d times and runs %q", len(copies), cmd)
	}
	for arch, image := range found {
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := json.Marshal(config.Config.Cmd); strings.ReplaceAll(cmd[1], ", ", ",") != string(text) || config.Config.Entrypoint[0] != "/fluent-bit/bin/fluent-bit" {
			t.Errorf("%s: it runs %q %q; the recipe has %s", arch, config.Config.Entrypoint, config.Config.Cmd, cmd[1])
		}
		layers, err := image.Layers()
		if err != nil || len(layers) != 2 {
			t.Fatalf("%s: %d layers: %v", arch, len(layers), err)
		}
		r, err := layers[1].Compressed()
		if err != nil {
			t.Fatal(err)
		}
		files := entries(t, r)
		for _, c := range copies {
			for _, from := range strings.Fields(c[1]) {
				if strings.HasPrefix(from, "--") {
					continue
				}
				to := strings.TrimPrefix(c[2], "/")
				if strings.HasSuffix(to, "/") {
					to += filepath.Base(from)
				}
				if !slices.ContainsFunc(keys(files), func(name string) bool { return name == to || strings.HasPrefix(name, to+"/") }) {
					t.Errorf("%s: the image has no /%s, which the recipe copies", arch, to)
				}
			}
		}
	}
}

func keys[V any](m map[string]V) []string { return sorted(m) }

func untar(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return entries(t, f)
}

// entries are the files of a .tar.gz, and its folders with a slash.
func entries(t *testing.T, from io.ReadCloser) map[string][]byte {
	t.Helper()
	defer from.Close()
	z, err := gzip.NewReader(from)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGlibc wants the plugins that are there to be loaded by the C library of
// the oldest image.
func TestGlibc(t *testing.T) {
	for _, arch := range []string{"", "amd64", "arm64"} {
		path := filepath.Join(fluentbit.Root, "build", arch, "out_newterms.so")
		if _, err := os.Stat(path); err != nil {
			continue // make build-ARCH has not been run
		}
		needs, err := glibcNeeded(path)
		if err != nil || later(needs, oldestGlibc) {
			t.Errorf("%s needs glibc %s, want %s at most: %v", path, needs, oldestGlibc, err)
		}
	}
	if !later("2.10", "2.9") || later("2.9", "2.34") || later("2.36", "2.36") || !later("2.2.5", "2.2") {
		t.Error("versions are compared wrongly")
	}
}

func TestPackageVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3":                "1.2.3",
		"v1.2.3-rc.1":           "1.2.3~rc.1",
		"v1.2.3-14-g0123abc":    "1.2.3+14.g0123abc",
		"v1.2.3-rc.1-2-g0123ab": "1.2.3~rc.1+2.g0123ab",
		"0123abc-dirty":         "0.0.0+g0123abc",
	} {
		if got := packageVersion(version); got != want {
			t.Errorf("%s is %s, want %s", version, got, want)
		}
	}
}

// TestLicenses wants every module that is linked in to have a licence that we
// know.
func TestLicenses(t *testing.T) {
	modules, _, err := linked([]string{fluentbit.Plugin, fluentbit.Command})
	if err != nil {
		t.Fatal(err)
	}
	all, err := licensesOf(modules)
	if err != nil {
		t.Fatal(err)
	}
	text := string(licenseText(all))
	for _, m := range all {
		if !strings.Contains(text, m.path) || len(m.texts) == 0 {
			t.Errorf("%s has no text", m.path)
		}
	}
	if identify([]byte("Do what you want.")) != "" {
		t.Error("a licence that nobody knows is known")
	}
}
