package rule

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"fluent-bit-newterms/detector/kql"
)

const day = 24 * time.Hour

// unitLengths are the units of date math. A month and a year have no one
// length: the longest is taken, so that what Elastic would still find in the
// window is never forgotten earlier here.
var unitLengths = map[byte]time.Duration{
	's': time.Second,
	'm': time.Minute,
	'h': time.Hour,
	'H': time.Hour,
	'd': day,
	'w': 7 * day,
	'M': 31 * day,
	'y': 366 * day,
}

var errSpanTooLong = errors.New("is longer than 290 years, which no memory is")

// ParseSpan reads a length of time: a number and a unit of date math (s m h d
// w M y, such as 10d), several of them (1d12h), or a Go duration (1h30m,
// 1.5h, 500ms). It is never negative.
func ParseSpan(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, errors.New(`is empty; write a number and a unit, such as "10d" (units: s m h d w M y)`)
	}
	total := time.Duration(0)
	for rest := text; rest != ""; {
		digits := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsDigit(r) })
		if digits <= 0 || digits+1 > len(rest) {
			return goDuration(text)
		}
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		unit, ok := unitLengths[rest[digits]]
		after := rest[digits+1:]
		if err != nil || !ok || after != "" && (after[0] < '0' || after[0] > '9') {
			return goDuration(text)
		}
		if n > int64(math.MaxInt64-total)/int64(unit) {
			return 0, fmt.Errorf("%q %w", text, errSpanTooLong)
		}
		total += time.Duration(n) * unit
		rest = after
	}
	return total, nil
}

func goDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf(`%q is not a length of time; write a number and a unit, such as "10d" (units: s m h d w M y)`, text)
	}
	if d < 0 {
		return 0, fmt.Errorf("%q is negative; leave the sign out", text)
	}
	return d, nil
}

// ParseLookback reads date math that names a moment before now and returns
// how far back it lies: now-10d, now-1d-12h, now-1w/d. Rounding (/d) goes down
// to the start of the unit, so the span is up to one unit longer than
// written: the unit is added.
func ParseLookback(text string) (time.Duration, error) {
	bad := func(why string) (time.Duration, error) {
		return 0, fmt.Errorf(`%q %s; write a moment before now, such as "now-10d" (units: s m h d w M y)`, text, why)
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "now")
	if !ok {
		return bad("is no date math")
	}
	total := time.Duration(0)
	for rest != "" {
		sign := rest[0]
		rest = rest[1:]
		end := strings.IndexAny(rest, "+-/")
		if end < 0 {
			end = len(rest)
		}
		term := rest[:end]
		rest = rest[end:]
		switch sign {
		case '/':
			if len(term) != 1 || unitLengths[term[0]] == 0 || rest != "" {
				return bad("rounds to no unit of date math")
			}
			total = addSpan(total, unitLengths[term[0]])
		case '-', '+':
			if term != "" && unitLengths[term[0]] != 0 {
				term = "1" + term // now-d is now-1d
			}
			span, err := ParseSpan(term)
			if errors.Is(err, errSpanTooLong) {
				return 0, fmt.Errorf("%q %w", text, errSpanTooLong)
			}
			// One number and one unit only: Elastic takes now-1d-12h, and
			// neither now-1d12h nor now-1.5h nor now-0.
			if err != nil || unitLengths[term[len(term)-1]] == 0 || strings.Trim(term[:len(term)-1], "0123456789") != "" {
				return bad("is no date math")
			}
			if sign == '+' {
				span = -span
			}
			total = addSpan(total, span)
		default:
			return bad("is no date math")
		}
	}
	if total < 0 {
		return bad("lies in the future")
	}
	return total, nil
}

// sinceEver is a window that forgets nothing.
const sinceEver = 100 * 365 * day

// parseWindowStart reads where a history window starts: date math before now, or
// a date, after which nothing is forgotten any more.
func parseWindowStart(text string) (time.Duration, error) {
	if kql.IsDate(text) {
		return sinceEver, nil
	}
	return ParseLookback(text)
}

// parseWindow reads a history window as people write it: a span or date math.
func parseWindow(text string) (time.Duration, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "now") {
		return ParseLookback(text)
	}
	return ParseSpan(text)
}

// addSpan adds without overflow.
func addSpan(a, b time.Duration) time.Duration {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	if b < 0 && a < math.MinInt64-b {
		return math.MinInt64
	}
	return a + b
}

// ParseLearn reads how long a rule learns: a span, or "off" (0).
func ParseLearn(text string) (time.Duration, error) {
	if strings.EqualFold(strings.TrimSpace(text), "off") {
		return 0, nil
	}
	span, err := ParseSpan(text)
	if err != nil {
		return 0, fmt.Errorf(`%w, or "off"`, err)
	}
	return span, nil
}

// FormatSpan writes d as people do: 10d, 1d12h, 9m.
func FormatSpan(d time.Duration) string { return joinSpan(d, "") }

// formatLookback writes the moment d before now as date math: now-1d-12h.
func formatLookback(d time.Duration) string { return "now-" + joinSpan(d, "-") }

func joinSpan(d time.Duration, separator string) string {
	if d%time.Second != 0 || d <= 0 {
		return d.String()
	}
	var parts []string
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / unit.length; n > 0 {
			parts = append(parts, strconv.FormatInt(int64(n), 10)+unit.name)
			d -= n * unit.length
		}
	}
	return strings.Join(parts, separator)
}
