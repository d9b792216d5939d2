package input

import (
	"bytes"
	"regexp"
)

// Value is what a line of a file holds, or several lines that belong together.
type Value struct {
	Line int    // number of its first line, from 1
	Text []byte // without the line end; valid until the Chunk is given to Free

	// TooLong says that the value is longer than MaxLine. It has no Text.
	TooLong bool
}

// framer cuts lines into values. A JSON object may take several lines, as
// jq, gcloud and aws print it. The elements of an array that begins on a line
// of its own are values too, so that a long export does not have to fit into
// memory. Lines that a container runtime has split (CRI's tag P) are joined.
//
// A line that breaks off, as after a crash, must not take the lines after it
// along: where these cannot go on as JSON would, each is a value of its own.
type framer struct {
	values []Value
	line   int // number of the line at hand

	open      []byte // the brackets that are open
	start     int    // of the open value, in the buffer
	from      int    // of its first line there, without values before it
	startLine int
	last      byte // the last byte that is no space, of an open value
	array     bool // inside an array whose elements are values
	drop      bool // the open value is too long, and its bytes are gone

	part     []byte // of a line that the container runtime has split
	partLine int
	partDrop bool // it is too long; the rest of it is passed over
	max      int  // bytes of a value
}

// maxOpen is how deep JSON may be nested, as in encoding/json.
const maxOpen = 10_000

// lines takes the whole lines buf[at:]. It returns where in buf the value
// begins that is still open, which is len(buf) if none is.
func (f *framer) lines(buf []byte, at int) (rest int) {
	for at < len(buf) {
		end, next := len(buf), len(buf)
		if i := bytes.IndexByte(buf[at:], '\n'); i >= 0 {
			end, next = at+i, at+i+1
		}
		if len(f.open) == 0 || !f.goOn(buf, at, end) {
			f.begin(buf, at, end)
		}
		f.line++
		at = next
	}
	if len(f.open) > 0 && !f.drop {
		return f.from
	}
	return len(buf)
}

// moved tells that the first n bytes of the buffer are gone.
func (f *framer) moved(n int) { f.start, f.from = f.start-n, f.from-n }

// giveUp drops an open value that is too long. Its end is still looked for.
func (f *framer) giveUp() {
	f.values = append(f.values, Value{Line: f.startLine, TooLong: true})
	f.drop = true
}

// end takes what is open at the end of the file buf: a value that breaks off,
// or lines that only seemed to belong together.
func (f *framer) end(buf []byte) {
	if len(f.part) > 0 {
		f.add(f.partLine, f.part)
		f.part = nil
	}
	if len(f.open) == 0 || f.drop {
		return
	}
	first := true
	for line := range bytes.Lines(buf[f.from:]) {
		if !first && len(line) > 1 && line[0] == '{' && isWhole(bytes.TrimSpace(line)) {
			f.singly(buf, len(buf))
			return
		}
		first = false
	}
	f.add(f.startLine, buf[f.start:])
}

func (f *framer) add(line int, text []byte) {
	text = bytes.TrimRight(bytes.TrimLeft(text, "\x00"), "\r\n")
	if len(bytes.TrimSpace(text)) > 0 {
		f.values = append(f.values, Value{Line: line, Text: text})
	}
}

// isWhole tells whether a trimmed line is an object or a list as it stands. It
// looks at both ends only.
func isWhole(t []byte) bool {
	if len(t) < 2 {
		return false
	}
	first, last := t[0], t[len(t)-1]
	return first == '{' && last == '}' || first == '[' && last == ']'
}

// begin takes a line that belongs to no open value.
func (f *framer) begin(buf []byte, at, end int) {
	t := bytes.TrimSpace(bytes.TrimLeft(buf[at:end], "\x00"))
	if len(t) == 0 {
		return
	}
	if whole := t; f.array && t[len(t)-1] == ',' {
		if whole = bytes.TrimSpace(t[:len(t)-1]); isWhole(whole) {
			f.add(f.line, whole)
			return
		}
	}
	line := buf[at:end]
	if isWhole(t) {
		f.add(f.line, line)
		return
	}
	before := len(f.values)
	if f.joins(bytes.TrimRight(line, "\r")) {
		return
	}
	from := end - len(bytes.TrimLeft(line, "\x00 \t\r"))
	if c := t[0]; c != '{' && c != '[' && !(f.array && (c == ',' || c == ']')) {
		// Text before the JSON, which may go on on the next line.
		n := prefixLen(t)
		if n == 0 || t[len(t)-1] == '}' {
			f.add(f.line, line)
			return
		}
		from += n
	}
	f.from = at
	if !f.scan(buf, from, end) {
		f.values, f.open, f.array = f.values[:before], f.open[:0], false
		f.add(f.line, line)
	}
}

