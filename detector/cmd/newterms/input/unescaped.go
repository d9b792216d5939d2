package input

import (
	"bytes"
	"errors"
)

// Forms in which Fluent Bit prints strings as they are, between quotes:
//
//	[0] TAG: [[SECONDS.NANOS, {…}], {"key"=>"value", "list"=>[1, nil]}]   the stdout output's default
//	"time":SECONDS.NANOS<tab>"key":"value"<tab>"map":{"key"=>"value"}      the file output's ltsv
//
// A quote inside a string is told from its end by what follows, which is
// right unless a string goes on as an event would: whoever chooses a user
// agent can forge the fields after it. What can be told to be forged, a key
// that comes twice, is refused; ReadsUnescaped lets a user be warned.
//
// Source: msgpack_object_print of msgpack-c; out_file's ltsv_output.

// ErrUnescaped is the error of a line in one of these forms that does not
// come out even.
var ErrUnescaped = errors.New(`strings in this form of Fluent Bit's are not escaped, and here one holds a quote or a line end; use "format json_lines" (stdout) or "format plain" (file) there`)

// ErrTwice is the error of a line in one of these forms with a key that comes
// twice in a map.
var ErrTwice = errors.New(`a key comes twice: strings in this form of Fluent Bit's are not escaped, and one may have forged it; use "format json_lines" (stdout) or "format plain" (file) there`)

// ReadsUnescaped tells whether a line is in a form whose strings are not
// escaped.
func ReadsUnescaped(line []byte) bool {
	line = bytes.TrimLeft(line, " \t\r")
	return isRuby(line) || isLTSV(line)
}

var ltsvStart = []byte(`"time":`)

func isLTSV(line []byte) bool { return bytes.HasPrefix(line, ltsvStart) }

// isRuby tells a line such as [0] tag: [[1700000000.5, {}], {"k"=>"v"}].
func isRuby(line []byte) bool {
	if len(line) == 0 || line[0] != '[' {
		return false
	}
	i := 1
	for i < len(line) && line[i] >= '0' && line[i] <= '9' {
		i++
	}
	return i > 1 && i+2 < len(line) && line[i] == ']' && line[i+1] == ' ' && bytes.Contains(line[i:], []byte(": ["))
}

// rubyEvent returns the JSON text of a line for which isRuby holds: the list
// of time and event.
func rubyEvent(line []byte) ([]byte, error) {
	_, list, _ := bytes.Cut(line, []byte(": "))
	u := unescaped{in: list, out: make([]byte, 0, len(list)+64)}
	u.value()
	if u.at != len(list) {
		u.fail(ErrUnescaped)
	}
	return u.out, u.err
}

// ltsvEvent returns the JSON text of a line for which isLTSV holds, and its
// time.
func ltsvEvent(line []byte) (event, time []byte, err error) {
	u := unescaped{in: line, at: len(ltsvStart), out: make([]byte, 0, len(line)+64), ltsv: true}
	for u.at < len(line) && line[u.at] != '\t' {
		u.at++
	}
	time = line[len(ltsvStart):u.at]
	u.out = append(u.out, '{')
	keys := make(map[string]bool)
	for u.at < len(line) && u.err == nil {
		if u.expect("\t"); len(keys) > 0 {
			u.out = append(u.out, ',')
		}
		u.key(`":`, keys)
		u.value()
	}
	return append(u.out, '}'), time, u.err
}

// maxUnescapedDepth bounds recursion.
const maxUnescapedDepth = 128

// unescaped turns text with strings that are not escaped into JSON.
type unescaped struct {
	in   []byte
	at   int
	out  []byte
	open []byte // the brackets that are open where at is
	ltsv bool   // a value outside of all brackets ends at a tab
	err  error
}

func (u *unescaped) fail(err error) {
	if u.err == nil {
		u.err = err
	}
}

// skips moves past s if it comes next.
func (u *unescaped) skips(s string) bool {
	ok := bytes.HasPrefix(u.in[u.at:], []byte(s))
	if ok {
		u.at += len(s)
	}
	return ok
}

func (u *unescaped) expect(s string) {
	if u.err == nil && !u.skips(s) {
		u.fail(ErrUnescaped)
	}
}

func (u *unescaped) value() {
	if u.err != nil {
		return
	}
	if u.at >= len(u.in) || len(u.open) > maxUnescapedDepth {
		u.fail(ErrUnescaped)
		return
	}
	switch u.in[u.at] {
	case '{':
		keys := make(map[string]bool)
		u.list('{', "}", func() {
			u.key(`"=>`, keys)
			u.value()
		})
	case '[':
		u.list('[', "]", u.value)
	case '"':
		u.text(u.stringEnd())
	default:
		u.word()
	}
}

