package record

import (
	"math"
	"strconv"
)

// bare reads a number, true, false or null. s is not empty.
func bare(s string) (Value, bool) {
	switch s {
	case "true":
		return BoolValue(true), true
	case "false":
		return BoolValue(false), true
	case "null":
		return Value{Kind: Null}, true
	}
	return bareNumber(s)
}

// bareNumber reads a JSON number: an Int or Uint if it is written as an
// integer that fits one, a Float else. One too large for a float64 reads as an
// infinity.
func bareNumber(s string) (Value, bool) {
	integer, ok := numberForm(s)
	if !ok {
		return Value{}, false
	}
	if integer {
		if len(s) <= 18 {
			return IntValue(smallInt(s)), true
		}
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return IntValue(n), true
		}
		if n, err := strconv.ParseUint(s, 10, 64); err == nil {
			return UintValue(n), true
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return Value{}, false
	}
	return FloatValue(f), true
}

// numberForm tells whether s is a number as RFC 8259 has it, and whether it
// is written as an integer.
func numberForm(s string) (integer, ok bool) {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	start := i
	if i = digits(s, i); i == start || s[start] == '0' && i > start+1 {
		return false, false
	}
	if i == len(s) {
		return true, true
	}
	if s[i] == '.' {
		start = i + 1
		if i = digits(s, start); i == start {
			return false, false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		start = i
		if i = digits(s, start); i == start {
			return false, false
		}
	}
	return false, i == len(s)
}

// digits returns the offset of the first byte from i that is no digit.
func digits(s string, i int) int {
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	return i
}

// smallInt reads an integer of at most 18 characters, which cannot overflow.
func smallInt(s string) int64 {
	neg := s[0] == '-'
	if neg {
		s = s[1:]
	}
	var n int64
	for i := 0; i < len(s); i++ {
		n = n*10 + int64(s[i]-'0')
	}
	if neg {
		n = -n
	}
	return n
}
