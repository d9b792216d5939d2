package sink

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/record"
)

// AppendRecord appends an alert as a record of a Fluent Bit chunk,
// [[timestamp, {}], {body}], as Fluent Bit writes them since 2.1. ms is the
// time of the record in unix ms, body a JSON object. On an error dst is
// returned as it was.
func AppendRecord(dst []byte, ms int64, body []byte) ([]byte, error) {
	b := msgp.AppendArrayHeader(dst, 2)
	b = msgp.AppendArrayHeader(b, 2)
	b = appendEventTime(b, time.UnixMilli(ms))
	b = msgp.AppendMapHeader(b, 0)
	b, err := appendBody(b, body)
	if err != nil {
		return dst, err
	}
	return b, nil
}

// AppendEntry appends an alert as an entry of the forward protocol,
// [timestamp, {body}], which Fluentd and every Fluent Bit read.
func AppendEntry(dst []byte, ms int64, body []byte) ([]byte, error) {
	b := msgp.AppendArrayHeader(dst, 2)
	b = appendEventTime(b, time.UnixMilli(ms))
	b, err := appendBody(b, body)
	if err != nil {
		return dst, err
	}
	return b, nil
}

// appendBody appends a JSON object as a map.
func appendBody(b, body []byte) ([]byte, error) {
	val, err := record.JSON.Decode(body)
	if err != nil {
		return b, err
	}
	fields, ok := val.(map[string]any)
	if !ok {
		return b, record.ErrNotMap
	}
	return appendAny(b, fields)
}

// appendEventTime appends Fluent Bit's timestamp: extension type 0, seconds
// and nanoseconds, 32 bits each. What is before 1970 or after 2106 has no form
// in it and becomes the nearest that has.
func appendEventTime(b []byte, t time.Time) []byte {
	sec, nsec := uint32(t.Unix()), uint32(t.Nanosecond())
	switch s := t.Unix(); {
	case s < 0:
		sec, nsec = 0, 0
	case s > math.MaxUint32-2:
		// The two highest are what Fluent Bit marks groups of records with.
		sec, nsec = math.MaxUint32-2, 0
	}
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
