package mapping

import (
	"math"
	"time"

	"fluent-bit-newterms/detector/record"
)

// maxMillis bounds dates written as numbers: the last millisecond whose
// nanoseconds since the epoch are an int64, in the year 2262.
const maxMillis = math.MaxInt64 / 1_000_000

// Time reads a date as Elasticsearch's date fields take it: RFC 3339 text or
// milliseconds since the epoch, either from 1970 to 2261. It returns
// nanoseconds since the epoch; ok is false for anything else.
func Time(v *record.Value) (ns int64, ok bool) {
	switch v.Kind {
	case record.String:
		if ns, ok := rfc3339(v.Str); ok {
			return ns, true
		}
		return parseTime(v.Str)
	case record.Int:
		if ms := int64(v.Num); ms >= 0 && ms < maxMillis {
			return ms * 1e6, true
		}
	case record.Float:
		// The bound is well below 2^53, so that whole milliseconds are exact.
		if ms, _ := v.Float(); ms >= 0 && ms < maxMillis {
			whole := math.Floor(ms)
			return int64(whole)*1e6 + int64((ms-whole)*1e6), true
		}
	}
	return 0, false
}

// layouts are the other ways to write a date that a strict
// date_optional_time takes, and one with a space that log shippers write.
var layouts = [...]string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02",
}

func parseTime(s string) (ns int64, ok bool) {
	if len(s) < len("2006-01-02") || len(s) > 64 || s[0] < '0' || s[0] > '9' {
		return 0, false // spares the errors of time.Parse, which are allocated
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil && t.Unix() >= 0 && t.UTC().Year() < 2262 {
			return t.UnixNano(), true
		}
	}
	return 0, false
}

// rfc3339 reads what API servers, Azure, Google Cloud and Beats write: RFC
// 3339 in UTC, 2006-01-02T15:04:05Z with up to nine digits of a fraction.
// Whatever else it meets it leaves to parseTime.
func rfc3339(s string) (ns int64, ok bool) {
	n := len(s) - 1
	if n < 19 || n > 29 || n == 20 || s[n] != 'Z' ||
		s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	year := number(s[0:2])*100 + number(s[2:4])
	month, day := number(s[5:7]), number(s[8:10])
	hour, minute, second := number(s[11:13]), number(s[14:16]), number(s[17:19])
	if year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return 0, false
	}
	var fraction int64
	if n > 19 {
		if s[19] != '.' {
			return 0, false
		}
		for i := 20; i < 29; i++ {
			digit := byte('0')
			if i < n {
				digit = s[i]
			}
			if digit < '0' || digit > '9' {
				return 0, false
			}
			fraction = fraction*10 + int64(digit-'0')
		}
	}
	sec := daysBefore(year, month, day)*86400 + int64(hour*3600+minute*60+second)
	return sec*1e9 + fraction, true
}

// number reads two digits. If they are none it returns less than any part of
// a date can be, even as the century of a year.
func number(s string) int {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return -100_000
	}
	return int(a)*10 + int(b)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if isLeap(year) {
			return 29
		}
		return 28
	}
	return 31
}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// daysToMonth are the days of a common year before each month.
var daysToMonth = [...]int{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}

// daysBefore returns the days from the epoch to a day of 1970 or later.
func daysBefore(year, month, day int) int64 {
	y := year - 1
	leaps := y/4 - y/100 + y/400 - 477 // 477 leap years before 1970
	days := (year-1970)*365 + leaps + daysToMonth[month-1] + day - 1
	if month > 2 && isLeap(year) {
		days++
	}
	return int64(days)
}
