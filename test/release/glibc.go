package main

import (
	"debug/elf"
	"errors"
	"strconv"
	"strings"
)

// oldestGlibc is the C library's version in the oldest image of Fluent Bit that
// we support, which is built on Debian 12.
const oldestGlibc = "2.36"

// glibcNeeded returns the newest version of the C library that a shared object
// needs. An older C library refuses to load it.
func glibcNeeded(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	needs, err := f.DynamicVersionNeeds()
	if err != nil {
		return "", err
	}
	newest := ""
	for _, library := range needs {
		for _, need := range library.Needs {
			if version, ok := strings.CutPrefix(need.Dep, "GLIBC_"); ok && (newest == "" || later(version, newest)) {
				newest = version
			}
		}
	}
	if newest == "" {
		return "", errors.New("it needs no version of glibc: it is no plugin that was built with cgo")
	}
	return newest, nil
}

// later compares versions such as 2.9 and 2.34.
func later(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return m > n
		}
	}
	return len(x) > len(y)
}
