package input

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/record"
)

// Errors of lines that hold no event in a form that is read.
var (
	ErrCSV = errors.New(`this is Fluent Bit's csv form, which leaves the names of fields out; use "format plain" there`)
	ErrCut = errors.New("the line is no whole JSON: it breaks off, or something follows it")
)

// Events calls fn for each event of a line. ns is the time, in nanoseconds
// since the epoch, that Fluent Bit gave the event, 0 where the line says
// none; event is a part of line, or memory of its own. These lines are read:
//
//	{…}                          one event: an audit log, json_lines
//	[{…},{…}]                    several: Fluent Bit's format json
//	TAG: [SECONDS.NANOS, {…}]    Fluent Bit's file output
//	[SECONDS.NANOS, {…}]         the same without a tag
//	TAG: [[SECONDS, {…}], {…}]   either with metadata
//	{…}{…}                       several: Fluent Bit's format json_stream
//
// and those of ReadsUnescaped.
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
		return objects(line, fn)
	}
	list := line
	switch {
	case isLTSV(line):
		event, time, err := ltsvEvent(line)
		if err == nil {
			ns, _ := stamp(time) // without one the event has its own
			fn(event, ns)
		}
		return err
	case isRuby(line):
		var err error
		if list, err = rubyEvent(line); err != nil {
			return err
		}
	case line[0] != '[':
		i := bytes.Index(line, []byte(": ["))
		if i < 0 {
			if isCSV(line) {
				return ErrCSV
			}
			fn(line, 0)
			return nil
		}
		list = line[i+2:]
	}
	var parts [2][]byte // of a pair
	n, all := 0, true
	ok := record.JSON.Each(list, func(e []byte) bool {
		if n < len(parts) {
			parts[n] = e
		}
		n++
		all = all && isObject(e)
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
	if !all || line[0] != '[' {
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

// objects calls fn for each of the objects that a line holds with nothing in
// between.
func objects(line []byte, fn func(event []byte, ns int64)) error {
	if !bytes.Contains(line, []byte("}{")) {
		fn(line, 0)
		return nil
	}
	it := jsoniter.ParseBytes(jsoniter.ConfigDefault, line)
	for len(line) > 0 {
		it.ResetBytes(line)
		skipped := it.SkipAndReturnBytes()
		if it.Error != nil && it.Error != io.EOF || len(skipped) == 0 {
			fn(line, 0) // for the reader of events to find the fault
			return nil
		}
		fn(line[:len(skipped)], 0)
		line = bytes.TrimLeft(line[len(skipped):], " \t\r")
	}
	return nil
}

// isCSV tells a line such as 1700000000.5,"value",…
func isCSV(line []byte) bool {
	time, _, ok := bytes.Cut(line, []byte{','})
	if !ok {
		return false
	}
	_, ok = stamp(time)
	return ok
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
