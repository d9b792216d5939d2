package record

import (
	"math"
	"strconv"
)

// Kind tells what a Value holds.
type Kind uint8

// The kinds of a Value. Missing is the zero Kind; no stored value has it.
const (
	Missing Kind = iota
	Null         // JSON null, msgpack nil
	Bool         // Num is 0 or 1
	Int          // Num holds an int64
	Uint         // Num holds a uint64 above math.MaxInt64
	Float        // Num holds the bits of a float64
	String       // Str holds the bytes, which need not be valid UTF-8
	Object       // a map with something in it, found where a value was wanted
	Span         // Str holds the undecoded bytes of a map or array
)

// Type is how a field is indexed in Elasticsearch, which decides how a query
// matches it.
type Type uint8

// Field types, named as Elasticsearch mappings name them.
const (
	Keyword   Type = iota // whole value, case-sensitive
	Caseless              // whole value, compared in lower case (a keyword with a lowercase normalizer)
	Text                  // analysed: lower-cased tokens
	IP                    // addresses; query values may be CIDR blocks
	Long                  // integers
	Double                // floating point
	Boolean               // true, false
	Date                  // RFC 3339 text or milliseconds since the epoch
	Wildcard              // like Keyword
	Dynamic               // in no table: each value is what it is in JSON, a number or a keyword
	Flattened             // an object whose every leaf is a keyword
	Nested                // an array of objects, queried one element at a time
)

// Value is one scalar of a record.
//
// Str points into the bytes that the record was read from, or into the
// View's own scratch: it is valid until the View is reset. Copy it
// (strings.Clone) to keep it.
type Value struct {
	Str  string
	Num  uint64
	Kind Kind
	// Type is the type of the field that the value came from where the View
	// knows better than the query's compiler: values found by a field-name
	// pattern. It is Keyword otherwise and then says nothing.
	Type Type
}

// StringValue returns a Value that holds s.
func StringValue(s string) Value { return Value{Kind: String, Str: s} }

// IntValue returns a Value that holds n.
func IntValue(n int64) Value { return Value{Kind: Int, Num: uint64(n)} }

// UintValue returns a Value that holds n, as an Int where it fits one.
func UintValue(n uint64) Value {
	if n <= math.MaxInt64 {
		return Value{Kind: Int, Num: n}
	}
	return Value{Kind: Uint, Num: n}
}

// FloatValue returns a Value that holds f.
func FloatValue(f float64) Value { return Value{Kind: Float, Num: math.Float64bits(f)} }

// BoolValue returns a Value that holds b.
func BoolValue(b bool) Value {
	if b {
		return Value{Kind: Bool, Num: 1}
	}
	return Value{Kind: Bool}
}

// Bytes returns the bytes that a Span or String shares with its record. They
// must not be written to.
func (v *Value) Bytes() []byte { return bytesOf(v.Str) }

// Float returns the number that v holds, if v is a number.
func (v *Value) Float() (float64, bool) {
	switch v.Kind {
	case Int:
		return float64(int64(v.Num)), true
	case Uint:
		return float64(v.Num), true
	case Float:
		return math.Float64frombits(v.Num), true
	}
	return 0, false
}

// AppendText appends the text that a keyword field would hold for v:
// a string as it is, numbers in decimal, true or false. Other kinds append
// nothing.
func (v *Value) AppendText(dst []byte) []byte {
	switch v.Kind {
	case String:
		return append(dst, v.Str...)
	case Bool:
		return strconv.AppendBool(dst, v.Num != 0)
	case Int:
		return strconv.AppendInt(dst, int64(v.Num), 10)
	case Uint:
		return strconv.AppendUint(dst, v.Num, 10)
	case Float:
		return strconv.AppendFloat(dst, math.Float64frombits(v.Num), 'f', -1, 64)
	}
	return dst
}
