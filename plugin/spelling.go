package main

// #include "shell.h"
import "C"

import (
	"fmt"
)

// checkSpelling returns an error that names the first property that is set
// and looks like a misspelling of one of known.
func checkSpelling(p *C.struct_nt_plugin, k kind, known []string) error {
	m := nearMissesOf(known)
	size := C.size_t(len(m.names))
	found := C.nt_find_property(C.int(k), p.api, p.instance, chars(m.names), size, 0)
	if found == size {
		return nil
	}
	name, meant := m.at(int(found))
	return fmt.Errorf("unknown property %q; did you mean %q?", name, meant)
}
