// Package input reads the files of events that commands are given: plain or
// compressed, of any length, in the forms that Fluent Bit, an API server, a
// container runtime, a log store's export or a cloud's command line writes.
//
//	paths ─→ files ─→ decompressed bytes ─→ chunks of values ─→ events
//	       expand.go     decompress.go         reader.go         line.go
//	                                           frame.go          container.go
//
// A value is a line, or a JSON object over several lines. A Reader works ahead
// of its user in a goroutine of its own, by a few chunks of about a megabyte,
// so that memory stays flat whatever the size of the input.
package input
