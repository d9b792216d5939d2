// Package input reads the files of events that commands are given: plain or
// compressed, of any length, with lines of any form that Fluent Bit, an API
// server or a cloud's export writes.
//
//	paths ─→ files ─→ decompressed bytes ─→ chunks of whole lines ─→ events
//	       expand.go     decompress.go             reader.go        line.go
//
// A Reader works ahead of its user in a goroutine of its own, by a few chunks
// of about a megabyte, so that memory stays flat whatever the size of the
// input.
package input
