package input

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/record"
)

// Errors of values that hold no event in a form that is read.
var (
	ErrCSV       = errors.New(`this is Fluent Bit's csv form, which leaves the names of fields out; use "format plain" there`)
	ErrUnescaped = errors.New(`strings in this form of Fluent Bit's are not escaped, so they can be forged; use "format json_lines" (stdout) or "format plain" (file) there`)
	ErrCut       = errors.New("this is no whole JSON: it breaks off, or something follows it")
)

// Events calls fn for each event of a value. ns is the time, in nanoseconds
// since the epoch, that is written beside the event, 0 where there is none;
// event is a part of text, or memory of its own. These are read:
//
//	{…}                          one event: an audit log, json_lines
//	[{…},{…}]                    several: Fluent Bit's format json
//	TAG: [SECONDS.NANOS, {…}]    Fluent Bit's file output
//	[SECONDS.NANOS, {…}]         the same without a tag
//	TAG: [[SECONDS, {…}], {…}]   either with metadata
//	{…}{…}                       several: Fluent Bit's format json_stream
//	TIME, HOST, … {…}            text before the JSON: a container's log file, CloudWatch, syslog
//
// An object may be a container that other programs wrap events in: see
// containers.
//
// What is nothing of the kind is handed to fn as it is, for the reader of
// events to find the fault; an error says what is known to be unreadable.
// A blank text holds no event.
func Events(text []byte, fn func(event []byte, ns int64)) error {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil
	}
	if text[0] == '{' {
		return objects(text, fn)
	}
	if isUnescaped(text) {
		return ErrUnescaped
	}
	list := text
	if text[0] != '[' {
		i := bytes.Index(text, []byte(": ["))
		if i < 0 || bytes.IndexByte(text[:i], '{') >= 0 {
			return prefixed(text, fn)
		}
		list = text[i+2:]
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
	if n == 2 && ok && isObject(parts[1]) {
		if ns, ok := stamp(parts[0]); ok {
			unpack(parts[1], ns, fn)
			return nil
		}
	}
	switch {
	case text[0] == '[' && prefixLen(text) > 0:
		return prefixed(text, fn)
	case !ok:
		return ErrCut
	case !all || text[0] != '[':
		fn(text, 0)
		return nil
	}
	record.JSON.Each(list, func(e []byte) bool {
		unpack(e, 0, fn)
		return true
	})
	return nil
}

func isObject(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) > 0 && b[0] == '{'
}

// objects calls fn for each of the objects that a text holds with nothing in
// between.
func objects(text []byte, fn func(event []byte, ns int64)) error {
	if !bytes.Contains(text, []byte("}{")) {
		unpack(text, 0, fn)
		return nil
	}
	it := jsoniter.ParseBytes(jsoniter.ConfigDefault, text)
	for len(text) > 0 {
		it.ResetBytes(text)
		skipped := it.SkipAndReturnBytes()
		if it.Error != nil && it.Error != io.EOF || len(skipped) == 0 {
			fn(text, 0) // for the reader of events to find the fault
			return nil
		}
		unpack(text[:len(skipped)], 0, fn)
		text = bytes.TrimLeft(text[len(skipped):], " \t\r\n")
	}
	return nil
}

// maxPrefix is how long the text before the JSON may be, in bytes.
const maxPrefix = 512

// prefixLen returns the length of the text before the JSON object that a line
// holds: what log collectors put there, such as a time, a host or a stream. 0
// if there is no such text or no object. Quotes and open brackets do not come
// there.
func prefixLen(text []byte) int {
	i := bytes.IndexByte(text, '{')
	if i < 1 || i > maxPrefix || bytes.IndexByte(text[:i], '"') >= 0 {
		return 0
	}
	if bytes.Count(text[:i], []byte{'['}) != bytes.Count(text[:i], []byte{']'}) {
		return 0
	}
	if c := text[i-1]; c != ' ' && c != '\t' && c != ':' {
		return 0
	}
	return i
}

// prefixed reads the event behind a prefix. A time that the prefix begins with
// is the event's.
func prefixed(text []byte, fn func(event []byte, ns int64)) error {
	n := prefixLen(text)
	if n == 0 {
		if isCSV(text) {
			return ErrCSV
		}
		fn(text, 0)
		return nil
	}
	var ns int64
	first, _, _ := bytes.Cut(text[:n], []byte{' '})
	if at, err := time.Parse(time.RFC3339Nano, string(bytes.TrimSpace(first))); err == nil {
		ns = at.UnixNano()
	}
	unpack(text[n:], ns, fn)
	return nil
}

// isUnescaped tells a line of Fluent Bit's stdout output in its default form,
// [0] tag: [[1700000000.5, {}], {"k"=>"v"}], or of its file output's ltsv.
func isUnescaped(text []byte) bool {
	if bytes.HasPrefix(text, []byte(`"time":`)) && bytes.IndexByte(text, '\t') > 0 {
		return true
	}
	if text[0] != '[' || !bytes.Contains(text, []byte(`"=>`)) {
		return false
	}
	digits, after, ok := bytes.Cut(text[1:], []byte("] "))
	_, err := strconv.ParseUint(string(digits), 10, 64)
	return ok && err == nil && bytes.Contains(after, []byte(": ["))
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