func (u *unescaped) list(open byte, end string, element func()) {
	u.out = append(u.out, open)
	u.open = append(u.open, open)
	u.at++
	if !u.skips(end) {
		for {
			element()
			if u.err != nil || u.skips(end) {
				break
			}
			u.expect(", ")
			u.out = append(u.out, ',')
		}
	}
	u.out = append(u.out, end...)
	u.open = u.open[:len(u.open)-1]
}

// key reads a key, which ends with the text end.
func (u *unescaped) key(end string, seen map[string]bool) {
	if u.err != nil {
		return
	}
	n := keyEnd(u.in[u.at:], end)
	if n < 0 {
		u.fail(ErrUnescaped)
		return
	}
	key := string(u.in[u.at+1 : u.at+n])
	if seen[key] {
		u.fail(ErrTwice)
	}
	seen[key] = true
	u.text(u.at + n)
	u.at += len(end) - 1
	u.out = append(u.out, ':')
}

// keyEnd returns where the quote is that ends the key at the start of b,
// negative if there is no key: keys hold no quotes.
func keyEnd(b []byte, end string) int {
	if len(b) == 0 || b[0] != '"' {
		return -1
	}
	n := bytes.IndexByte(b[1:], '"')
	if n < 0 || !bytes.HasPrefix(b[1+n:], []byte(end)) {
		return -1
	}
	return 1 + n
}

// stringEnd returns where the quote is that ends the string at hand: the
// first one after which the line can go on, negative if there is none.
func (u *unescaped) stringEnd() int {
	for i := u.at + 1; ; i++ {
		n := bytes.IndexByte(u.in[i:], '"')
		if n < 0 {
			return -1
		}
		if i += n; u.goesOn(u.in[i+1:]) {
			return i
		}
	}
}

// goesOn tells whether b can follow a value: the ends of brackets that are
// open, then another pair or element, or the end.
func (u *unescaped) goesOn(b []byte) bool {
	open := u.open
	for len(open) > 0 && len(b) > 0 && b[0] == open[len(open)-1]+2 { // } is {+2, ] is [+2
		open, b = open[:len(open)-1], b[1:]
	}
	if len(open) == 0 {
		return len(b) == 0 || u.ltsv && b[0] == '\t' && keyEnd(b[1:], `":`) > 0
	}
	after, more := bytes.CutPrefix(b, []byte(", "))
	if open[len(open)-1] == '{' {
		return more && keyEnd(after, `"=>`) > 0
	}
	return more && len(after) > 0
}

// text writes the string that begins here and ends with the quote at end.
func (u *unescaped) text(end int) {
	if end < 0 {
		u.fail(ErrUnescaped)
		return
	}
	const hex = "0123456789abcdef"
	u.out = append(u.out, '"')
	for _, c := range u.in[u.at+1 : end] {
		switch {
		case c == '"' || c == '\\':
			u.out = append(u.out, '\\', c)
		case c < 0x20:
			u.out = append(u.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			u.out = append(u.out, c)
		}
	}
	u.out = append(u.out, '"')
	u.at = end + 1
}

// word writes a number, or true, false, nil. What JSON has no word for (inf,
// nan, an extension type) becomes null.
func (u *unescaped) word() {
	n := bytes.IndexAny(u.in[u.at:], ",}]\t")
	if n < 0 {
		n = len(u.in) - u.at
	}
	w := u.in[u.at : u.at+n]
	switch {
	case n == 0:
		u.fail(ErrUnescaped)
	case string(w) == "true", string(w) == "false", isNumber(w):
		u.out = append(u.out, w...)
	default:
		u.out = append(u.out, "null"...)
	}
	u.at += n
}

// isNumber tells whether w is a number as printf writes it.
func isNumber(w []byte) bool {
	digits := bytes.TrimPrefix(w, []byte{'-'})
	if len(digits) == 0 || digits[0] < '0' || digits[0] > '9' || len(digits) > 1 && digits[0] == '0' && digits[1] != '.' {
		return false
	}
	whole, fraction, point := bytes.Cut(digits, []byte{'.'})
	for _, c := range whole {
		if c < '0' || c > '9' {
			return false
		}
	}
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return false
		}
	}
	return !point || len(fraction) > 0
}
