package main

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the format
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers the format
)

// pack writes an architecture's package; format is deb or rpm.
func (r *release) pack(format, arch string, tree []file) error {
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	// nfpm reads what it packs from files.
	stage, err := os.MkdirTemp("", "newterms-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "newterms", Arch: arch, Platform: "linux", Version: packageVersion(r.version), VersionSchema: "none", Release: "1",
		Section: "admin", Priority: "optional", Maintainer: "The newterms authors", License: "Apache-2.0", MTime: r.time, DisableGlobbing: true,
		Description: "First-seen detection inside Fluent Bit.\nA plugin for Fluent Bit that runs Elastic's new_terms rules on the records of a pipeline, and a command that tries rules on logs.",
	})
	info.Deb.Compression, info.RPM.Compression, info.RPM.BuildHost = "gzip", "gzip", "localhost"
	info.RPM.Summary = "First-seen detection inside Fluent Bit"
	if format == "deb" {
		info.Depends = []string{"libc6 (>= " + r.glibc + ")"}
	} else {
		info.Depends = []string{"glibc >= " + r.glibc}
	}
	for _, f := range tree {
		c := &files.Content{Destination: "/" + f.path, FileInfo: &files.ContentFileInfo{Mode: os.FileMode(f.mode), MTime: r.time, Owner: "root", Group: "root"}}
		switch {
		case f.dir:
			c.Type = files.TypeDir
		case f.config:
			c.Type = files.TypeConfigNoReplace
		}
		if !f.dir {
			c.Source = filepath.Join(stage, filepath.FromSlash(f.path))
			if err := os.MkdirAll(filepath.Dir(c.Source), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(c.Source, f.data, os.FileMode(f.mode)); err != nil {
				return err
			}
		}
		info.Contents = append(info.Contents, c)
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := packager.Package(info, &b); err != nil {
		return err
	}
	return r.write(packager.ConventionalFileName(info), b.Bytes())
}
