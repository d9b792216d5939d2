package input

import (
	"bytes"
	"errors"
	"strconv"

	"fluent-bit-newterms/detector/record"
)

// Errors of lines that hold no event in a form that is read.
var (
	ErrRuby = errors.New(`this is how Fluent Bit's stdout output prints records by default, which cannot be read back since strings are not escaped; use "format json_lines" there`)
	ErrCut  = errors.New("the line is no whole JSON: it breaks off, or something follows it")
)

// Events calls fn for each event of a line. ns is the time, in nanoseconds
// since the epoch, that Fluent Bit gave the event, 0 where the line says
// none; event is a part of line. These lines are read:
//
//	{…}                          one event: an audit log, json_lines
//	[{…},{…}]                    several: Fluent Bit's format json
//	TAG: [SECONDS.NANOS, {…}]    Fluent Bit's file output
//	[SECONDS.NANOS, {…}]         the same without a tag
//	TAG: [[SECONDS, {…}], {…}]   either with metadata
//
// What is nothing of the kind is handed to fn as it is, for the reader of
// events to find the fault; an error says what is known to be unreadable.
// A blank line holds no event.
func Events(line []byte, fn func(event []byte, ns int64)) error {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return nil
	}
	if line[0] == '{' {
		fn(line, 0)
		return nil
	}
	list := line
	if line[0] != '[' {
		i := bytes.Index(line, []byte(": ["))
		if i < 0 {
			fn(line, 0)
			return nil
		}
		list = line[i+2:]
	} else if isRuby(line) {
		return ErrRuby
	}
	var parts [2][]byte // of a pair
	n, objects := 0, true
	ok := record.JSON.Each(list, func(e []byte) bool {
		if n < len(parts) {
			parts[n] = e
		}
		n++
		objects = objects && isObject(e)
		return true
	})
	if !ok {
		return ErrCut
	}
	if n == 2 && isObject(parts[1]) {
		if ns, ok := stamp(parts[0]); ok {
			fn(parts[1], ns)
			return nil
		}
	}
	if !objects || line[0] != '[' {
		fn(line, 0)
		return nil
	}
	record.JSON.Each(list, func(e []byte) bool {
		fn(e, 0)
		return true
	})
	return nil
}

func isObject(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) > 0 && b[0] == '{'
}

// isRuby tells a line such as [0] tag: [[1700000000.5, {}], {"k"=>"v"}].
func isRuby(line []byte) bool {
	i := 1
	for i < len(line) && line[i] >= '0' && line[i] <= '9' {
		i++
	}
	return i > 1 && i+2 < len(line) && line[i] == ']' && line[i+1] == ' ' && bytes.Contains(line[i:], []byte(": ["))
}

// stamp reads a time as Fluent Bit writes it: seconds with a fraction, alone
// or before the record's metadata.
func stamp(b []byte) (ns int64, ok bool) {
	b = bytes.TrimSpace(b)
	if len(b) > 0 && b[0] == '[' {
		var first []byte
		n := 0
		record.JSON.Each(b, func(e []byte) bool {
			if n == 0 {
				first = e
			}
			n++
			return true
		})
		if n != 2 || len(first) == 0 || first[0] == '[' {
			return 0, false
		}
		b = bytes.TrimSpace(first)
	}
	whole, fraction, _ := bytes.Cut(b, []byte{'.'})
	sec, err := strconv.ParseUint(string(whole), 10, 33) // up to the year 2242
	if err != nil || len(fraction) > 9 {
		return 0, false
	}
	var nanos uint64
	if len(fraction) > 0 {
		if nanos, err = strconv.ParseUint(string(fraction), 10, 32); err != nil {
			return 0, false
		}
	}
	for i := len(fraction); i < 9; i++ {
		nanos *= 10
	}
	return int64(sec)*1e9 + int64(nanos), true
}
