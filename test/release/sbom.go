package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// sbom returns the software bill of materials in CycloneDX's JSON: the modules
// that are linked in, with their versions, hashes and licences.
func (r *release) sbom(modules []*module, goVersion string) ([]byte, error) {
	us := &cdx.Component{BOMRef: "newterms", Type: cdx.ComponentTypeApplication, Name: "newterms", Version: r.version,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}}
	var list []cdx.Component
	var refs []string
	for _, m := range modules {
		version := m.version
		if m.path == "std" {
			version = strings.TrimPrefix(goVersion, "go")
		}
		c := cdx.Component{Type: cdx.ComponentTypeLibrary, Name: m.path, Version: version,
			PackageURL: "pkg:golang/" + m.path + "@" + version, Licenses: &cdx.Licenses{{License: &cdx.License{ID: m.license}}}}
		c.BOMRef = c.PackageURL
		if hash, ok := strings.CutPrefix(m.sum, "h1:"); ok {
			sum, err := base64.StdEncoding.DecodeString(hash)
			if err != nil {
				return nil, fmt.Errorf("%s: the sum %s: %w", m.path, m.sum, err)
			}
			c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
		}
		list, refs = append(list, c), append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: r.time.Format(time.RFC3339), Component: us}
	bom.Components = &list
	bom.Dependencies = &[]cdx.Dependency{{Ref: us.BOMRef, Dependencies: &refs}}
	var b bytes.Buffer
	err := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
	return b.Bytes(), err
}
