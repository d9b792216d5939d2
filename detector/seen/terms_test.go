package seen

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"

	"fluent-bit-newterms/detector/record"
)

func one(v record.Value) []byte { return AppendTerm(nil, &v) }

func TestTerms(t *testing.T) {
	for _, tc := range []struct {
		name string
		v    record.Value
		want any
	}{
		{"string", record.StringValue("a\x00\xff"), "a\x00\xff"},
		{"empty string", record.StringValue(""), ""},
		{"int", record.IntValue(-5), int64(-5)},
		{"uint", record.UintValue(math.MaxUint64), uint64(math.MaxUint64)},
		{"uint that is an int", record.Value{Kind: record.Uint, Num: 5}, int64(5)},
		{"float", record.FloatValue(0.5), 0.5},
		{"integral float", record.FloatValue(5), int64(5)},
		{"negative zero", record.FloatValue(math.Copysign(0, -1)), int64(0)},
		{"two to the 63", record.FloatValue(1 << 63), uint64(1 << 63)},
		{"two to the 64", record.FloatValue(1 << 64), float64(1 << 64)},
		{"least int", record.FloatValue(-1 << 63), int64(math.MinInt64)},
		{"infinity", record.FloatValue(math.Inf(1)), math.Inf(1)},
		{"true", record.BoolValue(true), true},
		{"false", record.BoolValue(false), false},
		{"null", record.Value{Kind: record.Null}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := one(tc.v)
			got, err := DecodeTerms(b)
			if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], tc.want) {
				t.Errorf("%x is %#v, %v; want %#v", b, got, err, tc.want)
			}
			if again, err := AppendAny(nil, tc.want); err != nil || !bytes.Equal(again, b) {
				t.Errorf("AppendAny gives %x, %v; want %x", again, err, b)
			}
		})
	}
	if !bytes.Equal(one(record.FloatValue(math.NaN())), one(record.FloatValue(math.Float64frombits(0x7ff8000000000123)))) {
		t.Error("two NaNs are two terms")
	}
}

// No choice of strings makes two tuples one.
func TestTermsAreSelfDelimiting(t *testing.T) {
	if bytes.Equal(terms("a", "b"), terms("ab", "")) || bytes.Equal(terms("a\x06\x01b"), terms("a", "b")) {
		t.Error("two tuples share their bytes")
	}
}

func FuzzDecodeTerms(f *testing.F) {
	f.Add(terms("a", "", "\xff"))
	f.Add(one(record.FloatValue(0.5)))
	f.Add(append(one(record.IntValue(-9)), one(record.UintValue(math.MaxUint64))...))
	f.Add([]byte{tagInt, 0x80, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeTerms(b)
		if err != nil {
			if !errors.Is(err, ErrTerms) {
				t.Fatal(err)
			}
			return
		}
		var again []byte
		for _, v := range got {
			if again, err = AppendAny(again, v); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to %v, which is %x", b, got, again)
		}
	})
}
