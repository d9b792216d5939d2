package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"fluent-bit-newterms/test/fluentbit"
)

// module is a Go module that is linked in, or the Go toolchain.
type module struct {
	path, version, sum string
	dir                string // where its files are
	license            string // SPDX identifier
	texts              [][]byte
}

// linked returns the modules whose code is in the binaries, as the binaries
// themselves say, and the version of Go that built them.
func linked(binaries []string) (modules []*module, goVersion string, err error) {
	seen := map[string]bool{}
	for _, path := range binaries {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return nil, "", err
		}
		if goVersion != "" && goVersion != info.GoVersion {
			return nil, "", fmt.Errorf("%s was built by %s, another binary by %s: run make clean and build both by the same Go", path, info.GoVersion, goVersion)
		}
		goVersion = info.GoVersion
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			if !seen[m.Path] {
				seen[m.Path] = true
				modules = append(modules, &module{path: m.Path, version: m.Version, sum: m.Sum})
			}
		}
	}
	slices.SortFunc(modules, func(a, b *module) int { return strings.Compare(a.path, b.path) })
	return modules, goVersion, nil
}

// licensesOf reads the licences of modules, which must be in the module cache,
// and of Go itself, whose runtime and standard library are linked in too.
func licensesOf(modules []*module) ([]*module, error) {
	goroot, err := output(fluentbit.Root, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	all := []*module{{path: "std", dir: strings.TrimSpace(string(goroot))}}
	for _, m := range modules {
		text, err := output(fluentbit.Root, "go", "mod", "download", "-json", m.path+"@"+m.version)
		if err != nil {
			return nil, err
		}
		var at struct{ Dir string }
		if err := json.Unmarshal(text, &at); err != nil {
			return nil, err
		}
		m.dir = at.Dir
		all = append(all, m)
	}
	for _, m := range all {
		if err := m.read(); err != nil {
			return nil, fmt.Errorf("%s: %w", m.path, err)
		}
	}
	return all, nil
}

var licenseFile = regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)([.-].*)?$`)

// read finds the licence in a module's top folder.
func (m *module) read() error {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() || !licenseFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.dir, e.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, text)
		if m.license == "" {
			m.license = identify(text)
		}
	}
	if m.license == "" {
		return fmt.Errorf("no licence that we know in %s: look at it, and add it to identify in licenses.go", m.dir)
	}
	return nil
}

// identify returns the SPDX identifier of a licence's text, "" if it is none of
// those that a binary may carry along with its text.
func identify(text []byte) string {
	words := strings.Join(strings.Fields(string(text)), " ")
	has := func(s string) bool { return strings.Contains(words, s) }
	switch {
	case has("Apache License Version 2.0"):
		return "Apache-2.0"
	case has("Mozilla Public License Version 2.0") || has("Mozilla Public License, version 2.0"):
		return "MPL-2.0"
	case has("Permission is hereby granted, free of charge, to any person obtaining a copy"):
		return "MIT"
	case has("Permission to use, copy, modify, and/or distribute this software for any purpose"):
		return "ISC"
	case has("Redistribution and use in source and binary forms") && (has("Neither the name") || has("nor the names")):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	}
	return ""
}

// licenseText is the file THIRD_PARTY_LICENSES.
func licenseText(modules []*module) []byte {
	var b bytes.Buffer
	b.WriteString("What is linked into out_newterms.so and newterms, and the licences of that.\n\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "%-14s %s\n", m.license, strings.TrimSpace(m.path+" "+m.version))
	}
	for _, m := range modules {
		fmt.Fprintf(&b, "\n%s\n%s\n", strings.Repeat("=", 80), strings.TrimSpace(m.path+" "+m.version))
		for _, text := range m.texts {
			fmt.Fprintf(&b, "\n%s\n", bytes.TrimSpace(text))
		}
	}
	return b.Bytes()
}

// output runs a command in a folder.
func output(dir, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return out, nil
}
