package kql

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"fluent-bit-newterms/detector/record"
)

// numbers matches numbers, and texts that are numbers, by value:
//
//	kubernetes.audit.responseStatus.code >= 400
//
// As in Elasticsearch a field of integers drops what stands behind the
// decimal point of a value, but not of a literal: no value is 1.5. A text
// that is no number, which Elasticsearch would not have taken in, is compared
// as a text.
type numbers struct {
	bounds   []bound
	integers bool
}

type bound struct {
	op    Op // opEqual, or a comparison
	limit number
	text  string // limit as the query has it
}

func newNumber(typ record.Type, operands []operand) matcher {
	n := numbers{integers: typ == record.Long}
	for _, o := range operands {
		op := opEqual
		switch o.kind {
		case opWord, opPhrase:
		case opRange:
			op = o.op
		default:
			continue
		}
		if limit, ok := parseNumber(o.text); ok {
			n.bounds = append(n.bounds, bound{op, limit, o.text})
		}
	}
	matchers := listsOf(operands)
	if len(n.bounds) > 0 {
		matchers = append(matchers, n)
	}
	return newAnyOf(matchers)
}

func (n numbers) match(val *record.Value, _ *Memo) bool {
	num, ok := numberOf(val)
	if !ok && val.Kind != record.String {
		return false
	}
	if n.integers {
		num = num.truncate()
	}
	for i := range n.bounds {
		b := &n.bounds[i]
		var c int
		if ok {
			c = num.compare(b.limit)
		} else {
			c = strings.Compare(val.Str, b.text)
		}
		if b.op.holds(c) {
			return true
		}
	}
	return false
}

func (n numbers) cost() int { return 4 + len(n.bounds) }

// number is an integer of up to 64 bits and a sign, or else a float64 that is
// not NaN.
type number struct {
	magnitude uint64
	negative  bool // and not zero
	isFloat   bool
	float     float64
}

func numberOf(val *record.Value) (number, bool) {
	switch val.Kind {
	case record.Int:
		return integer(int64(val.Num)), true
	case record.Uint:
		return number{magnitude: val.Num}, true
	case record.Float:
		return floating(math.Float64frombits(val.Num))
	case record.String:
		return parseNumber(val.Str)
	}
	return number{}, false
}

func integer(i int64) number {
	if i < 0 {
		return number{magnitude: -uint64(i), negative: true}
	}
	return number{magnitude: uint64(i)}
}

// floating returns f, as an integer where it is a small one.
func floating(f float64) (number, bool) {
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return integer(int64(f)), true
	}
	return number{isFloat: true, float: f}, f == f
}

func (n number) asFloat() float64 {
	switch {
	case n.isFloat:
		return n.float
	case n.negative:
		return -float64(n.magnitude)
	}
	return float64(n.magnitude)
}

func (n number) truncate() number {
	if n.isFloat {
		n, _ = floating(math.Trunc(n.float))
	}
	return n
}

func (n number) compare(o number) int {
	if n.isFloat || o.isFloat {
		return cmp.Compare(n.asFloat(), o.asFloat())
	}
	if n.negative != o.negative {
		return bit(o.negative) - bit(n.negative)
	}
	if n.negative {
		n, o = o, n
	}
	return cmp.Compare(n.magnitude, o.magnitude)
}

// parseNumber reads a decimal number: 443, -1.5, 1e3.
func parseNumber(s string) (number, bool) {
	if n, ok := parseInteger(s); ok {
		return n, true
	}
	// Checked first, since the error of strconv is allocated.
	if !isDecimal(s) {
		return number{}, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return number{}, false
	}
	return floating(f)
}

// parseInteger reads an integer of up to 19 digits, which always fit in 64
// bits.
func parseInteger(s string) (number, bool) {
	digits, negative := cutSign(s)
	if digits == "" || len(digits) > 19 {
		return number{}, false
	}
	var v uint64
	for i := 0; i < len(digits); i++ {
		c := digits[i]
		if c < '0' || c > '9' {
			return number{}, false
		}
		v = v*10 + uint64(c-'0')
	}
	return number{magnitude: v, negative: negative && v != 0}, true
}

func cutSign(s string) (rest string, negative bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[1:], s[0] == '-'
	}
	return s, false
}

// isDecimal reports whether s is a decimal number, with perhaps a sign, a
// point and an exponent.
func isDecimal(s string) bool {
	s, _ = cutSign(s)
	digits, i := 0, 0
	point := false
	for ; i < len(s); i++ {
		if s[i] == '.' && !point {
			point = true
		} else if s[i] >= '0' && s[i] <= '9' {
			digits++
		} else {
			break
		}
	}
	if digits == 0 || i == len(s) {
		return digits > 0
	}
	if s[i] != 'e' && s[i] != 'E' {
		return false
	}
	i++
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	from := i
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i == len(s) && i > from
}
