package kql

import (
	"math"
	"strings"
	"time"
)

// dateMath is a time that is reckoned from another, as in
//
//	event.created > now-1d/d or event.created: "2024-02-28||+1M"
//
// now is the time of the event that is looked at: see Memo.Now. What is rounded
// stands for all of the unit, as a literal that leaves something open does.
//
// Source: Elasticsearch, "Date math".
type dateMath struct {
	now   bool // from now; else from base
	base  span
	steps []dateStep
}

// dateStep adds n units, or rounds to one if n is 0.
type dateStep struct {
	n    int
	unit byte // y M w d h m s
}

// maxDateSteps and maxDateUnits keep the reckoning within what dates hold.
const (
	maxDateSteps = 8
	maxDateUnits = 1_000_000
)

// parseDateMath reads now or a time and ||, and what is added to it: +n, -n or
// / with a unit, the number being 1 if there is none.
func parseDateMath(s string) (m dateMath, ok bool) {
	rest, ok := strings.CutPrefix(s, "now")
	if m.now = ok; !ok {
		base, after, found := strings.Cut(s, "||")
		if m.base, ok = parseDate(base); !ok || !found {
			return m, false
		}
		rest = after
	}
	for rest != "" {
		sign := rest[0]
		rest = rest[1:]
		step := dateStep{}
		digits := 0
		for ; digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9'; digits++ {
			if step.n = step.n*10 + int(rest[digits]-'0'); step.n > maxDateUnits {
				return m, false
			}
		}
		if digits == len(rest) || len(m.steps) == maxDateSteps {
			return m, false
		}
		if step.unit = rest[digits]; step.unit == 'H' {
			step.unit = 'h'
		}
		rest = rest[digits+1:]
		switch {
		case strings.IndexByte("yMwdhms", step.unit) < 0:
			return m, false
		case sign == '/' && digits > 0 && step.n != 1: // now/1d is now/d
			return m, false
		case sign == '/':
			step.n = 0
		case digits > 0 && step.n == 0:
			continue // now-0d is now
		case sign == '+' || sign == '-':
			if digits == 0 {
				step.n = 1
			}
			if sign == '-' {
				step.n = -step.n
			}
		default:
			return m, false
		}
		m.steps = append(m.steps, step)
	}
	return m, true
}

// at returns the time that m is when it is now, in milliseconds since 1970. It
// allocates nothing.
func (m *dateMath) at(now int64) span {
	s := m.base
	if m.now {
		s = span{now, now}
	}
	for _, step := range m.steps {
		first, last := time.UnixMilli(s.first).UTC(), time.UnixMilli(s.last).UTC()
		if step.n != 0 {
			s = span{step.add(first).UnixMilli(), step.add(last).UnixMilli()}
			continue
		}
		s = span{step.floor(first).UnixMilli(), dateStep{1, step.unit}.add(step.floor(last)).UnixMilli() - 1}
	}
	return s
}

// add adds the step's units. A month is added as Elasticsearch does: the day
// stays within the month that it comes to.
func (d dateStep) add(t time.Time) time.Time {
	switch d.unit {
	case 'y', 'M':
		months := d.n
		if d.unit == 'y' {
			months *= 12
		}
		to := time.Date(t.Year(), t.Month()+time.Month(months), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
		return to.AddDate(0, 0, min(t.Day(), to.AddDate(0, 1, -1).Day())-1)
	case 'w':
		return t.AddDate(0, 0, 7*d.n)
	case 'd':
		return t.AddDate(0, 0, d.n)
	case 'h':
		return t.Add(time.Duration(d.n) * time.Hour)
	case 'm':
		return t.Add(time.Duration(d.n) * time.Minute)
	}
	return t.Add(time.Duration(d.n) * time.Second)
}

// floor returns the beginning of the unit that t lies in; a week's is Monday.
func (d dateStep) floor(t time.Time) time.Time {
	year, month, day := t.Date()
	switch d.unit {
	case 'y':
		return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
	case 'M':
		return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	case 'w':
		day -= (int(t.Weekday()) + 6) % 7
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	case 'd':
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	case 'h':
		return time.Date(year, month, day, t.Hour(), 0, 0, 0, time.UTC)
	case 'm':
		return t.Truncate(time.Minute)
	}
	return t.Truncate(time.Second)
}

// reckoned compares with a time that depends on now.
type reckoned struct {
	math dateMath
	op   Op
	is   bool // it is the time itself that matches, not what compares to it
}

func (r *reckoned) holds(at, now int64) bool {
	s := r.math.at(now)
	if !r.is {
		s = s.beside(r.op)
	}
	return at >= s.first && at <= s.last
}

// clock returns what now is: milliseconds since 1970.
func (m *Memo) clock() int64 {
	if m == nil {
		return time.Now().UnixMilli()
	}
	if m.Dated = true; m.Now == 0 {
		return time.Now().UnixMilli()
	}
	return min(m.Now, math.MaxInt64/2)
}
