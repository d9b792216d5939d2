package main

import "C"

import (
	"unsafe"

	"github.com/fluent/fluent-bit-go/input"
	"github.com/fluent/fluent-bit-go/output"

	"fluent-bit-newterms/detector"
)

// The globals of the object outlive hot reloads.
var (
	registrations turns
	// registry introduces the instances to each other.
	registry detector.Registry
)

// FLBPluginRegister names the plugin. It must not fail: core goes on to use a
// definition that it has freed when the answer is -1.
//
//export FLBPluginRegister
func FLBPluginRegister(def unsafe.Pointer) C.int {
	if registrations.take() == outputKind {
		return C.int(output.FLBPluginRegister(def, outputName,
			"Alerts when a rule's terms are seen for the first time"))
	}
	return C.int(input.FLBPluginRegister(def, inputName,
		"Passes the alerts of the newterms outputs along as records"))
}

// FLBPluginUnregister frees what FLBPluginRegister allocated. The definition
// has the same layout for both kinds.
//
//export FLBPluginUnregister
func FLBPluginUnregister(def unsafe.Pointer) {
	registrations.end()
	output.FLBPluginUnregister(def)
}
