package main

// #include "shell.h"
import "C"

import (
	"unsafe"

	"fluent-bit-newterms/detector"
)

// findName returns who the instance is. Fluent Bit's own function knows the
// shown name, where the program exports it; the numbered name behind an alias
// is in the instance only.
func findName(p *C.struct_nt_plugin, k kind) instanceName {
	in := memoryOf(p)
	plugin := C.GoString(p.name)
	name := in.name(plugin)
	shown := C.GoString(C.nt_instance_name(C.int(k), p.instance))
	switch {
	case name.instance == "" && shown == "":
		name.instance = plugin
	case name.instance == "":
		name.instance = shown
	case shown != "" && shown != name.instance:
		name.alias = shown
	}
	return name
}

// findOutput returns what the output matches.
func findOutput(p *C.struct_nt_plugin) matchRule {
	in := memoryOf(p)
	return in.match()
}

// findInput returns the input's Tag, "" if it is unknown.
func findInput(p *C.struct_nt_plugin) string {
	in := memoryOf(p)
	return in.tag()
}

// findProperties returns the instance's properties. It warns of those that
// nobody reads.
func findProperties(p *C.struct_nt_plugin, h *host, known []string, first func(key string) string) (propertyValues, error) {
	v := propertyValues{first, readProperties(ownMemory, address(p.instance), known)}
	warnings, err := v.check(known)
	for _, w := range warnings {
		h.Log(detector.LevelWarn, w)
	}
	return v, err
}

func memoryOf(p *C.struct_nt_plugin) instanceMemory {
	return readInstance(ownMemory, address(p.instance), address(p.context))
}

func address(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }
