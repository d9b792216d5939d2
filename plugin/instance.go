package main

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fluent Bit keeps an instance's Match and Tag from plugins: they are not
// among the properties, and the instance's structure is no part of the
// interface. The detector wants them all the same, to refuse a configuration
// that would feed its alerts back to itself. So they are looked for in the
// instance's memory, on these terms: every byte is read through the kernel,
// nothing is taken on trust, and what does not validate in full is unknown.
//
// The anchor is the instance's pointer to its context, which the plugin is
// given too. What follows it, from 3.0 to 5.1 (flb_output.h, flb_input.h):
//
//	output:  void *context; int retry_limit, [retry_limit_is_set,] use_tls;
//	         char *match; struct flb_regex *match_regex;
//	input:   void *context; int ch_events[2]; struct flb_input_plugin *p;
//	         char *tag; int tag_len, tag_default;
//
// match and tag are flb_sds strings: uint64 length and uint64 capacity lie
// right before the text, a NUL right after it. Before the anchor is
//
//	char name[32]; char *alias;

const (
	instanceBytes = 1024 // the anchor is within the first 300 so far
	wordBytes     = 8
	nameBytes     = 32
	maxText       = 4096 // no Match or Tag is longer
	minPointer    = 0x10000
	maxPointer    = 1 << 56
)

// instanceName is who an instance is.
type instanceName struct {
	instance string // newterms.0
	alias    string // what the user calls it, "" if nothing
}

// shown returns the name that core shows: the alias, or else the number.
func (n instanceName) shown() string {
	if n.alias != "" {
		return n.alias
	}
	return n.instance
}

// matchRule is what an output matches. Both are zero when it is unknown.
type matchRule struct {
	text  string // Match
	regex bool   // there is no Match, but a Match_Regex, whose text core drops
}

// instanceMemory is a copy of the first bytes of an instance's structure.
type instanceMemory struct {
	read   memory
	bytes  []byte
	anchor int // the index of the word that holds the context, -1 if none does
}

func readInstance(read memory, instance, context uint64) instanceMemory {
	in := instanceMemory{read: read, anchor: -1}
	buf := make([]byte, instanceBytes)
	in.bytes = buf[:read(instance, buf)]
	for i := range len(in.bytes) / wordBytes {
		if context != 0 && in.word(i) == context {
			in.anchor = i
			break
		}
	}
	return in
}

// word returns the word at index i, 0 beyond what could be read.
func (in *instanceMemory) word(i int) uint64 {
	if i < 0 || (i+1)*wordBytes > len(in.bytes) {
		return 0
	}
	return binary.NativeEndian.Uint64(in.bytes[i*wordBytes:])
}

// match returns the output's Match. The first pointer within four words of
// the anchor decides: a text is the Match, anything else would be the
// Match_Regex of an output without Match. The integers before it can look
// like a pointer (a retry limit of -1 does), but point to nothing.
func (in *instanceMemory) match() matchRule {
	if in.anchor < 0 {
		return matchRule{}
	}
	for i := in.anchor + 1; i <= in.anchor+4; i++ {
		w := in.word(i)
		if !in.readable(w) {
			continue
		}
		if text := in.text(w); text != "" {
			return matchRule{text: text}
		}
		return matchRule{regex: in.word(i-1) == 0 && in.regexLike(w)}
	}
	return matchRule{}
}

// tag returns the input's Tag. It must be followed by its own length.
func (in *instanceMemory) tag() string {
	if in.anchor < 0 {
		return ""
	}
	for i := in.anchor + 2; i <= in.anchor+5; i++ {
		if text := in.text(in.word(i)); text != "" &&
			uint32(in.word(i+1)) == uint32(len(text)) {
			return text
		}
	}
	return ""
}

// name returns the numbered name of an instance of plugin, and its alias.
func (in *instanceMemory) name(plugin string) instanceName {
	for at := 0; at+nameBytes <= in.anchor*wordBytes; at += 4 {
		name, _, ended := strings.Cut(string(in.bytes[at:at+nameBytes]), "\x00")
		number, ok := strings.CutPrefix(name, plugin+".")
		if !ended || !ok || number == "" || strings.Trim(number, "0123456789") != "" {
			continue
		}
		after := (at + nameBytes + wordBytes - 1) / wordBytes
		return instanceName{name, in.text(in.word(after))}
	}
	return instanceName{}
}

// text returns the string at p, "" unless it is an flb_sds in every respect.
func (in *instanceMemory) text(p uint64) string {
	if !pointerLike(p) {
		return ""
	}
	header := make([]byte, 2*wordBytes)
	if in.read(p-uint64(len(header)), header) != len(header) {
		return ""
	}
	size := binary.NativeEndian.Uint64(header)
	room := binary.NativeEndian.Uint64(header[wordBytes:])
	if size == 0 || size > maxText || room < size || room > 2*maxText {
		return ""
	}
	buf := make([]byte, size+1)
	if in.read(p, buf) != len(buf) || buf[size] != 0 || !printable(buf[:size]) {
		return ""
	}
	return string(buf[:size])
}

// regexLike tells whether p can be a struct flb_regex: a pointer to a pointer.
func (in *instanceMemory) regexLike(p uint64) bool {
	var first [wordBytes]byte
	if !pointerLike(p) || p%wordBytes != 0 || in.read(p, first[:]) != wordBytes {
		return false
	}
	q := binary.NativeEndian.Uint64(first[:])
	return q%wordBytes == 0 && in.readable(q)
}

func (in *instanceMemory) readable(p uint64) bool {
	var first [1]byte
	return pointerLike(p) && in.read(p, first[:]) == len(first)
}

func pointerLike(w uint64) bool { return w >= minPointer && w < maxPointer }

// printable tells whether b is text that somebody may have typed.
func printable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
