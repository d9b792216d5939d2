package detector

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/record"
)

// appendRecord appends an alert as a Fluent Bit record,
// [[timestamp, {}], {body}], at the time of its event. On an error dst is
// returned as it was.
func appendRecord(dst []byte, a *Alert) ([]byte, error) {
	val, err := record.JSON.Decode(a.Body)
	if err != nil {
		return dst, err
	}
	body, ok := val.(map[string]any)
	if !ok {
		return dst, record.ErrNotMap
	}
	b := msgp.AppendArrayHeader(dst, 2)
	b = msgp.AppendArrayHeader(b, 2)
	b = appendEventTime(b, time.UnixMilli(a.Time))
	b = msgp.AppendMapHeader(b, 0)
	if b, err = appendAny(b, body); err != nil {
		return dst, err
	}
	return b, nil
}

// appendEventTime appends Fluent Bit's timestamp: extension type 0, seconds
// and nanoseconds, 32 bits each.
func appendEventTime(b []byte, t time.Time) []byte {
	sec, nsec := uint32(t.Unix()), uint32(t.Nanosecond())
	return append(b, 0xd7, 0,
		byte(sec>>24), byte(sec>>16), byte(sec>>8), byte(sec),
		byte(nsec>>24), byte(nsec>>16), byte(nsec>>8), byte(nsec))
}

// appendAny appends a decoded value, the keys of maps in order.
func appendAny(b []byte, val any) ([]byte, error) {
	switch val := val.(type) {
	case nil:
		return msgp.AppendNil(b), nil
	case bool:
		return msgp.AppendBool(b, val), nil
	case int64:
		return msgp.AppendInt64(b, val), nil
	case uint64:
		return msgp.AppendUint64(b, val), nil
	case float64:
		return msgp.AppendFloat64(b, val), nil
	case string:
		return msgp.AppendString(b, val), nil
	case []any:
		b = msgp.AppendArrayHeader(b, uint32(len(val)))
		for _, e := range val {
			var err error
			if b, err = appendAny(b, e); err != nil {
				return b, err
			}
		}
		return b, nil
	case map[string]any:
		b = msgp.AppendMapHeader(b, uint32(len(val)))
		for _, k := range slices.Sorted(maps.Keys(val)) {
			b = msgp.AppendString(b, k)
			var err error
			if b, err = appendAny(b, val[k]); err != nil {
				return b, err
			}
		}
		return b, nil
	}
	return b, fmt.Errorf("a value of type %T has no form in a record", val)
}
