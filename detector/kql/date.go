package kql

import (
	"math"
	"time"

	"fluent-bit-newterms/detector/record"
)

// dates matches points in time, in milliseconds as Elasticsearch keeps them:
//
//	event.created: 2024-05-01 or event.created >= "2024-05-01T12:00:00Z"
//
// A literal is an RFC 3339 time, or the beginning of one, in which case it
// stands for all of the year, month, day and so on; or it is milliseconds
// since 1970; or it is reckoned from one of these, or from now: see dateMath.
type dates struct {
	spans    []span
	reckoned []reckoned // from now
}

// span is a time from first to last, both included, in milliseconds since
// 1970.
type span struct{ first, last int64 }

func newDate(operands []operand) matcher {
	var d dates
	for _, o := range operands {
		s, ok := parseDate(o.text)
		if !ok {
			m, ok := parseDateMath(o.text)
			isRange := o.kind == opRange
			if !ok || !isRange && o.kind != opWord && o.kind != opPhrase {
				continue
			}
			if m.now {
				d.reckoned = append(d.reckoned, reckoned{math: m, op: o.op, is: !isRange})
				continue
			}
			s = m.at(0)
		}
		switch o.kind {
		case opWord, opPhrase:
			d.spans = append(d.spans, s)
		case opRange:
			d.spans = append(d.spans, s.beside(o.op))
		}
	}
	matchers := listsOf(operands)
	if len(d.spans)+len(d.reckoned) > 0 {
		matchers = append(matchers, d)
	}
	return newAnyOf(matchers)
}

// beside returns the times that compare to s as op says: after a day is not
// within it.
func (s span) beside(op Op) span {
	switch op {
	case Lt:
		return span{math.MinInt64, s.first - 1}
	case Lte:
		return span{math.MinInt64, s.last}
	case Gt:
		return span{s.last + 1, math.MaxInt64}
	default:
		return span{s.first, math.MaxInt64}
	}
}

func (d dates) match(val *record.Value, memo *Memo) bool {
	var at int64
	switch val.Kind {
	case record.Int:
		at = int64(val.Num)
	case record.Float:
		f := math.Float64frombits(val.Num)
		if !(math.Abs(f) < 1<<63) {
			return false
		}
		at = int64(f)
	case record.String:
		s, ok := parseDate(val.Str)
		if !ok {
			return false
		}
		at = s.first
	default:
		return false
	}
	for i := range d.spans {
		if s := &d.spans[i]; at >= s.first && at <= s.last {
			return true
		}
	}
	if len(d.reckoned) > 0 {
		now := memo.clock()
		for i := range d.reckoned {
			if d.reckoned[i].holds(at, now) {
				return true
			}
		}
	}
	return false
}

func (d dates) cost() int { return 30 }

// parseDate reads a literal, or the text of a value. Elasticsearch calls the
// format strict_date_optional_time||epoch_millis. It allocates nothing.
func parseDate(s string) (span, bool) {
	if sp, ok := parseTime(s); ok {
		return sp, true
	}
	n, ok := parseInteger(s)
	if !ok || n.magnitude > math.MaxInt64 {
		return span{}, false
	}
	at := int64(n.magnitude)
	if n.negative {
		at = -at
	}
	return span{at, at}, true
}

// IsDate tells whether text is a time as Elasticsearch reads it without being
// told a format: an RFC 3339 time, or the beginning of one, in UTC.
func IsDate(text string) bool {
	_, ok := parseTime(text)
	return ok
}

// parseTime reads yyyy[-MM[-dd[Thh[:mm[:ss[.fraction]]]]]] and, where a T is,
// perhaps a zone: Z, +hh:mm, +hhmm or +hh. It is UTC otherwise.
func parseTime(s string) (span, bool) {
	p := timeParser{s: s}
	var fields = [...]int{0, 1, 1, 0, 0, 0} // year, month, day, hour, minute, second
	n := 0
	for ; n < len(dateFields) && (n == 0 || p.eat(dateFields[n].before)); n++ {
		f := dateFields[n]
		fields[n] = p.digits(f.digits, f.low, f.high)
		if n == 2 && p.s == "T" {
			p.s = "" // 2024-05-01T is that day
		}
	}
	first := time.Date(fields[0], time.Month(fields[1]), fields[2], fields[3], fields[4], fields[5], 0, time.UTC)
	if p.failed || first.Day() != fields[2] {
		return span{}, false // the 31st of a shorter month
	}
	sp := span{first.UnixMilli(), unitEnd(first, n).UnixMilli() - 1}
	if n == len(dateFields) && (p.eat('.') || p.eat(',')) {
		milli, width := p.fraction()
		sp.first += milli
		sp.last = sp.first + width - 1
	}
	if n > 3 {
		offset := p.zone()
		sp.first -= offset
		sp.last -= offset
	}
	return sp, !p.failed && p.s == ""
}

// dateFields are the parts of a time, each with the sign before it.
var dateFields = [...]struct {
	before            byte
	digits, low, high int
}{
	{0, 4, 0, 9999}, {'-', 2, 1, 12}, {'-', 2, 1, 31}, {'T', 2, 0, 23}, {':', 2, 0, 59}, {':', 2, 0, 59},
}

// unitEnd returns the end of the year, month and so on, of which n parts were
// written, that begins at first.
func unitEnd(first time.Time, n int) time.Time {
	switch n {
	case 1:
		return first.AddDate(1, 0, 0)
	case 2:
		return first.AddDate(0, 1, 0)
	case 3:
		return first.AddDate(0, 0, 1)
	case 4:
		return first.Add(time.Hour)
	case 5:
		return first.Add(time.Minute)
	}
	return first.Add(time.Second)
}

// timeParser reads the parts of a time off the beginning of s.
type timeParser struct {
	s      string
	failed bool
}

func (p *timeParser) eat(c byte) bool {
	if p.failed || p.s == "" || p.s[0] != c {
		return false
	}
	p.s = p.s[1:]
	return true
}

// digits reads a number of n digits between low and high.
func (p *timeParser) digits(n, low, high int) int {
	if len(p.s) < n {
		p.failed = true
		return low
	}
	v := 0
	for i := range n {
		c := p.s[i]
		if c < '0' || c > '9' {
			p.failed = true
			return low
		}
		v = v*10 + int(c-'0')
	}
	p.s = p.s[n:]
	if v < low || v > high {
		p.failed = true
		return low
	}
	return v
}

// fraction reads the digits of a fraction of a second: its milliseconds, and
// how many milliseconds it leaves open.
func (p *timeParser) fraction() (milli, width int64) {
	width = 1000
	n := 0
	for ; n < len(p.s) && p.s[n] >= '0' && p.s[n] <= '9'; n++ {
		if width > 1 {
			width /= 10
			milli += int64(p.s[n]-'0') * width
		}
	}
	p.failed = p.failed || n == 0 || n > 9
	p.s = p.s[n:]
	return milli, width
}

// zone reads the zone, if any, and returns its distance from UTC in
// milliseconds.
func (p *timeParser) zone() int64 {
	sign := int64(1)
	switch {
	case p.eat('Z'):
		return 0
	case p.eat('+'):
	case p.eat('-'):
		sign = -1
	default:
		return 0
	}
	hours := p.digits(2, 0, 18)
	minutes := 0
	if p.eat(':') || p.s != "" {
		minutes = p.digits(2, 0, 59)
	}
	return sign * int64(hours*60+minutes) * time.Minute.Milliseconds()
}
