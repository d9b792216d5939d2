package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// image writes an OCI archive with an image per architecture: the base's, with
// one more layer. conf/image/Dockerfile makes the same by a container engine.
func (r *release) image(trees map[string][]file) error {
	base, err := layout.FromPath(r.base)
	if err != nil {
		return fmt.Errorf("the base image: %w", err)
	}
	index, err := base.ImageIndex()
	if err != nil {
		return fmt.Errorf("the base image: %w", err)
	}
	bases, err := images(index)
	if err != nil {
		return fmt.Errorf("the base image: %w", err)
	}
	var result v1.ImageIndex = empty.Index
	for _, arch := range sorted(trees) {
		if bases[arch] == nil {
			return fmt.Errorf("the base image in %s is not for linux/%s; it is for %s", r.base, arch, strings.Join(sorted(bases), ", "))
		}
		image, err := r.extend(bases[arch], trees[arch])
		if err != nil {
			return err
		}
		result = mutate.AppendManifests(result, mutate.IndexAddendum{Add: image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	dir, err := os.MkdirTemp("", "newterms-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := layout.Write(dir, result); err != nil {
		return err
	}
	files, err := below(dir, "")
	if err != nil {
		return err
	}
	data, err := r.tarball(files)
	if err != nil {
		return err
	}
	return r.write("newterms-"+r.version+"-oci.tar.gz", data)
}

// images are the Linux images of an index by architecture.
func images(index v1.ImageIndex) (map[string]v1.Image, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	found := map[string]v1.Image{}
	for _, d := range manifest.Manifests {
		if d.MediaType.IsIndex() {
			inner, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			more, err := images(inner)
			if err != nil {
				return nil, err
			}
			for arch, image := range more {
				found[arch] = image
			}
		}
		if !d.MediaType.IsImage() {
			continue
		}
		image, err := index.Image(d.Digest)
		if err != nil {
			return nil, err
		}
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		if config.OS == "linux" { // others are attestations
			found[config.Architecture] = image
		}
	}
	return found, nil
}

// extend adds a layer with files to an image and has it run our configuration.
func (r *release) extend(image v1.Image, files []file) (v1.Image, error) {
	data, err := r.tarball(files)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: r.time}
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: created, CreatedBy: "make release", Comment: "newterms " + r.version}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created = created
	config.Config.Cmd = []string{"-c", "/etc/newterms/fluent-bit.conf"}
	if config.Config.Labels == nil {
		config.Config.Labels = map[string]string{}
	}
	for name, value := range map[string]string{"title": "newterms", "version": r.version, "revision": r.commit, "licenses": "Apache-2.0",
		"description": "Fluent Bit with newterms: first-seen detection"} {
		config.Config.Labels["org.opencontainers.image."+name] = value
	}
	return mutate.ConfigFile(image, config)
}

// sorted are the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
