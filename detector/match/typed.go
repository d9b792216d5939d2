package match

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
)

// typed returns a value in the form that doc values of its field's type have, so
// that two spellings of one value are one term, as in Elastic: an address is
// canonical and an IPv4-mapped one is IPv4, "443" on a long is 443, "true" on a
// boolean is true, 1 on a keyword is "1", a date is one instant. A value that the
// type cannot hold stays as it is. A value in its form already costs nothing.
func typed(v record.Value, t record.Type) record.Value {
	switch t {
	case record.IP:
		if v.Kind == record.String {
			return typedAddress(v)
		}
	case record.Long, record.Double:
		if v.Kind == record.String {
			return typedNumber(v)
		}
	case record.Boolean:
		if v.Kind == record.String && (v.Str == "true" || v.Str == "false") {
			return record.BoolValue(v.Str == "true")
		}
	case record.Date:
		if ns, ok := mapping.Time(&v); ok {
			return record.StringValue(time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000Z"))
		}
	case record.Dynamic: // what it is in JSON
	case record.Caseless:
		if v.Kind == record.String {
			v.Str = strings.ToLower(v.Str)
			return v
		}
		fallthrough
	default:
		switch v.Kind {
		case record.Bool, record.Int, record.Uint, record.Float:
			return record.StringValue(string(v.AppendText(nil)))
		}
	}
	return v
}

func typedAddress(v record.Value) record.Value {
	a, err := netip.ParseAddr(v.Str)
	if err != nil || a.Zone() != "" {
		return v
	}
	var room [64]byte
	if text := a.Unmap().AppendTo(room[:0]); string(text) != v.Str {
		return record.StringValue(string(text))
	}
	return v
}

func typedNumber(v record.Value) record.Value {
	text := strings.TrimSpace(v.Str)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return record.IntValue(n)
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return record.UintValue(n)
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n-n == 0 {
		return record.FloatValue(n)
	}
	return v
}
