// Command plugin is out_newterms.so: the shell that lets Fluent Bit load
// package detector. It is built with
//
//	go build -buildmode=c-shared -o build/out_newterms.so ./plugin
//
// and listed twice under [PLUGINS], which registers the output newterms and
// the input newterms_alerts.
//
// There are no decisions in it. Every callback recovers, finds its instance,
// calls the detector and maps the answer to a code:
//
//	FLBPluginPreRegister, FLBPluginRegister        register.go
//	FLBPluginInit                                  init.go
//	FLBPluginFlushCtx  → worker.c  → newtermsFlush output.go
//	FLBPluginExitCtx                               output.go
//	FLBPluginInputCallback, …Cleanup, FLBPluginExit input.go
//
// The rest is what Fluent Bit's Go interface does not offer by itself: log
// lines that honour the instance's level (log.go), metrics (metrics.go), the
// instance's Match and Tag (instance.go), and a word on misspelt properties
// (misspelt.go), and all values of a property (properties.go).
package main

// main is never run: a shared object has no entry, but the build wants one.
func main() {}
