package record

import (
	"math"
	"strings"
	"testing"
)

func TestJSONNumbers(t *testing.T) {
	tests := []struct {
		text string
		want Value // the zero Value: no JSON
	}{
		{"0", IntValue(0)}, {"-0", IntValue(0)}, {"7", IntValue(7)}, {"-12", IntValue(-12)},
		{"999999999999999999", IntValue(999999999999999999)}, {"-99999999999999999", IntValue(-99999999999999999)},
		{"9223372036854775807", IntValue(math.MaxInt64)}, {"-9223372036854775808", IntValue(math.MinInt64)},
		{"9223372036854775808", UintValue(1 << 63)}, {"18446744073709551615", UintValue(math.MaxUint64)},
		{"18446744073709551616", FloatValue(18446744073709551616)}, {"-9223372036854775809", FloatValue(-9223372036854775809)},
		{"1.5", FloatValue(1.5)}, {"1.0", FloatValue(1)}, {"1e3", FloatValue(1000)}, {"1E+3", FloatValue(1000)},
		{"-2.5e-1", FloatValue(-.25)}, {"0e0", FloatValue(0)}, {"1e400", FloatValue(math.Inf(1))}, {"-1e400", FloatValue(math.Inf(-1))},
		{"1e-400", FloatValue(0)}, {"-0.0", FloatValue(math.Copysign(0, -1))},
		{"true", BoolValue(true)}, {"false", BoolValue(false)}, {"null", Value{Kind: Null}},
		{text: "01"}, {text: "-01"}, {text: "00"}, {text: "-"}, {text: "+1"}, {text: ".5"}, {text: "-.5"}, {text: "1."},
		{text: "1.e1"}, {text: "1e"}, {text: "1e+"}, {text: "1.5.5"}, {text: "--1"}, {text: "1-1"}, {text: "0x10"},
		{text: "1_000"}, {text: "Inf"}, {text: "NaN"}, {text: "nan"}, {text: "True"}, {text: "nul"}, {text: "1a"}, {text: "\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, ok := bare(tt.text)
			if ok != (tt.want.Kind != Missing) || got != tt.want {
				t.Errorf("%+v, %t; want %+v", got, ok, tt.want)
			}
		})
	}
}

// Every escape, at every distance from the ends of the words that stringEnd
// reads.
func TestJSONStringsAtWordEdges(t *testing.T) {
	l := NewLayout()
	slot := l.Want("a")
	v := l.NewView(0, nil)
	for _, tt := range []struct{ text, want string }{
		{``, ""}, {`\"`, `"`}, {`\\`, `\`}, {`\\\"`, `\"`}, {`\/`, "/"}, {`\b\f\n\r\t`, "\b\f\n\r\t"},
		{`\u0041`, "A"}, {`\u00e9`, "é"}, {`\u20AC`, "€"}, {`\ud83d\ude00`, "😀"}, {`\u0000`, "\x00"},
		{`\ud83d`, "\uFFFD"}, {`\ude00`, "\uFFFD"}, {`\ud83dx`, "\uFFFDx"}, {`\ud83d\u0041`, "\uFFFDA"},
		{`\ud83d\ud83d\ude00`, "\uFFFD😀"}, {`\ud83d\n`, "\uFFFD\n"}, {`\ud83d\u12`, "\uFFFD\\u12"},
		{`\q`, `\q`}, {`\u12`, `\u12`}, {`\u12g4`, `\u12g4`}, {"\x01\x1f\x7f\xff", "\x01\x1f\x7f\xff"}, {"!#[]{}:,", "!#[]{}:,"},
	} {
		for before := range 18 {
			for after := range 10 {
				pad, end := strings.Repeat("x", before), strings.Repeat("y", after)
				text := `{"k":"` + pad + tt.text + end + `","a":"` + pad + tt.text + end + `"}`
				v.Reset()
				n, err := l.ScanJSON([]byte(text), v)
				if err != nil || n != len(text) {
					t.Fatalf("%s: %d, %v", text, n, err)
				}
				if got := v.At(v.Slot(slot)).Str; got != pad+tt.want+end {
					t.Fatalf("%s: %q, want %q", text, got, pad+tt.want+end)
				}
			}
		}
	}
}

// A mistake in what nobody wants passes; brackets must still pair.
func TestJSONMistakesInWhatIsSkipped(t *testing.T) {
	l := NewLayout()
	slot := l.Want("a")
	for text, ok := range map[string]bool{
		`{"x":[1 2,,:],"a":1}`: true, `{"x":{1},"a":1}`: true, `{"x":nul,"a":1}`: true, `{"x":01,"a":1}`: true,
		`{"x":[},"a":1}`: false, `{"x":{],"a":1}`: false, `{"x":1"a":1}`: false, `{"x":[1"],"a":1}`: false,
	} {
		v := l.NewView(0, nil)
		if n, err := l.ScanJSON([]byte(text), v); (err == nil) != ok || ok && (n != len(text) || v.Slot(slot) == 0) {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
}