// goOn takes a line after the first of an open value. It tells false if the
// value cannot go on so; its lines have then been taken one by one.
func (f *framer) goOn(buf []byte, at, end int) bool {
	t := bytes.TrimSpace(buf[at:end])
	if len(t) == 0 {
		return true
	}
	before, from, startLine := len(f.values), f.from, f.startLine
	if mayFollow(f.last, t[0]) && f.scan(buf, at, end) {
		return true
	}
	f.values, f.from, f.startLine = f.values[:before], from, startLine
	if !f.drop {
		f.singly(buf, at)
	}
	f.open, f.array, f.drop = f.open[:0], false, false
	return false
}

// singly takes each line of the open value, up to end, by itself.
func (f *framer) singly(buf []byte, end int) {
	n := f.startLine
	for line := range bytes.Lines(buf[f.from:end]) {
		f.add(n, line)
		n++
	}
}

// mayFollow tells whether the first byte of a line can follow the last byte of
// the line before it, inside JSON.
func mayFollow(last, first byte) bool {
	switch last {
	case '{':
		return first == '"' || first == '}'
	case '[', ',', ':':
		return first != ',' && first != ':' && (first != '}' && first != ']' || last == '[')
	}
	return first == ',' || first == '}' || first == ']' || first == ':'
}

// scan goes through buf[i:end], the rest of a line, and takes the objects that
// end there. It tells false where the text is no JSON; a value that was open
// then is still open.
func (f *framer) scan(buf []byte, i, end int) bool {
	for ; i < end; i++ {
		c := buf[i]
		switch {
		case c == ' ' || c == '\t' || c == '\r':
			continue
		case len(f.open) == 0:
			switch {
			case c == '[':
				f.array = true
			case f.array && c == ',':
			case f.array && c == ']':
				f.array = false
			case c == '{':
				f.open, f.start, f.startLine = append(f.open, c), i, f.line
			default:
				return false
			}
		case c == '"':
			n := stringLen(buf[i:end])
			if n == 0 {
				return false
			}
			i += n - 1
			c = '"'
		case c == '{' || c == '[':
			if len(f.open) >= maxOpen {
				return false
			}
			f.open = append(f.open, c)
		case c == '}' || c == ']':
			if f.open[len(f.open)-1] != c-2 { // { is } - 2, [ is ] - 2
				return false
			}
			f.open = f.open[:len(f.open)-1]
			if len(f.open) > 0 {
				break
			}
			if !f.drop {
				f.add(f.startLine, buf[f.start:i+1])
			}
			f.drop, f.from = false, i+1
		}
		f.last = c
	}
	return true
}

// stringLen returns the length of the JSON string that b begins with, quotes
// included, 0 if it does not end in b.
func stringLen(b []byte) int {
	for i := 1; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return 0
		}
		i += n
		escapes := 0
		for b[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
	return 0
}

// criLine is a line as container runtimes write them: time, stream, tag, text.
var criLine = regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) ([FP]) `)

// joins takes a part of a line that a container runtime has split, and tells
// whether t was one. Parts that are together too long are dropped.
func (f *framer) joins(t []byte) bool {
	if len(t) == 0 || t[0] < '0' || t[0] > '9' {
		return false
	}
	m := criLine.FindSubmatchIndex(t)
	if m == nil {
		return false
	}
	switch text, last := t[m[1]:], t[m[2]] == 'F'; {
	case f.partDrop:
		f.partDrop = !last
	case last && len(f.part) == 0:
		return false // a whole line, whose prefix Events takes off
	case len(f.part) == 0:
		f.part, f.partLine = bytes.Clone(t), f.line
	case len(f.part)+len(text) > f.max:
		f.values = append(f.values, Value{Line: f.partLine, TooLong: true})
		f.part, f.partDrop = nil, !last
	default:
		f.part = append(f.part, text...)
		if last {
			f.add(f.partLine, f.part)
			f.part = nil
		}
	}
	return true
}
